// Package fs is the passthrough file system: a fuse.RawFileSystem over a
// directory, written at the level of system calls, that charges every read and
// write to its caller's cgroup.
//
// A node (node.go) is what the kernel knows by a node id: an inode of the
// source, known by its file handle or pinned by an O_PATH descriptor. An open
// file (handle.go) is what the kernel knows by a file handle number, and has a
// descriptor of its own. Both are found by number without a lock (table.go).
//
// # Containment
//
// Every step is one component relative to a directory descriptor and follows
// no link (lookup.go); whatever comes out is looked at through an O_PATH
// descriptor before it is opened, and only regular files and directories are
// (open.go). The descriptor is opened again through /proc/self/fd, which leads
// to that very inode whatever its name leads to by now.
//
// # Synchronization
//
// Node and file fields are immutable once published, but those that are
// atomic or say otherwise. Read and Write take no lock. The others, each of
// which may be held while those indented under it are taken:
//
//	dirStream.mu    the position of one open directory; held while it is read
//	  mounts.mu     mount ids and devices met; held while mountinfo is read
//	  nodes.mu      key → node, lookup counts
//	    table.mu    free slots of one table
//	lockTable.mu    byte-range lock owners; held during F_OFD_SETLK and flock,
//	                which do not wait
package fs
