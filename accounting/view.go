package accounting

import (
	"fmt"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// View is what a reader of stat files may see.
type View struct {
	// Host says that the reader shares the daemon's pid and user namespaces,
	// and may see everything.
	Host bool
	// Root is the cgroup path, from the root of the hierarchy, that is the
	// reader's own "/": of its cgroup namespace, or, where it shares the
	// daemon's, of its own cgroup. "/" for Host.
	Root string
}

// namespaces are the inode numbers of a thread's namespaces.
type namespaces struct{ pid, user, cgroup uint64 }

func (id *identifier) namespaces(tid uint32) (n namespaces, err error) {
	for _, x := range []struct {
		name string
		ino  *uint64
	}{{"pid", &n.pid}, {"user", &n.user}, {"cgroup", &n.cgroup}} {
		if *x.ino, err = id.namespace(tid, x.name); err != nil {
			return n, err
		}
	}
	return n, nil
}

func (id *identifier) namespace(tid uint32, ns string) (uint64, error) {
	var st unix.Stat_t
	name := nsPath(tid, ns)
	if err := unix.Fstatat(id.procFD, name, &st, 0); err != nil {
		return 0, fmt.Errorf("stat /proc/%s: %w", name, err)
	}
	return st.Ino, nil
}

// isHost says whether a thread shares our pid and user namespaces.
func (id *identifier) isHost(tid uint32) (bool, error) {
	pid, err := id.namespace(tid, "pid")
	if err != nil || pid != id.self.pid {
		return false, err
	}
	user, err := id.namespace(tid, "user")
	return user == id.self.user, err
}

func nsPath(tid uint32, ns string) string {
	return strconv.FormatUint(uint64(tid), 10) + "/ns/" + ns
}

// View tells what a thread may see of the stat files. The error means that it
// is gone, or that we may not look: then it may see nothing.
func (a *Accounting) View(tid uint32) (View, error) {
	if tid == 0 {
		return View{}, fmt.Errorf("view of stat files: the caller is outside our pid namespace")
	}
	host, err := a.ident.isHost(tid)
	if err != nil {
		return View{}, fmt.Errorf("view of stat files: %w", err)
	}
	if host {
		return View{Host: true, Root: "/"}, nil
	}
	var buf pathBuffer
	_, path, ok := a.ident.identify(tid, &buf)
	if !ok {
		return View{}, fmt.Errorf("view of stat files: thread %d has no cgroup", tid)
	}
	own := path.String()
	ns, err := a.ident.namespace(tid, "cgroup")
	if err != nil {
		return View{}, fmt.Errorf("view of stat files: %w", err)
	}
	if ns == a.ident.self.cgroup {
		return View{Root: own}, nil
	}
	inside, err := a.ident.pathInside(tid)
	if err != nil {
		return View{}, fmt.Errorf("view of stat files: %w", err)
	}
	root, ok := namespaceRoot(own, inside)
	if !ok {
		return View{Root: own}, nil // moved out of its namespace's root: it may see itself
	}
	return View{Root: root}, nil
}

// namespaceRoot returns the root of a cgroup namespace, given the path of one
// cgroup as seen from outside and from inside.
func namespaceRoot(outside, inside string) (string, bool) {
	if inside == "/" {
		return outside, true
	}
	root, ok := strings.CutSuffix(outside, inside)
	if root == "" {
		root = "/"
	}
	return root, ok
}

// pathInside returns the path of the thread's cgroup as it sees it itself. The
// kernel shows paths relative to the cgroup namespace of who reads: so we enter
// the thread's for a moment, on a thread of our own.
func (id *identifier) pathInside(tid uint32) (string, error) {
	type result struct {
		path string
		err  error
	}
	done := make(chan result)
	go func() {
		// The thread is not unlocked: it ends with this goroutine, and its
		// namespace with it.
		runtime.LockOSThread()
		path, err := id.readInside(tid)
		done <- result{path, err}
	}()
	r := <-done
	return r.path, r.err
}

func (id *identifier) readInside(tid uint32) (string, error) {
	fd, err := unix.Openat(id.procFD, nsPath(tid, "cgroup"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", fmt.Errorf("open the cgroup namespace of thread %d: %w", tid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWCGROUP); err != nil {
		return "", fmt.Errorf("enter the cgroup namespace of thread %d: %w", tid, err)
	}
	name := strconv.AppendUint(nil, uint64(tid), 10)
	text, err := readAllAt(id.procFD, append(name, "/cgroup\x00"...))
	if err != nil {
		return "", fmt.Errorf("read the cgroup of thread %d: %w", tid, err)
	}
	path, ok := parseCgroupFile(text, id.hierarchy)
	if !ok {
		return "", fmt.Errorf("thread %d has no cgroup", tid)
	}
	return path.String(), nil
}

// SeesAllCallers says whether our pid namespace is the host's. In another one
// the kernel gives us pid 0 for every caller outside it.
func (a *Accounting) SeesAllCallers() bool {
	const procPIDInitIno = 0xeffffffc // linux/proc_ns.h
	return a.ident.self.pid == procPIDInitIno
}
