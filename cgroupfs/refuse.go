package cgroupfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// readOnlyDir refuses, for any caller, what would change a directory. Cgroups
// are made and removed in cgroupfs, not here. The errnos are those of a
// directory without the operation (fs/namei.c): EACCES for creat, EPERM for all
// others.
type readOnlyDir struct{ readOnlyXattr }

func (readOnlyDir) Create(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	return nil, nil, 0, syscall.EACCES
}

func (readOnlyDir) Link(context.Context, fs.InodeEmbedder, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (readOnlyDir) Mkdir(context.Context, string, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (readOnlyDir) Mknod(context.Context, string, uint32, uint32, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (readOnlyDir) Rename(context.Context, string, fs.InodeEmbedder, string, uint32) syscall.Errno {
	return syscall.EPERM
}

func (readOnlyDir) Rmdir(context.Context, string) syscall.Errno { return syscall.EPERM }

func (readOnlyDir) Setattr(context.Context, fs.FileHandle, *fuse.SetAttrIn, *fuse.AttrOut) syscall.Errno {
	return syscall.EPERM
}

func (readOnlyDir) Symlink(context.Context, string, string, *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}

func (readOnlyDir) Unlink(context.Context, string) syscall.Errno { return syscall.EPERM }

// readOnlyXattr says that there are no extended attributes to set; go-fuse alone
// would answer ENODATA.
type readOnlyXattr struct{}

func (readOnlyXattr) Setxattr(context.Context, string, []byte, uint32) syscall.Errno {
	return syscall.EOPNOTSUPP
}

func (readOnlyXattr) Removexattr(context.Context, string) syscall.Errno { return syscall.EOPNOTSUPP }
