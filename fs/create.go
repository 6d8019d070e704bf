package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Create makes and opens a regular file, or opens the one that is there.
func (f *FS) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	parent, err := f.node(in.NodeId)
	if err == nil {
		err = checkName(name)
	}
	if err == nil {
		err = f.create(cancel, parent, in, name, out)
	}
	return f.done(parent, &in.InHeader, accounting.OpCreate, err)
}

func (f *FS) create(cancel <-chan struct{}, parent *node, in *fuse.CreateIn, name string, out *fuse.CreateOut) error {
	p, err := parent.path()
	if err != nil {
		return err
	}
	defer p.close()
	flags := f.sourceFlags(in.Flags)
	var fd int
	err = f.callers.as(cancel, &in.InHeader, in.Umask, func() error {
		// O_EXCL first: without it the open could hang on a FIFO that
		// appeared under that name behind our back.
		fd, err = f.relax(flags, func(flags int) (int, error) {
			return retryFd(func() (int, error) {
				return unix.Openat(p.fd, name, flags&^unix.O_TRUNC|unix.O_CREAT|unix.O_EXCL|unix.O_NOFOLLOW|unix.O_CLOEXEC, in.Mode)
			})
		})
		if err != unix.EEXIST || in.Flags&unix.O_EXCL != 0 {
			return err
		}
		// The kernel thought that there is no such file, so it has checked no
		// permissions: opening as the caller does.
		fd, err = f.openExisting(p.fd, name, flags)
		return err
	})
	if err != nil {
		return err
	}
	return f.created(parent, fd, flags, &in.InHeader, out)
}

// openExisting opens a regular file by name, as the thread's caller.
func (f *FS) openExisting(dir int, name string, flags int) (int, error) {
	path, err := f.step(dir, name)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(path) }()
	fd, err := f.reopenRegular(path, flags)
	switch err {
	case unix.ELOOP, unix.EISDIR, unix.ENXIO:
		return -1, unix.ESTALE // has the kernel look the name up again
	}
	return fd, err
}

// created makes node and open file of a fresh descriptor, which it takes over.
// The node comes from the descriptor, not from the name, which may lead
// elsewhere by now.
func (f *FS) created(parent *node, fd, flags int, h *fuse.InHeader, out *fuse.CreateOut) error {
	path, err := f.reopen(fd, unix.O_PATH)
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	n, err := f.enter(parent, path, &out.EntryOut)
	if err != nil {
		_ = unix.Close(fd)
		return err
	}
	o, err := f.addFile(n, fd, uint32(flags), h)
	if err != nil {
		f.nodes.forget(n.id, 1)
		return err
	}
	out.Fh = o.id
	out.OpenFlags = f.cacheFlags(o)
	return nil
}

// Tmpfile is open(2) with O_TMPFILE: a file without a name, which link can
// give one.
func (f *FS) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	parent, err := f.node(in.NodeId)
	if err == nil {
		err = f.tmpfile(cancel, parent, in, out)
	}
	return f.done(parent, &in.InHeader, accounting.OpTmpfile, err)
}

func (f *FS) tmpfile(cancel <-chan struct{}, parent *node, in *fuse.CreateIn, out *fuse.CreateOut) error {
	p, err := parent.path()
	if err != nil {
		return err
	}
	defer p.close()
	flags := f.sourceFlags(in.Flags)&^unix.O_TRUNC | int(in.Flags&unix.O_EXCL)
	var fd int
	err = f.callers.as(cancel, &in.InHeader, in.Umask, func() (err error) {
		fd, err = f.relax(flags, func(flags int) (int, error) {
			return retryFd(func() (int, error) {
				return unix.Openat(p.fd, ".", flags|unix.O_TMPFILE|unix.O_CLOEXEC, in.Mode)
			})
		})
		return err
	})
	if err != nil {
		return err
	}
	return f.created(parent, fd, flags, &in.InHeader, out)
}

// make runs one of the calls that make a name in a directory, as the caller,
// and looks the name up.
func (f *FS) make(cancel <-chan struct{}, h *fuse.InHeader, op accounting.Op, umask uint32,
	name string, out *fuse.EntryOut, call func(dir int) error,
) fuse.Status {
	parent, err := f.node(h.NodeId)
	if err == nil {
		err = checkName(name)
	}
	if err != nil {
		return f.done(parent, h, op, err)
	}
	p, err := parent.path()
	if err != nil {
		return f.done(parent, h, op, err)
	}
	defer p.close()
	err = f.callers.as(cancel, h, umask, func() error {
		return retry(func() error { return call(p.fd) })
	})
	if err == nil {
		err = f.lookupAt(parent, p.fd, name, out)
	}
	return f.done(parent, h, op, err)
}

// Mknod makes a file of any type.
func (f *FS) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(cancel, &in.InHeader, accounting.OpMknod, in.Umask, name, out, func(dir int) error {
		return unix.Mknodat(dir, name, in.Mode, int(in.Rdev))
	})
}

// Mkdir makes a directory.
func (f *FS) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(cancel, &in.InHeader, accounting.OpMkdir, in.Umask, name, out, func(dir int) error {
		return unix.Mkdirat(dir, name, in.Mode)
	})
}

// Symlink makes a symbolic link. Its target is text to us: nothing here ever
// follows it.
func (f *FS) Symlink(cancel <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	return f.make(cancel, h, accounting.OpSymlink, 0, name, out, func(dir int) error {
		return unix.Symlinkat(target, dir, name)
	})
}
