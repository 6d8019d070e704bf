package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Link gives an inode another name.
func (f *FS) Link(_ <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	parent, err := f.node(in.NodeId)
	if err == nil {
		err = f.link(parent, in.Oldnodeid, name, out)
	}
	return f.done(parent, &in.InHeader, accounting.OpLink, err)
}

func (f *FS) link(parent *node, old uint64, name string, out *fuse.EntryOut) error {
	if err := checkName(name); err != nil {
		return err
	}
	n, err := f.node(old)
	if err != nil {
		return err
	}
	p, err := parent.path()
	if err != nil {
		return err
	}
	defer p.close()
	from, err := n.path()
	if err != nil {
		return err
	}
	defer from.close()
	// Through /proc/self/fd: AT_EMPTY_PATH wants a capability, and this also
	// links O_TMPFILE files.
	err = retry(func() error {
		return unix.Linkat(f.procFD, fdName(from.fd), p.fd, name, unix.AT_SYMLINK_FOLLOW)
	})
	if err != nil {
		return err
	}
	return f.lookupAt(parent, p.fd, name, out)
}

// Readlink reads a symbolic link.
func (f *FS) Readlink(_ <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	n, err := f.node(h.NodeId)
	var target []byte
	if err == nil {
		target, err = f.readlink(n)
	}
	return target, f.done(n, h, accounting.OpReadlink, err)
}

func (f *FS) readlink(n *node) ([]byte, error) {
	p, err := n.path()
	if err != nil {
		return nil, err
	}
	defer p.close()
	buf := make([]byte, unix.PathMax)
	l, err := retryFd(func() (int, error) { return unix.Readlinkat(p.fd, "", buf) })
	if err == unix.ENOENT {
		return nil, unix.EINVAL // what readlinkat says of a node that is no link
	}
	if err != nil {
		return nil, err
	}
	return buf[:l], nil
}
