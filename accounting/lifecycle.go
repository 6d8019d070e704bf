package accounting

import (
	"time"

	"blkfs/pool"
)

// work looks for removed cgroups from time to time until Close.
func (a *Accounting) work(interval time.Duration) {
	defer close(a.done)
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-a.quit:
			return
		case <-t.C:
			a.Sweep()
			if err := a.pool.RefillError(); err != nil {
				a.log.Error("the pool of groups cannot be refilled; new cgroups are charged to their ancestors", "error", err)
			}
		}
	}
}

// Sweep looks for removed cgroups now, and folds the groups of those that have
// no request in flight. It is called regularly; it may wait, and is not for the
// I/O path.
func (a *Accounting) Sweep() {
	a.sweepMu.Lock()
	defer a.sweepMu.Unlock()
	a.draining = append(a.draining, a.bury()...)
	// Children before parents: a fold can make its parent ready.
	for folded := true; folded; {
		folded = false
		keep := a.draining[:0]
		for _, i := range a.draining {
			if a.fold(i) {
				folded = true
			} else {
				keep = append(keep, i)
			}
		}
		a.draining = keep
	}
}

// bury takes the groups of removed cgroups out of the index, so that no further
// request finds them.
func (a *Accounting) bury() []pool.Index {
	lives := make(map[uint64]bool) // one cgroup has a group for each device
	var dead []pool.Index
	for i := pool.Index(1); i <= a.pool.Made(); i++ {
		g := a.group(i)
		if g.state.Load() != stateLive || g.parent.Load() == 0 {
			continue
		}
		id := g.id.Load()
		alive, seen := lives[id]
		if !seen {
			alive = a.isAlive(g)
			lives[id] = alive
		}
		if !alive {
			g.state.Store(stateDying)
			a.unlink(g)
			dead = append(dead, i)
		}
	}
	return dead
}

func (a *Accounting) isAlive(g *group) bool {
	id := g.id.Load()
	if a.ident.handles { // by id: the cgroup may have been renamed
		if lives, known := cgroupLives(a.ident.rootFD, id); known {
			return lives
		}
	}
	var buf pathBuffer
	path, ok := buf.set(a.pathOf(g))
	return !ok || a.ident.idOf(path) == id
}

// fold moves the counters of a dying group to its parent's inherited ones and
// gives its block back. It returns false while the group is held by a request
// or a child. sweepMu is held.
func (a *Accounting) fold(i pool.Index) bool {
	g := a.group(i)
	if !a.isAbandoned(g) {
		return false
	}
	a.treeMu.Lock()
	defer a.treeMu.Unlock()
	var c Counters
	a.own(g, &c)
	a.inherited(g, &c)
	parent := a.group(pool.Index(g.parent.Load()))
	a.bequeath(parent, &c)
	k := g.key()
	a.removed.add(Removed{Path: a.pathOf(g), ID: k.cgroup, Time: time.Now(), Device: a.deviceAt(k.dev), Counters: c})
	a.resetMu.Lock()
	delete(a.resets, k)
	a.resetMu.Unlock()
	g.state.Store(stateFree)
	parent.children.Add(-1)
	a.pool.Put(int(i), i) // spread over the free lists
	return true
}

// isAbandoned says whether nobody will touch a dying group any more. Nobody finds
// it; who found it earlier and takes a reference now sees that it is dying and
// drops it. So once no slot has a reference, nobody counts here, and nobody
// makes a child: which is why children are looked at after the references.
func (a *Accounting) isAbandoned(g *group) bool {
	for s := range a.layout.slots {
		if a.layout.hot(g, s).refs.Load() != 0 {
			return false
		}
	}
	return g.children.Load() == 0
}

// bequeath adds c to what parent inherited.
func (a *Accounting) bequeath(parent *group, c *Counters) {
	h, s := a.layout.hot(parent, a.layout.slots), a.layout.cold(parent, a.layout.shards)
	for d := range numDirections {
		h.requests[d].Add(c.Requests.By[d])
		h.bytes[d].Add(c.Bytes.By[d])
		h.service[d].Add(c.ServiceTime.By[d])
		h.wait[d].Add(c.WaitTime.By[d])
		h.errors[d].Add(c.Errors[d])
	}
	h.syncWrite.requests.Add(c.Requests.Sync - c.Requests.By[Read])
	h.syncWrite.bytes.Add(c.Bytes.Sync - c.Bytes.By[Read])
	h.syncWrite.service.Add(c.ServiceTime.Sync - c.ServiceTime.By[Read])
	h.syncWrite.wait.Add(c.WaitTime.Sync - c.WaitTime.By[Read])
	h.flushed.requests.Add(c.FlushedRequests)
	h.flushed.bytes.Add(c.FlushedBytes)
	for d := range c.Latency {
		for i, n := range c.Latency[d] {
			s.latency[d][i].Add(n)
		}
	}
	for i, op := range c.Ops {
		s.ops[i].count.Add(op.Count)
		s.ops[i].errors.Add(op.Errors)
	}
}

func (a *Accounting) deviceAt(index uint32) DeviceID {
	return (*a.devices.Load())[index].id
}
