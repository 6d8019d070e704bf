package fs

import (
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

// statxFD is statx(2) of a descriptor, O_PATH ones included, without the
// allocation that the wrapper of x/sys makes for the empty path.
func statxFD(fd, flags int, mask uint32, st *unix.Statx_t) error {
	var empty byte
	for {
		_, _, errno := unix.Syscall6(unix.SYS_STATX, uintptr(fd), uintptr(unsafe.Pointer(&empty)),
			uintptr(flags|unix.AT_EMPTY_PATH), uintptr(mask), uintptr(unsafe.Pointer(st)), 0)
		switch errno {
		case 0:
			return nil
		case unix.EINTR:
		default:
			return errno
		}
	}
}

// maxHandleSize is MAX_HANDLE_SZ (include/linux/exportfs.h).
const maxHandleSize = 128

// handleBuf is a struct file_handle with room for the largest handle.
type handleBuf struct {
	size uint32
	typ  int32
	data [maxHandleSize]byte
}

// nameToHandle fills b with the file handle of a descriptor.
func nameToHandle(fd int, b *handleBuf) error {
	var empty byte
	var mount int32
	b.size = maxHandleSize
	_, _, errno := unix.Syscall6(unix.SYS_NAME_TO_HANDLE_AT, uintptr(fd), uintptr(unsafe.Pointer(&empty)),
		uintptr(unsafe.Pointer(b)), uintptr(unsafe.Pointer(&mount)), unix.AT_EMPTY_PATH, 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// openByHandle opens what b names on the mount of mountFD, which must be a
// real descriptor: an O_PATH one is refused (EBADF).
func openByHandle(mountFD int, b *handleBuf, flags int) (int, error) {
	for {
		fd, _, errno := unix.Syscall(unix.SYS_OPEN_BY_HANDLE_AT, uintptr(mountFD),
			uintptr(unsafe.Pointer(b)), uintptr(flags|unix.O_CLOEXEC))
		switch errno {
		case 0:
			return int(fd), nil
		case unix.EINTR:
		default:
			return -1, errno
		}
	}
}

// dirent is a record of getdents64(2).
type dirent struct {
	ino    uint64
	off    uint64
	typ    uint8
	name   string // points into the buffer: valid until that is read into again
	reclen int
}

// direntHeader is the size of what stands before the name.
const direntHeader = 19

// parseDirent reads the record at the start of buf; ok is false when it is
// malformed, which only a broken kernel or buffer can bring about.
func parseDirent(buf []byte) (d dirent, ok bool) {
	if len(buf) < direntHeader {
		return d, false
	}
	d.ino = binary.NativeEndian.Uint64(buf)
	d.off = binary.NativeEndian.Uint64(buf[8:])
	d.reclen = int(binary.NativeEndian.Uint16(buf[16:]))
	d.typ = buf[18]
	if d.reclen < direntHeader || d.reclen > len(buf) {
		return d, false
	}
	name := buf[direntHeader:d.reclen]
	for i, c := range name {
		if c == 0 {
			name = name[:i]
			break
		}
	}
	d.name = unsafe.String(unsafe.SliceData(name), len(name))
	return d, true
}

// setgroups sets the supplementary groups of the calling thread alone;
// syscall.Setgroups would set those of every thread.
func setgroups(groups []uint32) error {
	_, _, errno := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(groups)),
		uintptr(unsafe.Pointer(unsafe.SliceData(groups))), 0)
	if errno != 0 {
		return errno
	}
	return nil
}

// ioctlBuf is ioctl(2) with a pointer to a buffer.
func ioctlBuf(fd int, cmd uint32, buf []byte) error {
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(cmd),
		uintptr(unsafe.Pointer(unsafe.SliceData(buf))))
	if errno != 0 {
		return errno
	}
	return nil
}
