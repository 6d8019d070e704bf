package accounting

import (
	"io"
	"os"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Thin wrappers that take NUL-terminated names and so need no allocation.

// inodeAt returns the inode number of a directory below another, 0 if there is
// none of that name. It does not follow links.
func inodeAt(dir int, name []byte) uint64 {
	var st unix.Statx_t
	for {
		_, _, errno := syscall.Syscall6(unix.SYS_STATX, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
			unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO|unix.STATX_TYPE, uintptr(unsafe.Pointer(&st)), 0)
		switch {
		case errno == unix.EINTR:
		case errno != 0 || st.Mode&unix.S_IFMT != unix.S_IFDIR:
			return 0
		default:
			return st.Ino
		}
	}
}

// readAt reads the beginning of a file below a directory, as much as fits.
func readAt(dir int, name, buf []byte) (int, error) {
	fd, err := openAt(dir, name)
	if err != nil {
		return 0, err
	}
	defer func() { _, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, uintptr(fd), 0, 0) }()
	for {
		n, _, errno := syscall.Syscall(unix.SYS_READ, uintptr(fd), uintptr(unsafe.Pointer(&buf[0])), uintptr(len(buf)))
		switch errno {
		case unix.EINTR:
		case 0:
			return int(n), nil
		default:
			return 0, errno
		}
	}
}

func readAllAt(dir int, name []byte) ([]byte, error) {
	fd, err := openAt(dir, name)
	if err != nil {
		return nil, err
	}
	f := os.NewFile(uintptr(fd), strings.TrimRight(string(name), "\x00"))
	defer f.Close() // read only: nothing to lose
	return io.ReadAll(f)
}

func openAt(dir int, name []byte) (int, error) {
	for {
		fd, _, errno := syscall.Syscall6(unix.SYS_OPENAT, uintptr(dir), uintptr(unsafe.Pointer(&name[0])),
			unix.O_RDONLY|unix.O_CLOEXEC, 0, 0, 0)
		switch errno {
		case unix.EINTR:
		case 0:
			return int(fd), nil
		default:
			return -1, errno
		}
	}
}

// pidfdInfo is struct pidfd_info of linux/pidfd.h in its first version.
type pidfdInfo struct {
	mask     uint64
	cgroupID uint64
	_        [12]uint32
}

const (
	pidfdThread       = unix.O_EXCL
	pidfdGetInfo      = 0xc040ff0b // _IOWR(0xFF, 11, 64 bytes)
	pidfdInfoCgroupID = 1 << 2
)

// pidfdCgroup returns the id of the thread's cgroup on v2. ok is false when the
// thread is gone, or the kernel older than 6.13 (6.9 for threads).
func pidfdCgroup(tid uint32) (id uint64, ok bool) {
	fd, _, errno := syscall.RawSyscall(unix.SYS_PIDFD_OPEN, uintptr(tid), pidfdThread, 0)
	if errno != 0 {
		return 0, false
	}
	info := pidfdInfo{mask: pidfdInfoCgroupID}
	_, _, errno = syscall.RawSyscall(unix.SYS_IOCTL, fd, pidfdGetInfo, uintptr(unsafe.Pointer(&info)))
	_, _, _ = syscall.RawSyscall(unix.SYS_CLOSE, fd, 0, 0)
	return info.cgroupID, errno == 0 && info.mask&pidfdInfoCgroupID != 0
}

// cgroupLives says whether a cgroup's directory is still there, wherever it was
// renamed to; known is false where we may not ask (CAP_DAC_READ_SEARCH).
func cgroupLives(rootFD int, id uint64) (lives, known bool) {
	const fileidKernfs = 0xfe
	h := unix.NewFileHandle(fileidKernfs, unsafe.Slice((*byte)(unsafe.Pointer(&id)), unsafe.Sizeof(id)))
	fd, err := unix.OpenByHandleAt(rootFD, h, unix.O_PATH|unix.O_CLOEXEC)
	switch err {
	case nil:
		_ = unix.Close(fd)
		return true, true
	case unix.ESTALE, unix.ENOENT:
		return false, true
	}
	return false, false
}
