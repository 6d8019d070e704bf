// Package cgroupfs is the virtual directory of a blkfs mount: the figures of
// package accounting in the kernel's own file formats (FORMATS.md), laid out
// like the kernel's cgroup hierarchies.
//
//	blkio/<cgroup>/…     cgroup v1 names
//	unified/<cgroup>/…   cgroup v2 names
//	pool  devices  version  removed     in the host view only
//
// Both trees mirror the live hierarchy under Books.CgroupRoot; a cgroup's id is
// the inode number of its directory there. Reading creates nothing: a cgroup
// without groups reads as the kernel shows one without I/O.
//
// The files of a tree are the rows of one table (table.go): name, mode, render
// function, write function. A new file is one row more.
//
// # Who sees what
//
// A node is a place: (tree, path relative to the viewer), and nothing else. Who
// the viewer is, and so which cgroup a place is, is worked out from the caller
// at every operation, because the kernel shares names between callers and
// descriptors travel between processes. Nothing rendered or listed for one view
// is ever handed to another: see handle and guard.
//
// # Synchronization
//
// The package has no mutex. server, tree, file and place are immutable once
// made. A handle has one atomic pointer to its last rendering, itself immutable,
// so reads of one descriptor never wait for each other. A listing is used by one
// call at a time: go-fuse holds the directory handle's lock around it. The
// guard's map of open directories is a sync.Map. Books is called with none of
// these held, except that go-fuse holds the directory handle's lock over
// Books.View and the walk of the real directory; neither calls back here.
package cgroupfs
