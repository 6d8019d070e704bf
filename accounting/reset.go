package accounting

// v1Figures are what blkio.reset_stats makes start again from 0.
type v1Figures struct {
	bytes, requests, service, wait RWStat
}

// Reset makes OwnSinceReset of the cgroup start again from 0. Nothing else
// changes: no counter is touched, so that hierarchical figures do not go down.
func (a *Accounting) Reset(cgroup uint64) {
	a.treeMu.RLock()
	defer a.treeMu.RUnlock()
	a.resetMu.Lock()
	defer a.resetMu.Unlock()
	for _, d := range (*a.devices.Load())[1:] {
		k := groupKey{cgroup, d.index}
		if g := a.find(k); g != nil {
			var c Counters
			a.own(g, &c)
			a.resets[k] = v1Figures{c.Bytes, c.Requests, c.ServiceTime, c.WaitTime}
		}
	}
}

// OwnSinceReset is Own, less what stood there at the last Reset: the figures
// that the files of cgroup v1 show.
func (a *Accounting) OwnSinceReset(cgroup uint64) []DeviceStat {
	stats := a.Own(cgroup)
	a.resetMu.Lock()
	defer a.resetMu.Unlock()
	if len(a.resets) == 0 {
		return stats
	}
	index := make(map[DeviceID]uint32)
	for _, d := range (*a.devices.Load())[1:] {
		index[d.id] = d.index
	}
	for i := range stats {
		c := &stats[i].Counters
		base := a.resets[groupKey{cgroup, index[stats[i].Device]}]
		c.Bytes.sub(&base.bytes)
		c.Requests.sub(&base.requests)
		c.ServiceTime.sub(&base.service)
		c.WaitTime.sub(&base.wait)
	}
	return stats
}
