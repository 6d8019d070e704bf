package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// syncFlags are the open flags that make a write synchronous in the kernel's
// statistics (REQ_SYNC): somebody waits for it to reach the device.
const syncFlags = unix.O_SYNC | unix.O_DSYNC | unix.O_DIRECT

// Write writes to an open file.
func (f *FS) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	one := [1][]byte{data}
	return f.Writev(cancel, in, one[:])
}

// Writev writes to an open file. This is the hot path: it takes no lock of
// ours and allocates nothing. A short write is the source's answer and goes to
// the caller as it is.
func (f *FS) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	o := f.files.get(in.Fh)
	if o == nil {
		return 0, fuse.EBADF
	}
	who := accounting.Caller{TID: in.Pid, Slot: in.Pid, Opener: &o.owner, Flush: in.WriteFlags&fuse.WRITE_CACHE != 0}
	req, err := f.acct.Begin(o.dev, who, accounting.Write, in.Flags&syncFlags != 0, int(in.Size), cancel)
	if err != nil {
		return 0, status(err)
	}
	n, err := f.write(cancel, o, in, data)
	req.End(n, err != nil)
	if !o.wrote.Load() {
		o.wrote.Store(true)
	}
	return uint32(n), status(err)
}

func (f *FS) write(cancel <-chan struct{}, o *file, in *fuse.WriteIn, data [][]byte) (int, error) {
	// The two rare detours allocate, so they are functions of their own.
	if in.WriteFlags&fuse.WRITE_KILL_SUIDGID != 0 && f.hasSetID(o.fd) {
		return f.writeKill(cancel, o, in, data)
	}
	if o.append && in.WriteFlags&fuse.WRITE_CACHE != 0 {
		return f.writeBack(o, data, int64(in.Offset))
	}
	return pwrite(o.fd, data, int64(in.Offset))
}

// writeKill writes such that set-id bits are dropped.
func (f *FS) writeKill(cancel <-chan struct{}, o *file, in *fuse.WriteIn, data [][]byte) (n int, err error) {
	err = f.callers.withoutFsetid(cancel, &in.InHeader, func() (err error) {
		n, err = pwrite(o.fd, data, int64(in.Offset))
		return err
	})
	return n, err
}

// writeBack writes dirty pages through a descriptor with O_APPEND, which would
// take them to the end of the file: the kernel picks any open file that can
// write, while a mapping's pages have an offset of their own. So it takes
// another descriptor. (RWF_NOAPPEND would do, but overlay ignores it.)
func (f *FS) writeBack(o *file, data [][]byte, off int64) (int, error) {
	fd, err := f.reopen(o.fd, unix.O_WRONLY)
	if err != nil {
		return 0, err
	}
	defer func() { _ = unix.Close(fd) }()
	return pwrite(fd, data, off)
}

func pwrite(fd int, data [][]byte, off int64) (n int, err error) {
	for {
		if len(data) == 1 {
			n, err = unix.Pwrite(fd, data[0], off)
		} else {
			n, err = unix.Pwritev(fd, data, off)
		}
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
