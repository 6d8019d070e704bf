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
	in, err := a.ident.lookInside(tid)
	if err != nil {
		return View{}, fmt.Errorf("view of stat files: %w", err)
	}
	if isOutside([]byte(in.caller)) {
		return View{Root: own}, nil // moved out of its namespace's root: it may see itself
	}
	root, ok := firstComponents(own, namespaceDepth(in.selfOutside, in.selfInside))
	if !ok {
		return View{Root: own}, nil
	}
	return View{Root: root}, nil
}

// namespaceDepth returns how deep the root of a cgroup namespace lies, given the
// path of one cgroup as seen from outside and from inside: "/../../b/c" leads up
// by two from that root to where it and the cgroup meet, and down again.
//
// That cgroup has to be one that the namespace's owner cannot move, or two
// readings of its path at different moments would give any depth at all: so it
// is our own.
func namespaceDepth(outside, inside string) int {
	up, down := 0, 0
	for c := range components(inside) {
		if c == ".." {
			up++
		} else {
			down++
		}
	}
	depth := up - down
	for range components(outside) {
		depth++
	}
	return depth
}

// firstComponents returns the first n components of a path; ok is false when it
// has fewer.
func firstComponents(path string, n int) (first string, ok bool) {
	for c := range components(path) {
		if n <= 0 {
			break
		}
		first += "/" + c
		n--
	}
	if first == "" {
		first = "/"
	}
	return first, n == 0
}

func components(path string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for c := range strings.SplitSeq(path, "/") {
			if c != "" && !yield(c) {
				return
			}
		}
	}
}

// inside is what is seen from a thread's cgroup namespace.
type inside struct {
	selfOutside string // our own cgroup, seen from our own namespace
	selfInside  string // our own cgroup
	caller      string // the thread's cgroup
}

// lookInside reads paths as a thread sees them. The kernel shows them relative to
// the cgroup namespace of who reads: so we enter the thread's, on a thread of
// our own.
func (id *identifier) lookInside(tid uint32) (in inside, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		// The thread is not unlocked: it ends with this goroutine, and its
		// namespace with it.
		runtime.LockOSThread()
		in, err = id.enterAndRead(tid)
	}()
	<-done
	return in, err
}

func (id *identifier) enterAndRead(tid uint32) (in inside, err error) {
	self := uint32(unix.Getpid())
	if in.selfOutside, err = id.rawPathOf(self); err != nil {
		return in, err
	}
	fd, err := unix.Openat(id.procFD, nsPath(tid, "cgroup"), unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return in, fmt.Errorf("open the cgroup namespace of thread %d: %w", tid, err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Setns(fd, unix.CLONE_NEWCGROUP); err != nil {
		return in, fmt.Errorf("enter the cgroup namespace of thread %d: %w", tid, err)
	}
	if in.selfInside, err = id.rawPathOf(self); err != nil {
		return in, err
	}
	in.caller, err = id.rawPathOf(tid)
	return in, err
}

// rawPathOf returns the path of a thread's cgroup as the kernel shows it here.
func (id *identifier) rawPathOf(tid uint32) (string, error) {
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
