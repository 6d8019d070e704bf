package accounting

import (
	"slices"

	"blkfs/pool"
)

// source yields counters of groups. The daemon's slots are one; what the kernel
// counts by itself will be another, and nothing above knows which counted.
type source interface {
	own(g *group, c *Counters)       // adds what was counted for the group itself
	inherited(g *group, c *Counters) // adds what removed children left to it
}

// DeviceStat is the figures of one cgroup on one device.
type DeviceStat struct {
	Device DeviceID
	Counters
}

// Own returns the figures of one cgroup alone, without its removed children,
// for each device on which it has a group, sorted by MAJ:MIN. It makes no group.
func (a *Accounting) Own(cgroup uint64) []DeviceStat {
	a.treeMu.RLock()
	defer a.treeMu.RUnlock()
	var stats []DeviceStat
	for _, d := range a.sortedDevices() {
		if g := a.find(groupKey{cgroup, d.index}); g != nil {
			s := DeviceStat{Device: d.id}
			a.own(g, &s.Counters)
			stats = append(stats, s)
		}
	}
	return stats
}

// Tree returns the figures of a cgroup and all below it, removed cgroups
// included, for each device on which it has a group, sorted by MAJ:MIN. These
// never go down. It makes no group.
func (a *Accounting) Tree(cgroup uint64) []DeviceStat {
	a.treeMu.RLock()
	defer a.treeMu.RUnlock()
	devs := a.sortedDevices()
	stats := make([]DeviceStat, 0, len(devs))
	tops := make([]pool.Index, len(*a.devices.Load())) // by device index: the cgroup's own group
	at := make([]int, len(tops))                       // by device index: where in stats
	for _, d := range devs {
		// Without a group of its own a cgroup has none below it either.
		if g := a.find(groupKey{cgroup, d.index}); g != nil && int(d.index) < len(tops) {
			tops[d.index], at[d.index] = pool.Index(g.self.Load()), len(stats)
			stats = append(stats, DeviceStat{Device: d.id})
		}
	}
	for i := range a.groups() {
		g := a.group(i)
		dev := int(g.dev.Load())
		if dev >= len(tops) || tops[dev] == 0 || !a.isBelow(i, tops[dev]) {
			continue
		}
		c := &stats[at[dev]].Counters
		a.own(g, c)
		a.inherited(g, c)
	}
	return stats
}

// groups yields the groups on the books, those of removed cgroups with requests
// in flight included. treeMu is held, shared at least, so that none leaves.
func (a *Accounting) groups() func(yield func(pool.Index) bool) {
	return func(yield func(pool.Index) bool) {
		for i := pool.Index(1); i <= a.pool.Made(); i++ {
			switch a.group(i).state.Load() {
			case stateLive, stateDying:
				if !yield(i) {
					return
				}
			}
		}
	}
}

// isBelow says whether group i is top or a descendant of it.
func (a *Accounting) isBelow(i, top pool.Index) bool {
	for i != 0 && i != top {
		i = pool.Index(a.group(i).parent.Load())
	}
	return i == top
}

// pathOf returns the path of a group's cgroup, put together from the names that
// the cgroups had when their groups were made. treeMu is held, shared at least.
func (a *Accounting) pathOf(g *group) string {
	var names []string
	for g.parent.Load() != 0 {
		names = append(names, string(g.name[:g.nameLen.Load()]))
		g = a.group(pool.Index(g.parent.Load()))
	}
	if len(names) == 0 {
		return "/"
	}
	slices.Reverse(names)
	path := ""
	for _, n := range names {
		path += "/" + n
	}
	return path
}

var _ source = (*Accounting)(nil)

// own adds the sums over the slots: it waits for nobody, and nobody for it.
func (a *Accounting) own(g *group, c *Counters) {
	var held, queued int64
	for i := range a.layout.slots {
		h := a.layout.hot(g, i)
		h.addTo(c)
		held += h.refs.Load()
		for d := range c.Queued {
			n := max(0, h.queued[d].Load())
			queued += n
			c.Queued[d] += uint64(n)
		}
	}
	c.InFlight += uint64(max(0, held-queued))
	for i := range a.layout.shards {
		a.layout.cold(g, i).addTo(c)
	}
}

func (a *Accounting) inherited(g *group, c *Counters) {
	a.layout.hot(g, a.layout.slots).addTo(c)
	a.layout.cold(g, a.layout.shards).addTo(c)
}

// addTo reads parts before the wholes they are part of: see Request.count.
func (h *hot) addTo(c *Counters) {
	c.FlushedBytes += h.flushed.bytes.Load()
	c.FlushedRequests += h.flushed.requests.Load()
	c.Bytes.Sync += h.syncWrite.bytes.Load()
	c.Requests.Sync += h.syncWrite.requests.Load()
	c.ServiceTime.Sync += h.syncWrite.service.Load()
	c.WaitTime.Sync += h.syncWrite.wait.Load()
	for d := range numDirections {
		bytes, requests := h.bytes[d].Load(), h.requests[d].Load()
		service, wait := h.service[d].Load(), h.wait[d].Load()
		c.Bytes.By[d] += bytes
		c.Requests.By[d] += requests
		c.ServiceTime.By[d] += service
		c.WaitTime.By[d] += wait
		c.Errors[d] += h.errors[d].Load()
		if d == Read {
			c.Bytes.Sync += bytes
			c.Requests.Sync += requests
			c.ServiceTime.Sync += service
			c.WaitTime.Sync += wait
		}
	}
}

func (s *cold) addTo(c *Counters) {
	for d := range s.latency {
		for i := range s.latency[d] {
			c.Latency[d][i] += s.latency[d][i].Load()
		}
	}
	for i := range s.ops {
		c.Ops[i].Errors += s.ops[i].errors.Load()
		c.Ops[i].Count += s.ops[i].count.Load()
	}
}
