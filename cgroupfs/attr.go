package cgroupfs

import (
	"hash/fnv"
	"hash/maphash"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

const dirMode = 0o555

// stable is the identity of a directory (file is "") or a file at a place.
//
// The inode number is a hash of what the viewer already knows, so it tells
// nothing of real cgroup ids. go-fuse takes nodes of equal StableAttr for one
// node; as whoever names cgroups could search for a collision of FNV and have
// one cgroup's figures read as another's, the generation is a second hash, with
// a secret seed.
func (s *server) stable(mode uint32, p place, file string) fs.StableAttr {
	var tree string
	if p.tree != nil {
		tree = p.tree.name
	}
	key := tree + "\x00" + p.path + "\x00" + file
	h := fnv.New64a()
	h.Write([]byte(key))
	ino := h.Sum64() | 1<<63
	if ino == ^uint64(0) { // go-fuse keeps this one for itself
		ino--
	}
	return fs.StableAttr{Mode: mode, Ino: ino, Gen: maphash.String(s.seed, key)}
}

// fileSize is what every file says it has, as in sysfs. With 0, as in cgroupfs,
// the kernel ends a sendfile(2) or splice(2) before it has asked us: busybox cat
// would find every file empty.
const fileSize = 4096

// setFileAttr is setAttr for a file.
func setFileAttr(out *fuse.Attr, mode uint32, cg cgroup) {
	setAttr(out, mode, cg)
	out.Size = fileSize
}

// setAttr fills the attributes of a node: owned by root, and as old as the cgroup. One link even for a directory: it
// tells find(1) not to count subdirectories by links.
func setAttr(out *fuse.Attr, mode uint32, cg cgroup) {
	out.Mode = mode
	out.Nlink = 1
	out.Mtime, out.Mtimensec = uint64(cg.changed.Sec), uint32(cg.changed.Nsec)
	out.Ctime, out.Ctimensec = out.Mtime, out.Mtimensec
	out.Atime, out.Atimensec = out.Mtime, out.Mtimensec
}
