package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// openMask is what of a client's open flags reaches the source. The rest is
// the kernel's business (O_CREAT, O_EXCL, O_NOCTTY, FMODE_EXEC), has no
// meaning for regular files (O_NONBLOCK), or must not (O_NOFOLLOW: we reopen
// through a magic link).
const openMask = unix.O_ACCMODE | unix.O_APPEND | unix.O_TRUNC | unix.O_DSYNC | unix.O_SYNC |
	unix.O_DIRECT | unix.O_NOATIME | unix.O_LARGEFILE

// sourceFlags makes of a client's open flags those for the source.
func (f *FS) sourceFlags(flags uint32) int {
	flags &= openMask
	if f.cache == CacheWriteback {
		// The kernel reads around partial pages, and itself knows where the
		// end is.
		if flags&unix.O_ACCMODE == unix.O_WRONLY {
			flags = flags&^unix.O_ACCMODE | unix.O_RDWR
		}
		flags &^= unix.O_APPEND
	}
	if f.noatime {
		flags |= unix.O_NOATIME
	}
	return int(flags)
}

// Open opens a regular file.
func (f *FS) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		err = f.openNode(cancel, n, in, out)
	}
	return f.done(n, &in.InHeader, accounting.OpOpen, err)
}

func (f *FS) openNode(cancel <-chan struct{}, n *node, in *fuse.OpenIn, out *fuse.OpenOut) error {
	p, err := n.path()
	if err != nil {
		return err
	}
	defer p.close()
	flags := f.sourceFlags(in.Flags)
	var fd int
	open := func() (err error) {
		fd, err = f.reopenRegular(p.fd, flags)
		return err
	}
	// OpenIn.Mode is open_flags of the protocol.
	if in.Mode&fuse.OPEN_KILL_SUIDGID != 0 && flags&unix.O_TRUNC != 0 && f.hasSetID(p.fd) {
		err = f.callers.withoutFsetid(cancel, &in.InHeader, open)
	} else {
		err = open()
	}
	if err != nil {
		return err
	}
	o, err := f.addFile(n, fd, uint32(flags), &in.InHeader)
	if err != nil {
		return err
	}
	out.Fh = o.id
	out.OpenFlags = f.cacheFlags(o)
	return nil
}

// reopenRegular opens the regular file behind an O_PATH descriptor. Anything
// else is refused: opening a FIFO or a device can hang, or act. (The kernel
// opens those itself and never asks.)
//
// O_DIRECT, O_NOATIME and, under writeback, the wish to read as well are given
// up where the source refuses them: they are no more than better or worse ways
// to do the same.
func (f *FS) reopenRegular(path, flags int) (int, error) {
	var st unix.Statx_t
	if err := statxFD(path, 0, unix.STATX_TYPE, &st); err != nil {
		return -1, err
	}
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFREG:
	case unix.S_IFDIR:
		return -1, unix.EISDIR
	case unix.S_IFLNK:
		return -1, unix.ELOOP
	default:
		return -1, unix.ENXIO
	}
	return f.relax(flags, func(flags int) (int, error) { return f.reopen(path, flags) })
}

// relax opens with fewer flags where the source refuses dispensable ones.
func (f *FS) relax(flags int, open func(flags int) (int, error)) (int, error) {
	fd, err := open(flags)
	if err == unix.EPERM && flags&unix.O_NOATIME != 0 {
		flags &^= unix.O_NOATIME
		fd, err = open(flags)
	}
	if err == unix.EINVAL && flags&unix.O_DIRECT != 0 {
		flags &^= unix.O_DIRECT
		fd, err = open(flags)
	}
	if err == unix.EACCES && f.cache == CacheWriteback && flags&unix.O_ACCMODE == unix.O_RDWR {
		fd, err = open(flags&^unix.O_ACCMODE | unix.O_WRONLY)
	}
	return fd, err
}

// cacheFlags tells the kernel what it may keep of the file's pages: all, when
// the file is as it was when they last were in step; nothing, when it changed
// behind our back. (Later changes it notices itself, by mtime and size, within
// the attribute timeout.)
func (f *FS) cacheFlags(o *file) uint32 {
	if f.cache == CacheNone {
		return fuse.FOPEN_DIRECT_IO | fuse.FOPEN_PARALLEL_DIRECT_WRITES
	}
	var st unix.Statx_t
	if statxFD(o.fd, 0, unix.STATX_BASIC_STATS, &st) != nil {
		return 0
	}
	now := stampOf(&st)
	if old := o.node.stamp.Load(); old != nil && *old == now {
		return fuse.FOPEN_KEEP_CACHE
	}
	o.node.stamp.Store(&now)
	return 0
}

// OpenDir opens a directory.
func (f *FS) OpenDir(_ <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		err = f.openDir(n, in, out)
	}
	return f.done(n, &in.InHeader, accounting.OpOpendir, err)
}

func (f *FS) openDir(n *node, in *fuse.OpenIn, out *fuse.OpenOut) error {
	if !n.isDir() {
		return unix.ENOTDIR
	}
	p, err := n.path()
	if err != nil {
		return err
	}
	defer p.close()
	flags := unix.O_RDONLY | unix.O_DIRECTORY
	if f.noatime || f.nodiratime {
		flags |= unix.O_NOATIME
	}
	fd, err := f.relax(flags, func(flags int) (int, error) { return f.reopen(p.fd, flags) })
	if err != nil {
		return err
	}
	o, err := f.addFile(n, fd, 0, &in.InHeader)
	if err != nil {
		return err
	}
	out.Fh = o.id
	return nil
}
