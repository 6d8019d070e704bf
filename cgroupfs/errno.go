package cgroupfs

import (
	"errors"
	"syscall"
)

// The reasons to refuse, as the package speaks of them inside. The edge, that is
// the methods go-fuse calls, turns them into errnos with server.errno.
var (
	errAbsent    = errors.New("not there for this viewer")
	errDenied    = errors.New("not allowed")
	errMalformed = errors.New("malformed input")
)

// errno is what the caller gets for err. Anything unexpected is logged: it is
// the daemon's trouble (descriptors, cgroupfs gone), not the caller's.
func (s *server) errno(err error) syscall.Errno {
	var sys syscall.Errno
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errAbsent):
		return syscall.ENOENT
	case errors.Is(err, errDenied):
		return syscall.EACCES
	case errors.Is(err, errMalformed):
		return syscall.EINVAL
	case errors.Is(err, syscall.ENAMETOOLONG):
		return syscall.ENAMETOOLONG
	}
	s.log.Warn("the virtual directory failed", "err", err)
	if errors.As(err, &sys) {
		return sys
	}
	return syscall.EIO
}

// errnoOpen is errno for a descriptor that was opened earlier: when its cgroup
// is gone it reads ENODEV, as kernfs answers for a removed node
// (fs/kernfs/file.c, kernfs_fop_read_iter).
func (s *server) errnoOpen(err error) syscall.Errno {
	if errors.Is(err, errAbsent) {
		return syscall.ENODEV
	}
	return s.errno(err)
}
