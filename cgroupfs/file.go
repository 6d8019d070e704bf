package cgroupfs

import (
	"context"
	"errors"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// fileNode is a virtual file: a row of a table at a place.
type fileNode struct {
	fs.Inode
	readOnlyXattr
	srv  *server
	at   place
	file *file
}

// newFile makes the node of a file that a viewer looked up.
func (s *server) newFile(ctx context.Context, parent *fs.Inode, v viewer, at place, f *file, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	cg, err := s.resolve(v, at)
	if err != nil {
		return nil, s.errno(err)
	}
	setFileAttr(&out.Attr, f.mode, cg)
	node := &fileNode{srv: s, at: at, file: f}
	return parent.NewInode(ctx, node, s.stable(fuse.S_IFREG, at, f.name)), 0
}

// seen finds the caller and the cgroup that the file is about for it. A file
// beside the trees is there for the host view alone.
func (n *fileNode) seen(ctx context.Context) (viewer, cgroup, error) {
	v, err := n.srv.viewer(ctx)
	if err != nil {
		return v, cgroup{}, err
	}
	if n.at.tree == nil && !v.Host {
		return v, cgroup{}, errAbsent
	}
	cg, err := n.srv.resolve(v, n.at)
	return v, cg, err
}

// Getattr shows the attributes: ENOENT once the cgroup is gone, but for fstat(2)
// of a descriptor opened before: kernfs answers it too, and it is the read after
// it that fails. (The kernel does not say which call it is; stat(2) has met
// ENOENT on lookup before it comes here, so an open file means fstat.)
func (n *fileNode) Getattr(ctx context.Context, f fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	v, cg, err := n.seen(ctx)
	if h, ok := f.(*handle); ok && n.at.tree != nil && h.opener == v.View && errors.Is(err, errAbsent) {
		cg, err = cgroup{changed: n.srv.since}, nil
	}
	if err != nil {
		return n.srv.errno(err)
	}
	setFileAttr(&out.Attr, n.file.mode, cg)
	return 0
}

// Setattr accepts only what comes with opening for writing: a truncation to
// nothing, by who may write the file, does nothing (`echo 1 >file`).
func (n *fileNode) Setattr(ctx context.Context, _ fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	v, cg, err := n.seen(ctx)
	if err != nil {
		return n.srv.errno(err)
	}
	const changes = fuse.FATTR_MODE | fuse.FATTR_UID | fuse.FATTR_GID | fuse.FATTR_ATIME | fuse.FATTR_ATIME_NOW
	size, truncates := in.GetSize()
	if !truncates || size != 0 || in.Valid&changes != 0 {
		return syscall.EPERM
	}
	if n.file.write == nil || !v.mayWrite() {
		return n.srv.errno(errDenied)
	}
	setFileAttr(&out.Attr, n.file.mode, cg)
	out.Ino = n.StableAttr().Ino // go-fuse fills it in everywhere but here
	return 0
}

// Open checks the access mode against the row of the table, whatever the
// permission bits allow root, and gives a handle. Direct I/O: the kernel neither
// caches what is read nor believes the size.
func (n *fileNode) Open(ctx context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	v, cg, err := n.seen(ctx)
	if err != nil {
		return nil, 0, n.srv.errno(err)
	}
	mode := flags & syscall.O_ACCMODE
	reads := mode != syscall.O_WRONLY
	writes := mode != syscall.O_RDONLY || flags&syscall.O_TRUNC != 0
	if reads && n.file.render == nil || writes && (n.file.write == nil || !v.mayWrite()) {
		return nil, 0, n.srv.errno(errDenied)
	}
	return &handle{node: n, opener: v.View, cgroup: cg.id}, fuse.FOPEN_DIRECT_IO, 0
}
