package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// StatFs tells about the file system that the node lies on.
func (f *FS) StatFs(_ <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	n, err := f.node(h.NodeId)
	if err == nil {
		err = f.statfs(n, out)
	}
	return f.done(n, h, accounting.OpStatfs, err)
}

func (f *FS) statfs(n *node, out *fuse.StatfsOut) error {
	p, err := n.path()
	if err != nil {
		return err
	}
	defer p.close()
	var st syscall.Statfs_t
	if err := retry(func() error { return syscall.Fstatfs(p.fd, &st) }); err != nil {
		return err
	}
	out.FromStatfsT(&st)
	return nil
}

// Access is access(2). The kernel sends it only without default_permissions,
// which is for ordinary users' own mounts: there the daemon's rights are the
// caller's.
func (f *FS) Access(_ <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		err = f.access(n, in.Mask)
	}
	return f.done(n, &in.InHeader, accounting.OpAccess, err)
}

func (f *FS) access(n *node, mask uint32) error {
	p, err := n.path()
	if err != nil {
		return err
	}
	defer p.close()
	return retry(func() error {
		return unix.Faccessat2(p.fd, "", mask&(fuse.R_OK|fuse.W_OK|fuse.X_OK), unix.AT_EMPTY_PATH|unix.AT_EACCESS)
	})
}
