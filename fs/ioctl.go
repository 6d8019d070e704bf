package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// The ioctls that a passthrough can carry out: they take and return plain
// data, and mean the inode. (The kernel's FUSE knows their sizes; those in the
// first two numbers are wrong for historical reasons: it is an int.)
const (
	fsGetFlags  = unix.FS_IOC_GETFLAGS
	fsSetFlags  = unix.FS_IOC_SETFLAGS
	fsGetXattr  = 0x801c581f // FS_IOC_FSGETXATTR
	fsSetXattr  = 0x401c5820 // FS_IOC_FSSETXATTR
	fsxattrSize = 28         // struct fsxattr
)

// Ioctl passes on what ioctls there are for inodes; others are ENOTTY, as they
// are for a file that does not know them.
func (f *FS) Ioctl(_ <-chan struct{}, in *fuse.IoctlIn, inbuf []byte, _ *fuse.IoctlOut, outbuf []byte) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		err = f.ioctl(o, in.Cmd, inbuf, outbuf)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpIoctl, err)
}

func (f *FS) ioctl(o *file, cmd uint32, in, out []byte) error {
	var buf [fsxattrSize]byte // at least as large as any of the arguments
	switch cmd {
	case fsGetFlags, fsGetXattr:
		err := retry(func() error { return ioctlBuf(o.fd, cmd, buf[:]) })
		copy(out, buf[:])
		return err
	case fsSetFlags, fsSetXattr:
		copy(buf[:], in)
		return retry(func() error { return ioctlBuf(o.fd, cmd, buf[:]) })
	default:
		return unix.ENOTTY
	}
}
