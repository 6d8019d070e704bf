package cgroupfs

import (
	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/accounting"
)

var (
	_ Books              = (*accounting.Accounting)(nil)
	_ fuse.RawFileSystem = (*guard)(nil)

	_ directory = (*rootNode)(nil)
	_ directory = (*dirNode)(nil)

	_ fs.NodeGetattrer = (*fileNode)(nil)
	_ fs.NodeSetattrer = (*fileNode)(nil)
	_ fs.NodeOpener    = (*fileNode)(nil)

	_ fs.NodeSetxattrer    = (*fileNode)(nil)
	_ fs.NodeRemovexattrer = (*fileNode)(nil)

	_ fs.FileReader = (*handle)(nil)
	_ fs.FileWriter = (*handle)(nil)

	_ fs.FileReaddirenter = (*listing)(nil)
	_ fs.FileSeekdirer    = (*listing)(nil)
)

// directory is what both kinds of directory nodes answer. Whatever would change
// something is there to refuse it: go-fuse lets unlink and rmdir of a node
// without the method succeed.
type directory interface {
	fs.NodeLookuper
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeOpendirHandler

	fs.NodeCreater
	fs.NodeLinker
	fs.NodeMkdirer
	fs.NodeMknoder
	fs.NodeRenamer
	fs.NodeRmdirer
	fs.NodeSymlinker
	fs.NodeUnlinker

	fs.NodeSetxattrer
	fs.NodeRemovexattrer
}
