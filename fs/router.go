package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// statsBit marks the node ids of the virtual tree. Both trees count theirs
// from 1; the passthrough's never get that far (table.go), and go-fuse's tree
// counts up too. (go-fuse takes the id ^0 and the name ".go-fuse-epoll-hack"
// in the root for itself, before any file system sees them.)
const statsBit = 1 << 63

// router joins the virtual tree to the passthrough: it answers to one name in
// the root, and is listed nowhere. Every node id is translated on its way in
// and out. File handles need no translation, as they come with the node id of
// their tree. No operation sees both trees: what would is EXDEV.
//
// Its methods are in this file where they decide something, and in
// router_ops.go where they only pass on.
type router struct {
	main  *FS
	stats fuse.RawFileSystem
	name  string
}

// inStats says whether an id belongs to the virtual tree.
func inStats(id uint64) bool { return id&statsBit != 0 }

// to returns the tree of a node id, which it translates.
func (r *router) to(id *uint64) fuse.RawFileSystem {
	if inStats(*id) {
		*id &^= statsBit
		return r.stats
	}
	return r.main
}

// entryTo calls fn with the tree of a node id, which it translates, and
// translates the entry that comes back.
func (r *router) entryTo(id *uint64, out *fuse.EntryOut, fn func(t fuse.RawFileSystem) fuse.Status) fuse.Status {
	stats := inStats(*id)
	st := fn(r.to(id))
	if stats && st.Ok() && out.NodeId != 0 {
		out.NodeId |= statsBit
	}
	return st
}

// isName says whether a name in a directory is the virtual tree's.
func (r *router) isName(dir uint64, name string) bool { return dir == rootID && name == r.name }

// Lookup finds a name; the virtual tree's leads to its root.
func (r *router) Lookup(cancel <-chan struct{}, h *fuse.InHeader, name string, out *fuse.EntryOut) fuse.Status {
	if r.isName(h.NodeId, name) {
		return r.enter(cancel, h, out)
	}
	return r.entryTo(&h.NodeId, out, func(t fuse.RawFileSystem) fuse.Status {
		return t.Lookup(cancel, h, name, out)
	})
}

// enter makes an entry of the virtual tree's root. That is not looked up in
// its tree, so its lookups are not counted there, and not forgotten.
func (r *router) enter(cancel <-chan struct{}, h *fuse.InHeader, out *fuse.EntryOut) fuse.Status {
	in := fuse.GetAttrIn{InHeader: *h}
	in.NodeId = rootID
	var attr fuse.AttrOut
	if st := r.stats.GetAttr(cancel, &in, &attr); !st.Ok() {
		return st
	}
	out.NodeId = statsBit | rootID
	out.Generation = 1
	out.Attr = attr.Attr
	out.AttrValid, out.AttrValidNsec = attr.AttrValid, attr.AttrValidNsec
	out.EntryValid, out.EntryValidNsec = attr.AttrValid, attr.AttrValidNsec
	return fuse.OK
}

// Forget takes lookups off a node.
func (r *router) Forget(id, lookups uint64) {
	switch {
	case id == statsBit|rootID:
	case inStats(id):
		r.stats.Forget(id&^statsBit, lookups)
	default:
		r.main.Forget(id, lookups)
	}
}

// A name that is taken by the virtual tree is taken: making it is EEXIST, also
// where the source has nothing there. What is there cannot be removed or
// moved, like a mount point (EBUSY).

// Mknod makes a file.
func (r *router) Mknod(cancel <-chan struct{}, in *fuse.MknodIn, name string, out *fuse.EntryOut) fuse.Status {
	if r.isName(in.NodeId, name) {
		return fuse.Status(unix.EEXIST)
	}
	return r.entryTo(&in.NodeId, out, func(t fuse.RawFileSystem) fuse.Status { return t.Mknod(cancel, in, name, out) })
}

// Mkdir makes a directory.
func (r *router) Mkdir(cancel <-chan struct{}, in *fuse.MkdirIn, name string, out *fuse.EntryOut) fuse.Status {
	if r.isName(in.NodeId, name) {
		return fuse.Status(unix.EEXIST)
	}
	return r.entryTo(&in.NodeId, out, func(t fuse.RawFileSystem) fuse.Status { return t.Mkdir(cancel, in, name, out) })
}

// Symlink makes a symbolic link.
func (r *router) Symlink(cancel <-chan struct{}, h *fuse.InHeader, target, name string, out *fuse.EntryOut) fuse.Status {
	if r.isName(h.NodeId, name) {
		return fuse.Status(unix.EEXIST)
	}
	return r.entryTo(&h.NodeId, out, func(t fuse.RawFileSystem) fuse.Status {
		return t.Symlink(cancel, h, target, name, out)
	})
}

