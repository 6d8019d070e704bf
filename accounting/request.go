package accounting

import "math/bits"

// Owner is a cgroup that an open file remembers: it is charged for requests
// that carry no usable caller. The zero value is the root cgroup.
type Owner struct {
	id   uint64
	path string
}

// Caller is what a request says about who issued it.
type Caller struct {
	TID    uint32 // fuse_in_header.pid, which is a thread id; 0: none
	Opener *Owner // who opened the handle; nil: the root cgroup
	Flush  bool   // a flush of the page cache (FUSE_WRITE_CACHE): whatever TID says, the opener is charged
	Slot   uint32 // any number that spreads callers over CPUs: the queue's CPU, or the TID
}

// Request is one read, write or discard between Begin and End. It is a value
// for the stack of whoever serves it.
type Request struct {
	a       *Accounting
	group   *group
	hot     *hot
	slot    uint32
	dir     Direction
	sync    bool
	flushed bool
	start   int64
}

// Begin charges a request of size bytes to its caller's group on dev: it finds
// the group or makes it, asks the policy, and starts the clock of the service
// time. sync tells writes whose caller waits for the device (O_SYNC, O_DSYNC,
// O_DIRECT); reads are always sync, as in the kernel's op_is_sync.
//
// The only error is ErrInterrupted, from a policy; then only the wait is
// counted. Every Request that Begin returned without error must be ended.
func (a *Accounting) Begin(dev *Device, c Caller, dir Direction, sync bool, size int, cancel <-chan struct{}) (Request, error) {
	r := Request{a: a, slot: c.Slot & a.layout.slotMask, dir: dir, sync: sync, flushed: c.Flush}
	r.group = a.charge(dev, &c, r.slot)
	r.hot = a.layout.hot(r.group, int(r.slot))
	if a.policy != nil {
		if err := a.admit(&r, dev, size, cancel); err != nil {
			a.unpin(r.group, r.slot)
			return Request{}, err
		}
	}
	r.start = a.now()
	return r, nil
}

// End counts the request: n bytes really transferred, or an error, which counts
// as nothing else.
func (r *Request) End(n int, failed bool) {
	r.count(n, failed, uint64(r.a.now()-r.start))
}

func (r *Request) count(n int, failed bool, took uint64) {
	h := r.hot
	if failed {
		h.errors[r.dir].Add(1)
		h.refs.Add(-1)
		return
	}
	// A part is added after the whole it is part of, and readers look at the
	// part first: so no reader ever sees more of the part.
	h.requests[r.dir].Add(1)
	h.bytes[r.dir].Add(uint64(n))
	h.service[r.dir].Add(took)
	if r.dir != Discard {
		r.a.layout.cold(r.group, int(r.slot&r.a.layout.shMask)).latency[r.dir][latencyBucket(took)].Add(1)
	}
	if r.dir == Write {
		r.countWrite(n, took)
	}
	h.refs.Add(-1)
}

func (r *Request) countWrite(n int, took uint64) {
	h := r.hot
	if r.sync {
		h.syncWrite.requests.Add(1)
		h.syncWrite.bytes.Add(uint64(n))
		h.syncWrite.service.Add(took)
	}
	if r.flushed {
		h.flushed.requests.Add(1)
		h.flushed.bytes.Add(uint64(n))
	}
}

// latencyBucket returns the first bucket whose bound is not below ns.
func latencyBucket(ns uint64) int {
	if ns <= 1<<minLatencyBits {
		return 0
	}
	return min(bits.Len64(ns-1)-minLatencyBits, LatencyBuckets-1)
}

// CountOp counts an operation of the caller. It makes no group, for a lookup on
// the way to a stat file is one too: until the cgroup's first read or write,
// its closest ancestor with a group is charged.
func (a *Accounting) CountOp(dev *Device, c Caller, op Op, failed bool) {
	slot := c.Slot & a.layout.slotMask
	g := a.chargeOp(dev, &c, slot)
	n := &a.layout.cold(g, int(slot&a.layout.shMask)).ops[op]
	n.count.Add(1)
	if failed {
		n.errors.Add(1)
	}
	a.unpin(g, slot)
}
