package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// maxCopy bounds one COPY_FILE_RANGE: the reply has 32 bits, and a policy
// should see portions of a size it can do something about.
const maxCopy = 64 << 20

// CopyFileRange copies within the source: a read of one file and a write of
// the other, which are both counted.
func (f *FS) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	from, err := f.file(in.FhIn)
	if err != nil {
		return 0, status(err)
	}
	to, err := f.file(in.FhOut)
	if err != nil {
		return 0, status(err)
	}
	size := int(min(in.Len, maxCopy))
	rd, err := f.acct.Begin(from.dev, accounting.Caller{TID: in.Pid, Slot: in.Pid, Opener: &from.owner},
		accounting.Read, true, size, cancel)
	if err != nil {
		return 0, status(err)
	}
	wr, err := f.acct.Begin(to.dev, accounting.Caller{TID: in.Pid, Slot: in.Pid, Opener: &to.owner},
		accounting.Write, false, size, cancel)
	if err != nil {
		rd.End(0, true)
		return 0, status(err)
	}
	n, err := f.copyRange(cancel, from, to, in, size)
	rd.End(n, err != nil)
	wr.End(n, err != nil)
	to.wrote.Store(true)
	return uint32(n), status(err)
}

func (f *FS) copyRange(cancel <-chan struct{}, from, to *file, in *fuse.CopyFileRangeIn, size int) (n int, err error) {
	do := func() (err error) {
		offIn, offOut := int64(in.OffIn), int64(in.OffOut)
		n, err = retryFd(func() (int, error) {
			return unix.CopyFileRange(from.fd, &offIn, to.fd, &offOut, size, int(in.Flags))
		})
		n = max(n, 0)
		return err
	}
	// FUSE has no KILL_SUIDGID here; the kernel leaves it to us all the same.
	if in.Uid != 0 && f.hasSetID(to.fd) {
		err = f.callers.withoutFsetid(cancel, &in.InHeader, do)
	} else {
		err = do()
	}
	return n, err
}
