package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Fallocate allocates, punches or zeroes a range of an open file. A hole
// punched is a discard of what of the range lies before the end of the file.
func (f *FS) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		if in.Mode&unix.FALLOC_FL_PUNCH_HOLE != 0 {
			err = f.punch(cancel, o, in)
		} else {
			err = f.fallocate(cancel, o, in)
		}
		o.wrote.Store(true)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpFallocate, err)
}

func (f *FS) punch(cancel <-chan struct{}, o *file, in *fuse.FallocateIn) error {
	var st unix.Statx_t
	if err := statxFD(o.fd, 0, unix.STATX_SIZE, &st); err != nil {
		return err
	}
	n := 0
	if in.Offset < st.Size {
		n = int(min(in.Length, st.Size-in.Offset))
	}
	who := accounting.Caller{TID: in.Pid, Slot: in.Pid, Opener: &o.owner}
	req, err := f.acct.Begin(o.dev, who, accounting.Discard, false, n, cancel)
	if err != nil {
		return err
	}
	err = f.fallocate(cancel, o, in)
	if err != nil {
		n = 0
	}
	req.End(n, err != nil)
	return err
}

func (f *FS) fallocate(cancel <-chan struct{}, o *file, in *fuse.FallocateIn) error {
	do := func() error {
		return retry(func() error {
			return unix.Fallocate(o.fd, in.Mode, int64(in.Offset), int64(in.Length))
		})
	}
	// FUSE has no KILL_SUIDGID here; the kernel leaves it to us all the same.
	if in.Uid != 0 && f.hasSetID(o.fd) {
		return f.callers.withoutFsetid(cancel, &in.InHeader, do)
	}
	return do()
}

// Lseek finds data and holes; the kernel answers every other whence itself.
func (f *FS) Lseek(_ <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	if f.cache == CacheWriteback {
		// The kernel asks without writing its dirty pages back first, so the
		// source may not know of the data. Told that there is no LSEEK, it
		// takes every file for data throughout, which is always right.
		return fuse.ENOSYS
	}
	o, err := f.file(in.Fh)
	if err == nil {
		var off int64
		off, err = unix.Seek(o.fd, int64(in.Offset), int(in.Whence))
		out.Offset = uint64(off)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpLseek, err)
}
