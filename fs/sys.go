package fs

import (
	"errors"
	"strconv"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// status makes an errno of an error: the one place where that happens.
func status(err error) fuse.Status {
	if err == nil {
		return fuse.OK
	}
	if errno, ok := err.(unix.Errno); ok {
		return fuse.Status(errno)
	}
	if errors.Is(err, accounting.ErrInterrupted) {
		return fuse.EINTR
	}
	var errno unix.Errno
	if errors.As(err, &errno) {
		return fuse.Status(errno)
	}
	return fuse.EIO
}

// checkName refuses what is not one component of a path. The kernel never
// sends such a name; a corrupted or hostile transport could.
func checkName(name string) error {
	if name == "" || name == "." || name == ".." {
		return unix.EINVAL
	}
	for i := 0; i < len(name); i++ {
		if name[i] == '/' || name[i] == 0 {
			return unix.EINVAL
		}
	}
	return nil
}

// retry repeats a call that a signal interrupted: the Go runtime's own signals
// may not show in a client's system call.
func retry(call func() error) error {
	for {
		if err := call(); err != unix.EINTR {
			return err
		}
	}
}

// retryFd is retry for calls that return a descriptor or a count.
func retryFd(call func() (int, error)) (int, error) {
	for {
		n, err := call()
		if err != unix.EINTR {
			return n, err
		}
	}
}

// fdName is the name of a descriptor in /proc/self/fd.
func fdName(fd int) string { return strconv.Itoa(fd) }

// fdPath is the path of a descriptor, for calls that know no directory
// descriptor (xattrs). It is a magic link: it leads to the inode itself, also
// when that is a symbolic link.
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

// reopen opens the inode behind a descriptor anew. Flags must not contain
// O_NOFOLLOW: the magic link is followed, once, to that inode.
func (f *FS) reopen(fd, flags int) (int, error) {
	return retryFd(func() (int, error) {
		return unix.Openat(f.procFD, fdName(fd), flags|unix.O_CLOEXEC, 0)
	})
}
