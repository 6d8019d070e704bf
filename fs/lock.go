package fs

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// lockTable carries the clients' POSIX locks over to the source, where they
// meet those of programs there. Each lock owner of a node (a process's file
// table) gets an open file description of its own and holds its locks there as
// OFD locks: these conflict between owners, not within one, and all go when
// the description is closed, which is what a close(2) of the process must do.
//
// OFD locks have no deadlock detection: F_SETLKW never says EDEADLK.
type lockTable struct {
	count atomic.Int64 // of owners: most files are never locked, and closed without asking mu

	mu      sync.Mutex // guards what follows
	owners  map[lockKey]*lockOwner
	changed chan struct{} // closed, and replaced, when a lock is given up
}

type lockKey struct {
	node  *node
	owner uint64
}

type lockOwner struct {
	fd  int
	via uint64 // the open file that made it
	pid uint32
}

func (t *lockTable) init() {
	t.owners = map[lockKey]*lockOwner{}
	t.changed = make(chan struct{})
}

// wake tells the waiting that it may be worth another try. Called with mu held.
func (t *lockTable) wake() {
	close(t.changed)
	t.changed = make(chan struct{})
}

// drop gives up every lock of an owner on a node.
func (t *lockTable) drop(n *node, owner uint64) {
	if t.count.Load() == 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(lockKey{n, owner})
}

func (t *lockTable) dropLocked(k lockKey) {
	if o := t.owners[k]; o != nil {
		delete(t.owners, k)
		t.count.Add(-1)
		_ = unix.Close(o.fd)
		t.wake()
	}
}

// dropFile gives up what is left of locks made through an open file that was
// closed: those of clients' OFD locks, whose owner is the file and of whom no
// flush tells. Its flock(2) went with its descriptor.
func (t *lockTable) dropFile(f *file) {
	if !f.locked.Load() {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for k, o := range t.owners {
		if o.via == f.id {
			t.dropLocked(k)
		}
	}
	t.wake()
}

func (t *lockTable) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for k := range t.owners {
		t.dropLocked(k)
	}
}

// GetLk asks who stands in the way of a lock.
func (f *FS) GetLk(_ <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		err = f.locks.get(o, in, out)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpLock, err)
}

func (t *lockTable) get(f *file, in *fuse.LkIn, out *fuse.LkOut) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	fd := f.fd // holds no OFD lock: everybody's locks are others'
	if o := t.owners[lockKey{f.node, in.Owner}]; o != nil {
		fd = o.fd
	}
	lk := flockOf(&in.Lk)
	if err := retry(func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_GETLK, &lk) }); err != nil {
		return err
	}
	out.Lk = fuse.FileLock{Typ: uint32(lk.Type)}
	if lk.Type == unix.F_UNLCK {
		return nil
	}
	out.Lk.Start, out.Lk.End = uint64(lk.Start), 1<<63-1
	if lk.Len != 0 {
		out.Lk.End = uint64(lk.Start + lk.Len - 1)
	}
	out.Lk.Pid = t.holder(f.node, in.Owner, lk.Pid)
	return nil
}

// holder names a process that holds a lock on the node: the kernel tells none
// for OFD locks. With several it is a guess, and 0 says so.
func (t *lockTable) holder(n *node, owner uint64, pid int32) uint32 {
	if pid > 0 {
		return uint32(pid) // a POSIX lock of a program on the source
	}
	var found uint32
	for k, o := range t.owners {
		if k.node != n || k.owner == owner {
			continue
		}
		if found != 0 && found != o.pid {
			return 0
		}
		found = o.pid
	}
	return found
}

// flockOf makes a struct flock of FUSE's. OFD locks want a pid of 0.
func flockOf(l *fuse.FileLock) unix.Flock_t {
	lk := unix.Flock_t{Type: int16(l.Typ), Start: int64(l.Start)}
	if l.End < 1<<63-1 {
		lk.Len = int64(l.End - l.Start + 1)
	}
	return lk
}

// SetLk takes or gives up a lock, without waiting.
func (f *FS) SetLk(_ <-chan struct{}, in *fuse.LkIn) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		_, err = f.tryLock(o, in)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpLock, err)
}

// SetLkw takes a lock, and waits for it until the request is interrupted.
func (f *FS) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	o, err := f.file(in.Fh)
	if err == nil {
		err = f.waitLock(cancel, o, in)
	}
	return f.doneFile(o, &in.InHeader, accounting.OpLock, err)
}

// lockPoll is how long a waiter may oversleep a lock that a program on the
// source gives up: nobody tells us of those.
const lockPoll = 50 * time.Millisecond

// waitLock tries again and again rather than block in the source, where it
// would hold a thread that nothing can interrupt.
func (f *FS) waitLock(cancel <-chan struct{}, o *file, in *fuse.LkIn) error {
	timer := time.NewTimer(lockPoll)
	defer timer.Stop()
	for {
		changed, err := f.tryLock(o, in)
		if err != unix.EAGAIN {
			return err
		}
		timer.Reset(lockPoll)
		select {
		case <-changed:
		case <-timer.C:
		case <-cancel:
			return unix.EINTR
		}
	}
}

// tryLock makes one attempt; changed is closed when the next is worth it.
func (f *FS) tryLock(o *file, in *fuse.LkIn) (changed <-chan struct{}, err error) {
	t := &f.locks
	o.locked.Store(true)
	t.mu.Lock()
	defer t.mu.Unlock()
	if in.LkFlags&fuse.LK_FLOCK != 0 {
		how := map[uint32]int{unix.F_RDLCK: unix.LOCK_SH, unix.F_WRLCK: unix.LOCK_EX, unix.F_UNLCK: unix.LOCK_UN}[in.Lk.Typ]
		err = retry(func() error { return unix.Flock(o.fd, how|unix.LOCK_NB) })
	} else {
		err = f.tryPosix(o, in)
	}
	changed = t.changed
	if err == nil && in.Lk.Typ != unix.F_WRLCK {
		t.wake()
	}
	return changed, err
}

// tryPosix is tryLock for byte ranges. Called with locks.mu held.
func (f *FS) tryPosix(o *file, in *fuse.LkIn) error {
	k := lockKey{o.node, in.Owner}
	owner := f.locks.owners[k]
	if owner == nil {
		if in.Lk.Typ == unix.F_UNLCK {
			return nil
		}
		fd, err := f.lockFD(o)
		if err != nil {
			return err
		}
		owner = &lockOwner{fd: fd, via: o.id, pid: in.Lk.Pid}
		f.locks.owners[k] = owner
		f.locks.count.Add(1)
	}
	lk := flockOf(&in.Lk)
	return retry(func() error { return unix.FcntlFlock(uintptr(owner.fd), unix.F_OFD_SETLK, &lk) })
}

// lockFD opens a description to hold locks on: for writing too where we can,
// as an owner takes both kinds of lock, maybe through different files.
func (f *FS) lockFD(o *file) (int, error) {
	var err error
	for _, mode := range []int{unix.O_RDWR, unix.O_RDONLY, unix.O_WRONLY} {
		var fd int
		if fd, err = f.reopen(o.fd, mode); err == nil {
			return fd, nil
		}
	}
	return -1, err
}
