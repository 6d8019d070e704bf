package cgroupfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// dirNode is a cgroup in one of the trees: the table's files, and the cgroups
// below. A cgroup of a file's name is shadowed by the file.
type dirNode struct {
	fs.Inode
	readOnlyDir
	srv *server
	at  place
}

// Lookup finds a file of the table, or a cgroup below if it is alive.
func (n *dirNode) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	v, err := n.srv.viewer(ctx)
	if err != nil {
		return nil, n.srv.errno(err)
	}
	if f := n.at.tree.files.find(name); f != nil {
		return n.srv.newFile(ctx, &n.Inode, v, n.at, f, out)
	}
	return n.srv.newDir(ctx, &n.Inode, v, n.at.child(name), out)
}

// Getattr shows the attributes: ENOENT once the cgroup is gone.
func (n *dirNode) Getattr(ctx context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	return n.srv.getattr(ctx, n.at, dirMode, out)
}

// OpendirHandle starts a listing.
func (n *dirNode) OpendirHandle(ctx context.Context, _ uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return n.srv.opendir(ctx, n.at, n.list)
}

func (n *dirNode) list(v viewer) ([]fuse.DirEntry, error) {
	names, err := subCgroups(n.srv.books.CgroupRoot(), v.Root, n.at.path)
	if err != nil {
		return nil, err
	}
	files := n.at.tree.files
	list := n.srv.fileEntries(n.at, files)
	for _, name := range names {
		if files.find(name) == nil {
			list = append(list, n.srv.dirEntry(fuse.S_IFDIR, n.at.child(name), name))
		}
	}
	return list, nil
}

// newDir makes the node of a cgroup that a viewer looked up.
func (s *server) newDir(ctx context.Context, parent *fs.Inode, v viewer, at place, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	cg, err := s.resolve(v, at)
	if err != nil {
		return nil, s.errno(err)
	}
	setAttr(&out.Attr, dirMode, cg)
	return parent.NewInode(ctx, &dirNode{srv: s, at: at}, s.stable(fuse.S_IFDIR, at, "")), 0
}

// getattr is Getattr of any node at a place.
func (s *server) getattr(ctx context.Context, at place, mode uint32, out *fuse.AttrOut) syscall.Errno {
	v, err := s.viewer(ctx)
	if err != nil {
		return s.errno(err)
	}
	cg, err := s.resolve(v, at)
	if err != nil {
		return s.errno(err)
	}
	setAttr(&out.Attr, mode, cg)
	return 0
}
