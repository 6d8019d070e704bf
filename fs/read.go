package fs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// readResult is the reply to a READ: exactly the bytes that pread returned, so
// that what is counted is what is replied. It comes from a pool, as an
// interface around a slice would be an allocation per request.
type readResult struct{ data []byte }

var readResults = sync.Pool{New: func() any { return new(readResult) }}

// Bytes returns the data.
func (r *readResult) Bytes([]byte) ([]byte, fuse.Status) { return r.data, fuse.OK }

// Size returns the length of the data.
func (r *readResult) Size() int { return len(r.data) }

// Done gives the result back; the server calls it once, after the reply.
func (r *readResult) Done() {
	r.data = nil
	readResults.Put(r)
}

// Read reads from an open file into buf, which is page aligned. This is the
// hot path: it takes no lock of ours and allocates nothing.
func (f *FS) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	o := f.files.get(in.Fh)
	if o == nil {
		return nil, fuse.EBADF
	}
	who := accounting.Caller{TID: in.Pid, Slot: in.Pid, Opener: &o.owner}
	req, err := f.acct.Begin(o.dev, who, accounting.Read, true, len(buf), cancel)
	if err != nil {
		return nil, status(err)
	}
	n, err := pread(o.fd, buf, int64(in.Offset))
	req.End(n, err != nil)
	if err != nil {
		return nil, status(err)
	}
	r := readResults.Get().(*readResult)
	r.data = buf[:n]
	return r, fuse.OK
}

func pread(fd int, buf []byte, off int64) (int, error) {
	for {
		n, err := unix.Pread(fd, buf, off)
		if err != unix.EINTR {
			return max(n, 0), err
		}
	}
}
