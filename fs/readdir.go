package fs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// dirBufSize is what one getdents64(2) asks for: several READDIR replies.
const dirBufSize = 32 << 10

// dirStream is the position of one open directory. Offsets are the source's
// own (d_off), so seekdir means there what it means here.
type dirStream struct {
	mu   sync.Mutex // guards what follows, and the descriptor's position
	buf  []byte     // dirBufSize, from the first read on
	todo []byte     // of buf, records not yet served
	next uint64     // the offset at which todo starts
}

// seek makes off the next entry's offset.
func (d *dirStream) seek(fd int, off uint64) error {
	if off == d.next && (off != 0 || d.buf == nil) {
		return nil
	}
	// Also for 0 again: rewinddir sees what changed.
	d.todo, d.next = nil, off
	_, err := unix.Seek(fd, int64(off), unix.SEEK_SET)
	return err
}

// peek returns the next record; ok is false at the end.
func (d *dirStream) peek(fd int) (e dirent, ok bool, err error) {
	if len(d.todo) == 0 {
		if d.buf == nil {
			d.buf = make([]byte, dirBufSize)
		}
		n, err := retryFd(func() (int, error) { return unix.Getdents(fd, d.buf) })
		if err != nil || n <= 0 {
			return e, false, err
		}
		d.todo = d.buf[:n]
	}
	if e, ok = parseDirent(d.todo); !ok {
		return e, false, unix.EIO
	}
	return e, true, nil
}

// advance goes past the record that peek returned.
func (d *dirStream) advance(e dirent) {
	d.todo = d.todo[e.reclen:]
	d.next = e.off
}

// ReadDir lists a directory.
func (f *FS) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(o *file, dir int, e *fuse.DirEntry) bool { return out.AddDirEntry(*e) })
}

// ReadDirPlus lists a directory and looks its entries up. An entry that cannot
// be looked up (it is gone, or is our own mount) is listed plain, which a node
// id of 0 says; so are "." and "..".
func (f *FS) ReadDirPlus(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return f.list(in, func(o *file, dir int, e *fuse.DirEntry) bool {
		entry := out.AddDirLookupEntry(*e) // room first: a lookup without a reply would leak
		if entry == nil {
			return false
		}
		if e.Name == "." || e.Name == ".." {
			return true
		}
		if f.lookupAt(o.node, dir, e.Name, entry) != nil {
			*entry = fuse.EntryOut{}
		} else {
			out.FixMode(entry.Mode)
		}
		return true
	})
}

// list reads entries from the request's offset on until add says that the
// reply is full.
func (f *FS) list(in *fuse.ReadIn, add func(o *file, dir int, e *fuse.DirEntry) bool) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil && o.dir == nil {
		err = unix.ENOTDIR
	}
	if err == nil {
		o.dir.mu.Lock()
		err = f.fill(o, in.Offset, add)
		o.dir.mu.Unlock()
	}
	return f.doneFile(o, &in.InHeader, accounting.OpReaddir, err)
}

// fill is list with the directory's lock held. An error after the first entry
// is left for the next call, which meets it again.
func (f *FS) fill(o *file, off uint64, add func(o *file, dir int, e *fuse.DirEntry) bool) error {
	if err := o.dir.seek(o.fd, off); err != nil {
		return err
	}
	var st unix.Statx_t
	if err := statxFD(o.fd, 0, unix.STATX_INO, &st); err != nil {
		return err
	}
	atRoot := o.node == f.root
	for first := true; ; first = false {
		d, ok, err := o.dir.peek(o.fd)
		if !ok {
			if first {
				return err
			}
			return nil
		}
		if atRoot && d.name == f.hidden && f.hidden != "" {
			o.dir.advance(d)
			continue
		}
		e := fuse.DirEntry{Name: d.name, Off: d.off, Mode: uint32(d.typ) << 12, Ino: d.ino}
		if atRoot && d.name == ".." {
			e.Ino = st.Ino // what lies above the source is nobody's business
		}
		e.Ino = f.mounts.ino(st.Dev_major, st.Dev_minor, e.Ino)
		if !add(o, o.fd, &e) {
			return nil
		}
		o.dir.advance(d)
	}
}
