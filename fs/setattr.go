package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// SetAttr is chmod, chown, truncate and utimensat in one.
func (f *FS) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		var o *file
		if fh, ok := in.GetFh(); ok {
			o = f.files.get(fh)
		}
		if err = f.setattr(cancel, n, o, in); err == nil {
			err = f.getattr(n, o, out)
		}
	}
	return f.done(n, &in.InHeader, accounting.OpSetattr, err)
}

// setattr applies what is valid in in, in an order in which no step undoes
// another: chown clears the set-id bits that chmod may set, and truncate moves
// the times that utimensat may set.
func (f *FS) setattr(cancel <-chan struct{}, n *node, o *file, in *fuse.SetAttrIn) error {
	p, err := f.pathOf(n, o)
	if err != nil {
		return err
	}
	defer p.close()
	// With nothing valid it is chown(-1, -1), which clears set-id bits.
	if in.Valid&(fuse.FATTR_UID|fuse.FATTR_GID) != 0 || in.Valid&^(fuse.FATTR_FH|fuse.FATTR_LOCKOWNER|fuse.FATTR_CTIME) == 0 {
		if err := f.chown(p.fd, in); err != nil {
			return err
		}
	}
	if mode, ok := in.GetMode(); ok {
		err := retry(func() error { return unix.Fchmodat(f.procFD, fdName(p.fd), mode, 0) })
		if err != nil {
			return err
		}
	}
	if size, ok := in.GetSize(); ok {
		if err := f.truncate(cancel, p.fd, o, in, int64(size)); err != nil {
			return err
		}
	}
	if in.Valid&(fuse.FATTR_ATIME|fuse.FATTR_MTIME) != 0 {
		ts := []unix.Timespec{
			timespec(in.Valid, fuse.FATTR_ATIME, fuse.FATTR_ATIME_NOW, in.Atime, in.Atimensec),
			timespec(in.Valid, fuse.FATTR_MTIME, fuse.FATTR_MTIME_NOW, in.Mtime, in.Mtimensec),
		}
		return retry(func() error { return unix.UtimesNanoAt(p.fd, "", ts, unix.AT_EMPTY_PATH) })
	}
	return nil
}

// pathOf is a descriptor for calls about the inode: the open file's where the
// request names one, which saves a node without descriptor its detour.
func (f *FS) pathOf(n *node, o *file) (pathFD, error) {
	if o != nil {
		return pathFD{fd: o.fd}, nil
	}
	return n.path()
}

func (f *FS) chown(fd int, in *fuse.SetAttrIn) error {
	uid, gid := -1, -1
	if u, ok := in.GetUID(); ok {
		uid = int(u)
	}
	if g, ok := in.GetGID(); ok {
		gid = int(g)
	}
	return retry(func() error { return unix.Fchownat(fd, "", uid, gid, unix.AT_EMPTY_PATH) })
}

// truncate sets the size through the open file the caller named, else through
// a descriptor of its own.
func (f *FS) truncate(cancel <-chan struct{}, path int, o *file, in *fuse.SetAttrIn, size int64) error {
	fd := -1
	if o != nil && !o.node.isDir() {
		fd = o.fd
	} else {
		var err error
		if fd, err = f.reopenRegular(path, unix.O_WRONLY); err != nil {
			return err
		}
		defer func() { _ = unix.Close(fd) }()
	}
	if o != nil {
		o.wrote.Store(true)
	}
	do := func() error { return retry(func() error { return unix.Ftruncate(fd, size) }) }
	if in.Valid&fuse.FATTR_KILL_SUIDGID != 0 && f.hasSetID(fd) {
		return f.callers.withoutFsetid(cancel, &in.InHeader, do)
	}
	return do()
}

// timespec is a time as utimensat(2) wants it.
func timespec(valid, set, now uint32, sec uint64, nsec uint32) unix.Timespec {
	switch {
	case valid&now != 0:
		return unix.Timespec{Nsec: unix.UTIME_NOW}
	case valid&set != 0:
		return unix.Timespec{Sec: int64(sec), Nsec: int64(nsec)}
	default:
		return unix.Timespec{Nsec: unix.UTIME_OMIT}
	}
}