// Create makes and opens a file.
func (r *router) Create(cancel <-chan struct{}, in *fuse.CreateIn, name string, out *fuse.CreateOut) fuse.Status {
	if r.isName(in.NodeId, name) {
		return fuse.Status(unix.EEXIST)
	}
	return r.entryTo(&in.NodeId, &out.EntryOut, func(t fuse.RawFileSystem) fuse.Status {
		return t.Create(cancel, in, name, out)
	})
}

// Tmpfile makes a file without a name.
func (r *router) Tmpfile(cancel <-chan struct{}, in *fuse.CreateIn, out *fuse.CreateOut) fuse.Status {
	return r.entryTo(&in.NodeId, &out.EntryOut, func(t fuse.RawFileSystem) fuse.Status {
		return t.Tmpfile(cancel, in, out)
	})
}

// Unlink removes a file.
func (r *router) Unlink(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if r.isName(h.NodeId, name) {
		return fuse.EBUSY
	}
	return r.to(&h.NodeId).Unlink(cancel, h, name)
}

// Rmdir removes a directory.
func (r *router) Rmdir(cancel <-chan struct{}, h *fuse.InHeader, name string) fuse.Status {
	if r.isName(h.NodeId, name) {
		return fuse.EBUSY
	}
	return r.to(&h.NodeId).Rmdir(cancel, h, name)
}

// Rename moves a name within a tree.
func (r *router) Rename(cancel <-chan struct{}, in *fuse.RenameIn, oldName, newName string) fuse.Status {
	switch {
	case inStats(in.NodeId) != inStats(in.Newdir):
		return fuse.EXDEV
	case r.isName(in.NodeId, oldName):
		return fuse.EBUSY
	case r.isName(in.Newdir, newName):
		return fuse.Status(unix.EEXIST)
	}
	in.Newdir &^= statsBit
	return r.to(&in.NodeId).Rename(cancel, in, oldName, newName)
}

// Link gives a node of the same tree another name.
func (r *router) Link(cancel <-chan struct{}, in *fuse.LinkIn, name string, out *fuse.EntryOut) fuse.Status {
	switch {
	case inStats(in.NodeId) != inStats(in.Oldnodeid):
		return fuse.EXDEV
	case r.isName(in.NodeId, name):
		return fuse.Status(unix.EEXIST)
	}
	in.Oldnodeid &^= statsBit
	return r.entryTo(&in.NodeId, out, func(t fuse.RawFileSystem) fuse.Status { return t.Link(cancel, in, name, out) })
}

// CopyFileRange copies within a tree. (The caller falls back to reading and
// writing on EXDEV.)
func (r *router) CopyFileRange(cancel <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	if inStats(in.NodeId) != inStats(in.NodeIdOut) {
		return 0, fuse.EXDEV
	}
	in.NodeIdOut &^= statsBit
	return r.to(&in.NodeId).CopyFileRange(cancel, in)
}

// plainShare is how much larger an entry of READDIRPLUS can be than one of
// READDIR: 160 bytes against 32 for the shortest names.
const plainShare = 5

// ReadDirPlus lists a directory. The virtual tree's is listed with READDIR and
// its entries handed on with node id 0, which says "not looked up": looked up
// there, they would carry untranslated ids. It is given a buffer so small that
// all it lists fits into the reply.
func (r *router) ReadDirPlus(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	if !inStats(in.NodeId) {
		return r.main.ReadDirPlus(cancel, in, out)
	}
	in.NodeId &^= statsBit
	plain := fuse.NewDirEntryList(make([]byte, in.Size/plainShare), in.Offset)
	if st := r.stats.ReadDir(cancel, in, plain); !st.Ok() {
		return st
	}
	entries, err := fuse.ParseDirEntries(plain.Bytes())
	if err != nil {
		return fuse.EIO
	}
	for _, e := range entries {
		out.AddDirLookupEntry(e)
	}
	return fuse.OK
}

// Init tells both trees that the connection stands.
func (r *router) Init(s *fuse.Server) {
	r.main.Init(s)
	r.stats.Init(s)
}

// OnUnmount tells both trees that the last request is done.
func (r *router) OnUnmount() {
	r.stats.OnUnmount()
	r.main.OnUnmount()
}

// String names the file system type.
func (r *router) String() string { return r.main.String() }

// SetDebug passes on.
func (r *router) SetDebug(on bool) {
	r.main.SetDebug(on)
	r.stats.SetDebug(on)
}
