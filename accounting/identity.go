package accounting

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// identifier tells the cgroup of a thread. It keeps no answers: it is right
// even when the thread was moved a moment ago. Immutable.
//
// On v2 PIDFD_GET_INFO (Linux 6.13) gives the cgroup's id in three system calls;
// else, and always on v1, /proc/TID/cgroup gives its path, and the inode number
// of that directory is the id. Ids are never used twice, paths are.
type identifier struct {
	hierarchy Hierarchy
	root      string
	rootFD    int  // the hierarchy's root directory
	procFD    int  // /proc
	pidfd     bool // PIDFD_GET_INFO answers for this hierarchy
	handles   bool // cgroups can be opened by id
	self      namespaces
}

func newIdentifier(h Hierarchy, root string) (*identifier, error) {
	id := &identifier{hierarchy: h, root: root, rootFD: -1, procFD: -1}
	var err error
	const flags = unix.O_DIRECTORY | unix.O_CLOEXEC
	if id.rootFD, err = unix.Open(id.root, flags|unix.O_RDONLY, 0); err != nil {
		return nil, fmt.Errorf("open %s: %w", id.root, err)
	}
	if id.procFD, err = unix.Open("/proc", flags|unix.O_PATH, 0); err != nil {
		return nil, errors.Join(fmt.Errorf("open /proc, which tells the cgroups of callers: %w", err), id.close())
	}
	if id.self, err = id.namespaces(uint32(os.Getpid())); err != nil {
		return nil, errors.Join(err, id.close())
	}
	_, ok := pidfdCgroup(uint32(unix.Gettid()))
	id.pidfd = ok && id.hierarchy == HierarchyV2
	rootID, err := id.rootID()
	if err != nil {
		return nil, errors.Join(err, id.close())
	}
	id.handles, _ = cgroupLives(id.rootFD, rootID)
	return id, nil
}

func (id *identifier) close() error {
	var errs []error
	for _, fd := range []int{id.rootFD, id.procFD} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// IdentityMethod names how callers are told apart: "pidfd" (PIDFD_GET_INFO) or
// "proc" (/proc/TID/cgroup).
func (a *Accounting) IdentityMethod() string {
	if a.ident.pidfd {
		return "pidfd"
	}
	return "proc"
}

func (id *identifier) rootID() (uint64, error) {
	v := inodeAt(id.rootFD, []byte{'.', 0})
	if v == 0 {
		return 0, fmt.Errorf("stat %s failed", id.root)
	}
	return v, nil
}

// quick returns the id of the thread's cgroup where that needs no path; else 0.
func (id *identifier) quick(tid uint32) uint64 {
	if !id.pidfd {
		return 0
	}
	cg, _ := pidfdCgroup(tid)
	return cg
}

// idOf returns the id of the cgroup at path, 0 if there is none.
func (id *identifier) idOf(p cgroupPath) uint64 {
	if p.isRoot() {
		return inodeAt(id.rootFD, []byte{'.', 0})
	}
	name, was := p.terminate()
	v := inodeAt(id.rootFD, name)
	p.restore(was)
	return v
}

// identify returns the thread's cgroup and its path, which lies in buf. ok is
// false when the thread is gone or not visible.
func (id *identifier) identify(tid uint32, buf *pathBuffer) (cg uint64, path cgroupPath, ok bool) {
	// The cgroup can be renamed or removed, and the thread moved, between the
	// reading of the path and its lookup: then look again. Whoever moves
	// threads without pause sooner or later gets an answer of "unknown", as do
	// zombies of a removed cgroup ("/a (deleted)", on v2).
	for range 8 {
		path, ok = id.pathOf(tid, buf)
		if !ok {
			return 0, cgroupPath{}, false
		}
		if cg = id.idOf(path); cg == 0 {
			continue
		}
		// The root stands for what is outside our cgroup namespace too.
		if !id.pidfd || path.isRoot() || id.quick(tid) == cg {
			return cg, path, true
		}
	}
	return 0, cgroupPath{}, false
}

// pathOf returns the path of the thread's cgroup in the hierarchy that counts.
func (id *identifier) pathOf(tid uint32, buf *pathBuffer) (cgroupPath, bool) {
	var name [32]byte
	file := strconv.AppendUint(name[:0], uint64(tid), 10)
	file = append(file, "/cgroup\x00"...)
	n, err := readAt(id.procFD, file, buf[:len(buf)-1])
	if err != nil {
		return cgroupPath{}, false
	}
	text := buf[:n]
	if n == len(buf)-1 { // perhaps not all of it
		if text, err = readAllAt(id.procFD, file); err != nil {
			return cgroupPath{}, false
		}
	}
	path, ok := parseCgroupFile(text, id.hierarchy)
	if ok && isOutside(path.b) {
		path.b = path.b[:1] // outside our cgroup namespace: counts as the root
	}
	return path, ok
}

// parseCgroupFile finds the path of one hierarchy in the text of
// /proc/TID/cgroup (cgroup_show in kernel/cgroup/cgroup.c): lines of
// ID:CONTROLLERS:PATH, v2 with ID 0 and no controllers.
func parseCgroupFile(text []byte, h Hierarchy) (cgroupPath, bool) {
	for len(text) > 0 {
		line, rest, found := bytes.Cut(text, []byte{'\n'})
		if !found {
			return cgroupPath{}, false // cut short; and no byte behind it for the NUL
		}
		text = rest
		num, line, _ := bytes.Cut(line, []byte{':'})
		controllers, path, found := bytes.Cut(line, []byte{':'})
		if !found || len(path) == 0 || path[0] != '/' {
			continue
		}
		if h == HierarchyV2 && string(num) == "0" && len(controllers) == 0 ||
			h == HierarchyV1 && hasController(controllers, "blkio") {
			return cgroupPath{path}, true
		}
	}
	return cgroupPath{}, false
}

// isOutside says whether a path leads out of the cgroup namespace it is read in.
func isOutside(path []byte) bool {
	return string(path) == "/.." || bytes.HasPrefix(path, []byte("/../"))
}

func hasController(list []byte, name string) bool {
	for len(list) > 0 {
		one, rest, _ := bytes.Cut(list, []byte{','})
		if string(one) == name {
			return true
		}
		list = rest
	}
	return false
}
