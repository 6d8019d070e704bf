package fs

import (
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// file is an open file or directory: one descriptor of its own per open.
type file struct {
	id    uint64
	fd    int
	node  *node
	dev   *accounting.Device
	owner accounting.Owner // who opened it

	append bool        // fd is O_APPEND: writes go to the end whatever their offset
	wrote  atomic.Bool // since the last flush
	locked atomic.Bool // it was used to lock, once

	dir *dirStream // directories only
}

// addFile makes an open file of fd and takes it over, also on failure.
func (f *FS) addFile(n *node, fd int, flags uint32, h *fuse.InHeader) (*file, error) {
	id, err := f.files.reserve()
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	o := &file{id: id, fd: fd, node: n, dev: n.mount.dev, append: flags&unix.O_APPEND != 0}
	o.owner, _ = f.acct.Owner(h.Pid)
	if n.isDir() {
		o.dir = new(dirStream)
	}
	f.files.publish(id, o)
	return o, nil
}

// file returns an open file by its number.
func (f *FS) file(fh uint64) (*file, error) {
	if o := f.files.get(fh); o != nil {
		return o, nil
	}
	return nil, unix.EBADF
}

// node returns a node by its id.
func (f *FS) node(id uint64) (*node, error) {
	if n := f.nodes.get(id); n != nil {
		return n, nil
	}
	return nil, unix.ESTALE
}

// Release closes an open file. The kernel sends it when the last descriptor
// and mapping is gone; nobody waits for it.
func (f *FS) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	f.release(&in.InHeader, in.Fh, accounting.OpRelease)
}

// ReleaseDir closes an open directory.
func (f *FS) ReleaseDir(in *fuse.ReleaseIn) {
	f.release(&in.InHeader, in.Fh, accounting.OpReleasedir)
}

func (f *FS) release(h *fuse.InHeader, fh uint64, op accounting.Op) {
	o := f.files.remove(fh)
	if o == nil {
		f.done(nil, h, op, unix.EBADF)
		return
	}
	// An error of close(2) here has no one to go to; Flush asked for it.
	_ = unix.Close(o.fd)
	f.locks.dropFile(o)
	f.doneFile(o, h, op, nil)
}
