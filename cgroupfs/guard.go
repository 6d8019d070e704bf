package cgroupfs

import (
	"sync"

	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/accounting"
)

// guard stands before go-fuse's bridge and keeps an open directory to the view
// that opened it. The bridge holds the last entries it handed out and repeats
// them after a seek without asking the listing, so a directory descriptor that a
// host process leaks into a container (CVE-2024-21626 was one) would tell the
// names of its neighbours. Safe for concurrent use.
type guard struct {
	fuse.RawFileSystem
	srv  *server
	dirs sync.Map // uint64 (file handle) → accounting.View of the opener
}

// Lookup refuses "." and "..": they come from file handles (NFS, name_to_handle_at),
// which carry no view, and go-fuse answers them past the nodes.
func (g *guard) Lookup(cancel <-chan struct{}, header *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if name == "." || name == ".." {
		return fuse.Status(g.srv.errno(errAbsent))
	}
	return g.RawFileSystem.Lookup(cancel, header, name, out)
}

// Read refuses to fill the page cache, which all views share. Only a read(2) of a
// direct-I/O file carries a lock owner; sendfile(2) and splice(2) go through the
// cache, and their callers fall back to read(2) on EINVAL.
func (g *guard) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	if in.ReadFlags&fuse.READ_LOCKOWNER == 0 {
		return nil, fuse.EINVAL
	}
	return g.RawFileSystem.Read(cancel, in, buf)
}

// OpenDir remembers who opened.
func (g *guard) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	view, err := g.srv.view(in.Pid)
	if err != nil {
		return fuse.Status(g.srv.errno(err))
	}
	status := g.RawFileSystem.OpenDir(cancel, in, out)
	if status.Ok() {
		g.dirs.Store(out.Fh, view)
	}
	return status
}

// ReadDir lists for the view that opened.
func (g *guard) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if err := g.opened(in); err != nil {
		return fuse.Status(g.srv.errno(err))
	}
	return g.RawFileSystem.ReadDir(cancel, in, out)
}

// ReadDirPlus likewise.
func (g *guard) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if err := g.opened(in); err != nil {
		return fuse.Status(g.srv.errno(err))
	}
	return g.RawFileSystem.ReadDirPlus(cancel, in, out)
}

// ReleaseDir forgets who opened, before the bridge can give the number again.
func (g *guard) ReleaseDir(in *fuse.ReleaseIn) {
	g.dirs.Delete(in.Fh)
	g.RawFileSystem.ReleaseDir(in)
}

// opened says whether the caller has the view that opened the directory.
func (g *guard) opened(in *fuse.ReadIn) error {
	view, err := g.srv.view(in.Pid)
	if err != nil {
		return err
	}
	opener, ok := g.dirs.Load(in.Fh)
	if !ok || opener.(accounting.View) != view {
		return errDenied
	}
	return nil
}
