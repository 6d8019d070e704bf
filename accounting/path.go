package accounting

import "bytes"

// pathBuffer holds /proc/TID/cgroup, and the path found in it, on the stack of
// the I/O path. A longer file, of very deep cgroups, is read on the heap.
type pathBuffer [2048]byte

// cgroupPath is a cgroup's path from the root of its hierarchy: "/", "/a",
// "/a/b". The byte behind its end belongs to it too: it is made NUL for the
// kernel. Paths that are parents of each other share memory.
type cgroupPath struct {
	b []byte // without the NUL; cap(b) > len(b)
}

// set copies a path into the buffer; ok is false when it does not fit.
func (buf *pathBuffer) set(path string) (p cgroupPath, ok bool) {
	if len(path) >= len(buf) {
		return cgroupPath{}, false
	}
	n := copy(buf[:], path)
	return cgroupPath{buf[:n]}, true
}

func (p cgroupPath) isRoot() bool { return len(p.b) <= 1 }

// parent returns the path of the parent; the root is its own.
func (p cgroupPath) parent() cgroupPath {
	i := bytes.LastIndexByte(p.b, '/')
	return cgroupPath{p.b[:max(i, min(1, len(p.b)))]}
}

// name returns the last component.
func (p cgroupPath) name() []byte {
	return p.b[bytes.LastIndexByte(p.b, '/')+1:]
}

func (p cgroupPath) String() string { return string(p.b) }

// terminate puts a NUL behind the path and returns it, relative to the
// hierarchy's root directory, with the byte that was there; which restore puts
// back, for a longer path shares it.
func (p cgroupPath) terminate() (relative []byte, was byte) {
	s := p.b[1 : len(p.b)+1]
	was = s[len(s)-1]
	s[len(s)-1] = 0
	return s, was
}

func (p cgroupPath) restore(was byte) { p.b[:len(p.b)+1][len(p.b)] = was }
