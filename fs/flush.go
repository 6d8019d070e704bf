package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Flush is called at every close(2) of a client.
func (f *FS) Flush(_ <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		err = f.flush(o, in.LockOwner)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpFlush, err)
}

func (f *FS) flush(o *file, lockOwner uint64) error {
	// A close of any descriptor drops all POSIX locks of the process.
	f.locks.drop(o.node, lockOwner)
	// Closing a duplicate makes the source report what only close(2) reports
	// (NFS: delayed write errors, quota).
	fd, err := unix.FcntlInt(uintptr(o.fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	if err := unix.Close(fd); err != nil {
		return err
	}
	if o.wrote.Swap(false) {
		// What the kernel's cache holds is what was just written.
		var st unix.Statx_t
		if statxFD(o.fd, 0, unix.STATX_BASIC_STATS, &st) == nil {
			s := stampOf(&st)
			o.node.stamp.Store(&s)
		}
	}
	return nil
}

// fsyncDatasync is FUSE_FSYNC_FDATASYNC.
const fsyncDatasync = 1

// Fsync waits until the file's data is on the device.
func (f *FS) Fsync(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.fsync(in, accounting.OpFsync)
}

// FsyncDir waits until the directory's entries are on the device.
func (f *FS) FsyncDir(_ <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return f.fsync(in, accounting.OpFsyncdir)
}

func (f *FS) fsync(in *fuse.FsyncIn, op accounting.Op) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		err = retry(func() error {
			if in.FsyncFlags&fsyncDatasync != 0 {
				return unix.Fdatasync(o.fd)
			}
			return unix.Fsync(o.fd)
		})
	}
	return f.doneFile(o, &in.InHeader, op, err)
}
