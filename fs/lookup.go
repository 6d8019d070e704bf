package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Lookup finds a name in a directory.
func (f *FS) Lookup(_ <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	parent, err := f.node(h.NodeId)
	if err == nil {
		err = f.lookup(parent, name, out)
	}
	return f.done(parent, h, accounting.OpLookup, err)
}

// lookup finds a name and fills the entry, which counts one lookup.
func (f *FS) lookup(parent *node, name string, out *fuse.EntryOut) error {
	p, err := parent.path()
	if err != nil {
		return err
	}
	defer p.close()
	return f.lookupAt(parent, p.fd, name, out)
}

// lookupAt is lookup with the parent's descriptor at hand.
func (f *FS) lookupAt(parent *node, dir int, name string, out *fuse.EntryOut) error {
	if err := checkName(name); err != nil {
		return err
	}
	fd, err := f.step(dir, name)
	if err != nil {
		return err
	}
	_, err = f.enter(parent, fd, out)
	return err
}

// enter makes a node of an O_PATH descriptor, which it takes over, and fills
// the entry. parent is a node on what is likely the same mount.
func (f *FS) enter(parent *node, fd int, out *fuse.EntryOut) (*node, error) {
	var st unix.Statx_t
	if err := statxFD(fd, 0, statxMask, &st); err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	mt := parent.mount
	if mt.id != st.Mnt_id {
		var err error
		if mt, err = f.mounts.of(fd, &st); err != nil {
			_ = unix.Close(fd)
			return nil, err
		}
	}
	n, err := f.nodes.acquire(fd, &st, mt)
	if err != nil {
		return nil, err
	}
	out.NodeId = n.id
	out.Generation = 1 // node ids are never used again
	out.SetEntryTimeout(f.entryTimeout)
	out.SetAttrTimeout(f.attrTimeout)
	f.fillAttr(&out.Attr, &st)
	return n, nil
}

// step opens one component with O_PATH, following no link. Where a mount must
// be crossed, it is looked at first: walking into our own mount would wait for
// ourselves, with the kernel's lock on a directory in hand.
func (f *FS) step(dir int, name string) (int, error) {
	how := unix.OpenHow{Flags: unix.O_PATH | unix.O_NOFOLLOW | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_XDEV}
	fd, err := retryFd(func() (int, error) { return unix.Openat2(dir, name, &how) })
	if err != unix.EXDEV && err != unix.ENOSYS {
		return fd, err
	}
	fd, err = retryFd(func() (int, error) {
		return unix.Openat(dir, name, unix.O_PATH|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	})
	if err != nil {
		return -1, err
	}
	var st unix.Statx_t
	// DONT_SYNC: answered from the cached inode; no request to whoever serves it.
	if err := statxFD(fd, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st); err != nil {
		_ = unix.Close(fd)
		return -1, err
	}
	if uint64(st.Dev_major)<<32|uint64(st.Dev_minor) == f.ownDev.Load() {
		_ = unix.Close(fd)
		return -1, unix.ELOOP
	}
	return fd, nil
}

// Forget takes lookups off a node. It is not counted: nobody asked for it.
func (f *FS) Forget(id, lookups uint64) { f.nodes.forget(id, lookups) }
