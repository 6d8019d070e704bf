package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// Extended attributes go through /proc/self/fd/N, as an O_PATH descriptor
// takes none. That magic link leads to the inode itself: of a symbolic link,
// the link's own attributes are meant, as the kernel asks for them.

// withPath calls fn with the path of the node's descriptor.
func (f *FS) withPath(id uint64, fn func(path string) error) (*node, error) {
	n, err := f.node(id)
	if err != nil {
		return nil, err
	}
	p, err := n.path()
	if err != nil {
		return n, err
	}
	defer p.close()
	return n, retry(func() error { return fn(fdPath(p.fd)) })
}

// GetXAttr reads an attribute. Without room in dest it returns the size and
// ERANGE, from which go-fuse tells a question for the size.
func (f *FS) GetXAttr(_ <-chan struct{}, h *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	var size int
	n, err := f.withPath(h.NodeId, func(path string) (err error) {
		size, err = unix.Getxattr(path, attr, dest)
		return err
	})
	if err == nil && len(dest) == 0 && size > 0 {
		return uint32(size), f.done(n, h, accounting.OpGetxattr, nil) | fuse.ERANGE
	}
	return uint32(max(size, 0)), f.done(n, h, accounting.OpGetxattr, err)
}

// ListXAttr lists the names of attributes, each ended by a NUL.
func (f *FS) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	var size int
	n, err := f.withPath(h.NodeId, func(path string) (err error) {
		size, err = unix.Listxattr(path, dest)
		return err
	})
	if err == nil && len(dest) == 0 && size > 0 {
		return uint32(size), f.done(n, h, accounting.OpListxattr, nil) | fuse.ERANGE
	}
	return uint32(max(size, 0)), f.done(n, h, accounting.OpListxattr, err)
}

// SetXAttr writes an attribute.
func (f *FS) SetXAttr(_ <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	// go-fuse passes what follows the name; Size says how much is the value.
	data = data[:min(len(data), int(in.Size))]
	n, err := f.withPath(in.NodeId, func(path string) error {
		err := unix.Setxattr(path, attr, data, int(in.Flags))
		if err != nil || in.SetXAttrFlags&fuse.SETXATTR_ACL_KILL_SGID == 0 {
			return err
		}
		return f.killSgid(path)
	})
	return f.done(n, &in.InHeader, accounting.OpSetxattr, err)
}

// killSgid clears set-group-ID after an access ACL was set by a caller who is
// not in the file's group: root's own call leaves it.
func (f *FS) killSgid(path string) error {
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		return err
	}
	if st.Mode&unix.S_ISGID == 0 {
		return nil
	}
	return unix.Chmod(path, st.Mode&0o7777&^unix.S_ISGID)
}

// RemoveXAttr removes an attribute.
func (f *FS) RemoveXAttr(_ <-chan struct{}, h *fuse.InHeader, attr string) fuse.Status {
	n, err := f.withPath(h.NodeId, func(path string) error { return unix.Removexattr(path, attr) })
	return f.done(n, h, accounting.OpRemovexattr, err)
}
