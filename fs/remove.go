package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Unlink removes a name of anything but a directory.
func (f *FS) Unlink(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return f.unlink(h, accounting.OpUnlink, name, 0)
}

// Rmdir removes an empty directory.
func (f *FS) Rmdir(_ <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	return f.unlink(h, accounting.OpRmdir, name, unix.AT_REMOVEDIR)
}

func (f *FS) unlink(h *fuse.InHeader, op accounting.Op, name string, flags int) fuse.Status {
	parent, err := f.node(h.NodeId)
	if err == nil {
		err = checkName(name)
	}
	if err == nil {
		err = f.unlinkAt(parent, name, flags)
	}
	return f.done(parent, h, op, err)
}

func (f *FS) unlinkAt(parent *node, name string, flags int) error {
	p, err := parent.path()
	if err != nil {
		return err
	}
	defer p.close()
	f.pin(p.fd, name)
	return retry(func() error { return unix.Unlinkat(p.fd, name, flags) })
}

// pin keeps what has the name usable for who has it open or works in it, when
// the name goes. Nodes that have their descriptor need nothing.
func (f *FS) pin(dir int, name string) {
	if f.nodes.bare.Load() == 0 {
		return
	}
	fd, err := f.step(dir, name)
	if err != nil {
		return
	}
	var st unix.Statx_t
	if statxFD(fd, 0, unix.STATX_INO|unix.STATX_MNT_ID, &st) != nil {
		_ = unix.Close(fd)
		return
	}
	f.nodes.pin(fd, &st)
}

// Rename moves a name, also with RENAME_NOREPLACE, RENAME_EXCHANGE and
// RENAME_WHITEOUT. Nodes know no names, so nothing else moves.
func (f *FS) Rename(_ <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	from, err := f.node(in.NodeId)
	if err == nil {
		err = f.rename(from, in, oldName, newName)
	}
	return f.done(from, &in.InHeader, accounting.OpRename, err)
}

func (f *FS) rename(from *node, in *fuse.RenameIn, oldName, newName string) error {
	if err := checkName(oldName); err != nil {
		return err
	}
	if err := checkName(newName); err != nil {
		return err
	}
	to, err := f.node(in.Newdir)
	if err != nil {
		return err
	}
	p, err := from.path()
	if err != nil {
		return err
	}
	defer p.close()
	q, err := to.path()
	if err != nil {
		return err
	}
	defer q.close()
	if in.Flags&unix.RENAME_EXCHANGE == 0 {
		f.pin(q.fd, newName)
	}
	return retry(func() error {
		return unix.Renameat2(p.fd, oldName, q.fd, newName, uint(in.Flags))
	})
}
