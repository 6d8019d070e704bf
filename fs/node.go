package fs

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// node is an inode of the source that the kernel knows. Hard links are one
// node.
//
// It is reached, in this order: by its O_PATH descriptor, kept up to a budget;
// by its file handle, where the mount has handles. The third tier, walked
// again by (parent, name), goes into node.path when it comes.
type node struct {
	id    uint64
	key   string // identity; see identify
	mount *mount
	typ   uint32       // S_IFMT bits
	fd    atomic.Int32 // O_PATH; -1: open by handle; pin may set it

	lookups uint64 // under nodes.mu

	// stamp is the file's state when its content last was in step with the
	// kernel's page cache; nil: unknown.
	stamp atomic.Pointer[stamp]
}

// stamp tells versions of a file's content apart.
type stamp struct {
	mtime, ctime unix.StatxTimestamp
	size         uint64
}

func stampOf(st *unix.Statx_t) stamp {
	return stamp{mtime: st.Mtime, ctime: st.Ctime, size: st.Size}
}

// isDir says whether the node is a directory.
func (n *node) isDir() bool { return n.typ == unix.S_IFDIR }

// pathFD is a borrowed O_PATH descriptor of a node; close it.
type pathFD struct {
	fd   int
	temp bool
}

func (p pathFD) close() {
	if p.temp {
		_ = unix.Close(p.fd)
	}
}

// path returns an O_PATH descriptor of the node, opened anew by handle when
// none is kept.
func (n *node) path() (pathFD, error) {
	if fd := n.fd.Load(); fd >= 0 {
		return pathFD{fd: int(fd)}, nil
	}
	var h handleBuf
	n.handle(&h)
	fd, err := openByHandle(n.mount.fd, &h, unix.O_PATH|unix.O_NOFOLLOW)
	return pathFD{fd: fd, temp: true}, err
}

// A key is mount id, handle type, then the handle's bytes; or noHandle, then
// st_dev and st_ino, which an O_PATH descriptor must pin.
const (
	keyHeader = 12
	noHandle  = -1
)

// keyBuf has room for any key.
type keyBuf [keyHeader + maxHandleSize]byte

// handle restores the file handle from the key.
func (n *node) handle(h *handleBuf) {
	h.typ = int32(binary.NativeEndian.Uint32([]byte(n.key[8:keyHeader])))
	h.size = uint32(copy(h.data[:], n.key[keyHeader:]))
}

// identify writes the identity of what fd refers to into b and returns it.
func identify(fd int, st *unix.Statx_t, b *keyBuf) []byte {
	var h handleBuf
	binary.NativeEndian.PutUint64(b[:], st.Mnt_id)
	if nameToHandle(fd, &h) == nil {
		binary.NativeEndian.PutUint32(b[8:], uint32(h.typ))
		n := copy(b[keyHeader:], h.data[:h.size])
		return b[:keyHeader+n]
	}
	none := int32(noHandle)
	binary.NativeEndian.PutUint32(b[8:], uint32(none))
	binary.NativeEndian.PutUint32(b[keyHeader:], st.Dev_major)
	binary.NativeEndian.PutUint32(b[keyHeader+4:], st.Dev_minor)
	binary.NativeEndian.PutUint64(b[keyHeader+8:], st.Ino)
	return b[:keyHeader+16]
}

// nodes has all nodes that the kernel knows. Safe for concurrent use.
type nodes struct {
	table  table[node]
	budget int64 // of O_PATH descriptors kept
	kept   atomic.Int64
	bare   atomic.Int64 // nodes without one

	mu    sync.Mutex // guards byKey and every node's lookups
	byKey map[string]*node
}

// get returns the node of an id, or nil.
func (ns *nodes) get(id uint64) *node { return ns.table.get(id) }

// acquire returns the node that fd (O_PATH) refers to and counts one lookup of
// it. It takes fd over: the node keeps it, or it is closed.
func (ns *nodes) acquire(fd int, st *unix.Statx_t, mt *mount) (*node, error) {
	var b keyBuf
	key := identify(fd, st, &b)
	ns.mu.Lock()
	n := ns.byKey[string(key)] // no copy is made
	if n != nil {
		n.lookups++
		ns.mu.Unlock()
		_ = unix.Close(fd)
		return n, nil
	}
	n, err := ns.add(fd, string(key), st, mt)
	ns.mu.Unlock()
	if err != nil || n.fd.Load() < 0 {
		_ = unix.Close(fd)
	}
	return n, err
}

// add makes a node. Called with ns.mu held.
func (ns *nodes) add(fd int, key string, st *unix.Statx_t, mt *mount) (*node, error) {
	id, err := ns.table.reserve()
	if err != nil {
		return nil, err
	}
	n := &node{id: id, key: key, mount: mt, typ: uint32(st.Mode) & unix.S_IFMT, lookups: 1}
	n.fd.Store(int32(fd))
	if ns.kept.Add(1) > ns.budget && mt.handles && n.hasHandle() {
		ns.kept.Add(-1)
		ns.bare.Add(1)
		n.fd.Store(-1)
	}
	ns.byKey[key] = n
	ns.table.publish(id, n)
	return n, nil
}

// hasHandle says whether the node's identity is a file handle.
func (n *node) hasHandle() bool {
	return int32(binary.NativeEndian.Uint32([]byte(n.key[8:keyHeader]))) != noHandle
}

// forget takes lookups off a node, and the node away with the last one. A
// lookup that comes meanwhile either finds the node, and it stays, or comes
// too late and makes a new one under another id.
func (ns *nodes) forget(id, lookups uint64) {
	ns.mu.Lock()
	n := ns.table.get(id)
	if n == nil {
		ns.mu.Unlock()
		return
	}
	n.lookups -= min(lookups, n.lookups)
	last := n.lookups == 0 && id != rootID
	if last {
		delete(ns.byKey, n.key)
		ns.table.remove(id)
	}
	ns.mu.Unlock()
	if last {
		ns.drop(n)
	}
}

func (ns *nodes) drop(n *node) {
	fd := n.fd.Load()
	if fd < 0 {
		ns.bare.Add(-1)
		return
	}
	ns.kept.Add(-1)
	_ = unix.Close(int(fd))
}

// pin gives the node that fd (O_PATH) refers to this descriptor if it has
// none, whatever the budget: it is about to lose a name, perhaps its last, and
// a handle no longer leads to an inode that nobody holds. fd is taken over.
func (ns *nodes) pin(fd int, st *unix.Statx_t) {
	var b keyBuf
	key := identify(fd, st, &b)
	ns.mu.Lock()
	n := ns.byKey[string(key)]
	pinned := n != nil && n.fd.CompareAndSwap(-1, int32(fd))
	ns.mu.Unlock()
	if !pinned {
		_ = unix.Close(fd)
		return
	}
	ns.bare.Add(-1)
	ns.kept.Add(1)
}

// count returns how many nodes there are.
func (ns *nodes) count() int {
	ns.mu.Lock()
	defer ns.mu.Unlock()
	return len(ns.byKey)
}

// close drops every node.
func (ns *nodes) close() {
	ns.table.each(func(id uint64, _ *node) {
		if n := ns.table.remove(id); n != nil {
			ns.drop(n)
		}
	})
	ns.mu.Lock()
	clear(ns.byKey)
	ns.mu.Unlock()
}
