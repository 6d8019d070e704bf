package fs

import (
	"bytes"

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
		f.done(n, h, accounting.OpGetxattr, nil)
		return uint32(size), fuse.ERANGE
	}
	return uint32(max(size, 0)), f.done(n, h, accounting.OpGetxattr, err)
}

// ListXAttr lists the names of attributes, each ended by a NUL; of trusted.*
// only to those who may read them, for we see them all.
func (f *FS) ListXAttr(_ <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	var names []byte
	n, err := f.withPath(h.NodeId, func(path string) (err error) {
		names, err = listXattr(path)
		return err
	})
	if err == nil && f.privileged && hasTrusted(names) && (h.Uid != 0 || !hasCapability(h.Pid, unix.CAP_SYS_ADMIN)) {
		names = dropTrusted(names)
	}
	if err == nil && len(names) > len(dest) {
		f.done(n, h, accounting.OpListxattr, sizeError(dest))
		return uint32(len(names)), fuse.ERANGE
	}
	copy(dest, names)
	return uint32(len(names)), f.done(n, h, accounting.OpListxattr, err)
}

// sizeError is ERANGE unless the caller only asked for the size.
func sizeError(dest []byte) error {
	if len(dest) == 0 {
		return nil
	}
	return unix.ERANGE
}

// listXattr reads the whole list, which is at most 64 KiB (XATTR_LIST_MAX).
func listXattr(path string) ([]byte, error) {
	var small [512]byte
	n, err := unix.Listxattr(path, small[:])
	if err == nil {
		return append([]byte(nil), small[:n]...), nil
	}
	if err != unix.ERANGE {
		return nil, err
	}
	buf := make([]byte, 64<<10)
	n, err = unix.Listxattr(path, buf)
	return buf[:max(n, 0)], err
}

const trusted = "trusted."

func hasTrusted(names []byte) bool {
	return bytes.HasPrefix(names, []byte(trusted)) || bytes.Contains(names, []byte("\x00"+trusted))
}

// dropTrusted takes trusted.* off a list, in place.
func dropTrusted(names []byte) []byte {
	kept := names[:0]
	for len(names) > 0 {
		end := bytes.IndexByte(names, 0) + 1
		if end == 0 {
			end = len(names)
		}
		if !bytes.HasPrefix(names, []byte(trusted)) {
			kept = append(kept, names[:end]...)
		}
		names = names[end:]
	}
	return kept
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
