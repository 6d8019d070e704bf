package cgroupfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// rootNode is the root of the virtual directory: the trees, and for the host
// view the files beside them.
type rootNode struct {
	fs.Inode
	readOnlyDir
	srv *server
}

// Lookup finds a tree, or in the host view a file.
func (n *rootNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	v, err := n.srv.viewer(ctx)
	if err != nil {
		return nil, n.srv.errno(err)
	}
	if t := n.srv.tree(name); t != nil {
		return n.srv.newDir(ctx, &n.Inode, v, place{tree: t, path: "/"}, out)
	}
	if f := n.srv.host.find(name); f != nil && v.Host {
		return n.srv.newFile(ctx, &n.Inode, v, place{}, f, out)
	}
	return nil, syscall.ENOENT
}

// Getattr shows the attributes, to whoever may look at all.
func (n *rootNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.srv.getattr(ctx, place{}, dirMode, out)
}

// OpendirHandle starts a listing.
func (n *rootNode) OpendirHandle(ctx context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return n.srv.opendir(ctx, place{}, n.list)
}

func (n *rootNode) list(v viewer) ([]fuse.DirEntry, error) {
	var list []fuse.DirEntry
	for _, t := range n.srv.trees {
		list = append(list, n.srv.dirEntry(fuse.S_IFDIR, place{tree: t, path: "/"}, t.name))
	}
	if v.Host {
		list = append(list, n.srv.fileEntries(place{}, n.srv.host)...)
	}
	return list, nil
}
