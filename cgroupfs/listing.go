package cgroupfs

import (
	"context"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// listing is an open directory. It lists when first read, and anew after
// rewinddir(3), since a cgroup directory changes under a descriptor kept open.
// Only the view that opened it ever reads it: see guard. Not for concurrent use:
// go-fuse calls it under the directory handle's lock.
type listing struct {
	srv     *server
	list    func(viewer) ([]fuse.DirEntry, error)
	entries []fuse.DirEntry
	read    bool // entries holds the listing
	next    int
}

// opendir starts a listing at a place that exists for the caller.
func (s *server) opendir(ctx context.Context, at place, list func(viewer) ([]fuse.DirEntry, error)) (fs.FileHandle, uint32, syscall.Errno) {
	v, err := s.viewer(ctx)
	if err != nil {
		return nil, 0, s.errno(err)
	}
	if _, err := s.resolve(v, at); err != nil {
		return nil, 0, s.errno(err)
	}
	return &listing{srv: s, list: list}, 0, 0
}

// Readdirent returns the next entry; nil at the end.
func (l *listing) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	if !l.read {
		v, err := l.srv.viewer(ctx)
		if err != nil {
			return nil, l.srv.errno(err)
		}
		if l.entries, err = l.list(v); err != nil {
			return nil, l.srv.errno(err)
		}
		l.read = true
	}
	if l.next >= len(l.entries) {
		return nil, 0
	}
	e := l.entries[l.next]
	l.next++
	e.Off = uint64(l.next)
	return &e, 0
}

// Seekdir goes to an offset that an entry carried, or back to the start.
func (l *listing) Seekdir(_ context.Context, off uint64) syscall.Errno {
	if off == 0 {
		l.read, l.entries = false, nil
	} else if off > uint64(len(l.entries)) {
		return syscall.EINVAL
	}
	l.next = int(off)
	return 0
}

func (s *server) dirEntry(mode uint32, at place, name string) fuse.DirEntry {
	return fuse.DirEntry{Mode: mode, Name: name, Ino: s.stable(mode, at, "").Ino}
}

func (s *server) fileEntries(at place, files table) []fuse.DirEntry {
	list := make([]fuse.DirEntry, 0, len(files))
	for i := range files {
		name := files[i].name
		list = append(list, fuse.DirEntry{
			Mode: fuse.S_IFREG,
			Name: name,
			Ino:  s.stable(fuse.S_IFREG, at, name).Ino,
		})
	}
	return list
}
