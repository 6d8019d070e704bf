package accounting

import "time"

// maxRemoved bounds how many removed groups are remembered.
const maxRemoved = 1024

// Removed is the last figures of a removed cgroup on one device, of those below
// it that were removed before it too.
type Removed struct {
	Path   string
	ID     uint64
	Time   time.Time
	Device DeviceID
	Counters
}

// removedRing remembers the last maxRemoved ones.
type removedRing struct {
	buf  []Removed
	next int // where the oldest is, once buf is full
}

func (r *removedRing) add(x Removed) {
	if len(r.buf) < maxRemoved {
		r.buf = append(r.buf, x)
		return
	}
	r.buf[r.next] = x
	r.next = (r.next + 1) % maxRemoved
}

func (r *removedRing) list() []Removed {
	out := make([]Removed, 0, len(r.buf))
	out = append(out, r.buf[r.next:]...)
	return append(out, r.buf[:r.next]...)
}

// Removed returns the last removed cgroups, one entry per cgroup and device,
// oldest first. It looks for removed ones first, so that a container that has
// just ended is there.
func (a *Accounting) Removed() []Removed {
	a.Sweep()
	a.sweepMu.Lock()
	defer a.sweepMu.Unlock()
	return a.removed.list()
}
