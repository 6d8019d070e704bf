package fs

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// maxCallers bounds the threads that act for callers, and with them the number
// of new names that a hung source can block.
const maxCallers = 32

// callers runs operations that make new files with the credentials and the
// umask of whoever asked for them, so that owner, group, mode and ACLs come
// out as if the caller had gone to the source, with no moment in between at
// which they are wrong.
//
// Credentials are per thread in Linux, and so is the umask once the thread has
// left the process's fs_struct. Such a thread must not go back to the Go
// runtime: threads cloned from it would share that fs_struct. So these belong
// to the pool, end with it, and need not be restored between jobs; each job
// sets what differs from the one before.
//
// Writing data under the caller's fsuid needs no umask and can do without the
// hand-over: lock the thread, switch, write, switch back.
type callers struct {
	fs   *FS
	jobs chan *job
	n    atomic.Int32
	wg   sync.WaitGroup
}

// job is one operation for a caller.
type job struct {
	uid, gid  int
	groups    []uint32
	umask     int
	noFsetid  bool // act without CAP_FSETID
	identity  bool // take on uid, gid and groups
	fn        func() error
	err       error
	completed chan struct{}
}

func (c *callers) init(f *FS) {
	c.fs = f
	c.jobs = make(chan *job)
}

// close ends the threads. No job may come after.
func (c *callers) close() {
	if c.jobs != nil {
		close(c.jobs)
		c.wg.Wait()
	}
}

// as runs fn as the caller of a request.
func (c *callers) as(cancel <-chan struct{}, h *fuse.InHeader, umask uint32, fn func() error) error {
	return c.run(cancel, c.job(h, umask, fn))
}

// withoutFsetid runs fn as the caller of a request and without CAP_FSETID, so
// that the source's kernel drops set-user-ID and set-group-ID bits as it would
// for that caller (whether the latter goes can depend on the groups). That is
// what HANDLE_KILLPRIV_V2 leaves to us.
func (c *callers) withoutFsetid(cancel <-chan struct{}, h *fuse.InHeader, fn func() error) error {
	j := c.job(h, 0o022, fn)
	j.noFsetid = true
	return c.run(cancel, j)
}

func (c *callers) job(h *fuse.InHeader, umask uint32, fn func() error) *job {
	j := &job{umask: int(umask & 0o777), fn: fn, completed: make(chan struct{})}
	if c.fs.privileged {
		j.identity = true
		j.uid, j.gid = int(h.Uid), int(h.Gid)
		if j.uid != 0 {
			j.groups = groupsOf(h.Pid)
		}
	}
	return j
}

// run gives the job to a thread, a new one if all are busy and there may be
// more, else it waits for one.
func (c *callers) run(cancel <-chan struct{}, j *job) error {
	select {
	case c.jobs <- j:
	default:
		if c.n.Add(1) <= maxCallers {
			c.wg.Add(1)
			go c.thread(j)
			break
		}
		c.n.Add(-1)
		select {
		case c.jobs <- j:
		case <-cancel:
			return unix.EINTR
		}
	}
	<-j.completed
	return j.err
}

// thread is one thread of the pool. It never unlocks, so that it ends with the
// goroutine.
func (c *callers) thread(j *job) {
	defer c.wg.Done()
	runtime.LockOSThread()
	t := thread{umask: -1}
	if err := unix.Unshare(unix.CLONE_FS); err != nil {
		// A seccomp profile can forbid it. Files with a wrong mode would be worse.
		c.fs.log.Error("no thread with a umask of its own: new files cannot be made", "unshare", err)
		t.broken = err
	}
	for ; j != nil; j = <-c.jobs {
		c.do(&t, j)
	}
}

func (c *callers) do(t *thread, j *job) {
	defer close(j.completed)
	defer func() {
		if v := recover(); v != nil {
			j.err = unix.Errno(c.fs.panicked(v))
		}
	}()
	if j.err = t.become(j); j.err != nil {
		return
	}
	if !j.noFsetid {
		j.err = j.fn()
		return
	}
	j.err = dropFsetid(j.fn)
}

// thread is what a thread of the pool currently is.
type thread struct {
	uid, gid int
	groups   []uint32
	umask    int
	broken   error // it could not get an fs_struct of its own
}

// become takes on what the job asks for.
func (t *thread) become(j *job) error {
	if t.broken != nil {
		return t.broken
	}
	if t.umask != j.umask {
		unix.Umask(j.umask)
		t.umask = j.umask
	}
	if !j.identity {
		return nil
	}
	uid, gid := j.uid, j.gid
	if !slices.Equal(t.groups, j.groups) {
		if err := setgroups(j.groups); err != nil {
			return err
		}
		t.groups = j.groups
	}
	if gid != t.gid {
		if err := setID(unix.SYS_SETFSGID, gid); err != nil {
			return err
		}
		t.gid = gid
	}
	if uid != t.uid {
		if err := setID(unix.SYS_SETFSUID, uid); err != nil {
			return err
		}
		t.uid = uid
	}
	return nil
}

// setID is setfsuid(2) or setfsgid(2) of this thread. They return the id
// before and never an error, so a second call with an invalid id asks whether
// the first one worked.
func setID(call uintptr, id int) error {
	_, _, _ = unix.RawSyscall(call, uintptr(id), 0, 0)
	now, _, _ := unix.RawSyscall(call, ^uintptr(0), 0, 0)
	if int(now) != id {
		return unix.EPERM
	}
	return nil
}

// dropFsetid runs fn on this thread without CAP_FSETID.
func dropFsetid(fn func() error) error {
	hdr := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var caps [2]unix.CapUserData
	if err := unix.Capget(&hdr, &caps[0]); err != nil {
		return err
	}
	less := caps
	less[0].Effective &^= 1 << unix.CAP_FSETID
	if err := unix.Capset(&hdr, &less[0]); err != nil {
		return err
	}
	err := fn()
	if e := unix.Capset(&hdr, &caps[0]); err == nil {
		err = e
	}
	return err
}

// hasSetID says whether a write by an ordinary caller may take set-id bits off
// the file: only then is the detour of withoutFsetid worth it.
// (security.capability goes in any case.)
func (f *FS) hasSetID(fd int) bool {
	if !f.privileged {
		return false // the source's kernel sees an ordinary caller anyway
	}
	var st unix.Statx_t
	if statxFD(fd, 0, unix.STATX_MODE, &st) != nil {
		return false
	}
	return st.Mode&(unix.S_ISUID|unix.S_ISGID) != 0
}
