package accounting

import "blkfs/pool"

// acquire returns the live group with key k, pinned in slot, or nil.
func (a *Accounting) acquire(k groupKey, slot uint32) *group {
	g := a.find(k)
	if g == nil || !a.pin(g, k, slot) {
		return nil
	}
	return g
}

// pin takes a reference, then checks that the block still is the group: the
// order that lets a block be reused while others look at it.
func (a *Accounting) pin(g *group, k groupKey, slot uint32) bool {
	refs := &a.layout.hot(g, int(slot)).refs
	refs.Add(1)
	state := g.state.Load()
	if g.key() == k && (state == stateLive || state == stateNew && a.settle(g, k)) {
		return true
	}
	refs.Add(-1)
	return false
}

// settle makes a new group live if it really is in the index. One whose maker
// came second is not, and is about to be thrown away: a walk that was led astray
// can come upon it.
func (a *Accounting) settle(g *group, k groupKey) bool {
	head := a.index.head(k)
	for {
		h := head.Load()
		if a.walk(pool.Index(uint32(h)), k) != g {
			return false
		}
		if head.Load() == h {
			return g.state.CompareAndSwap(stateNew, stateLive) || g.state.Load() == stateLive
		}
	}
}

func (a *Accounting) unpin(g *group, slot uint32) {
	a.layout.hot(g, int(slot)).refs.Add(-1)
}

// pinRoot returns the root group of dev, pinned. It never leaves.
func (a *Accounting) pinRoot(dev *Device, slot uint32) *group {
	a.layout.hot(dev.root, int(slot)).refs.Add(1)
	return dev.root
}

// closest returns, pinned, the group of the cgroup at path on dev, or that of
// its closest ancestor that has one. It makes none.
func (a *Accounting) closest(dev *Device, id uint64, path cgroupPath, slot uint32) *group {
	for id != a.rootID {
		if id != 0 {
			if g := a.acquire(groupKey{id, dev.index}, slot); g != nil {
				return g
			}
		}
		if path.isRoot() {
			break
		}
		path = path.parent()
		id = a.ident.idOf(path) // 0: gone meanwhile; go on to its parent
	}
	return a.pinRoot(dev, slot)
}

// ensure returns, pinned, the group of the cgroup at path on dev. Where there is
// none it makes one, after those of its ancestors, as blkg_lookup_create does.
// When the pool is empty it returns the group of the closest ancestor that has
// one.
func (a *Accounting) ensure(dev *Device, id uint64, path cgroupPath, slot uint32) *group {
	if id == a.rootID || path.isRoot() {
		return a.pinRoot(dev, slot)
	}
	up := path.parent()
	if id == 0 { // the cgroup is gone: so its closest ancestor that lives is charged
		return a.ensure(dev, a.ident.idOf(up), up, slot)
	}
	k := groupKey{id, dev.index}
	if g := a.acquire(k, slot); g != nil {
		return g
	}
	upID := a.ident.idOf(up)
	parent := a.ensure(dev, upID, up, slot)
	if parent.id.Load() != upID {
		return parent // the pool was empty for an ancestor already, or that is gone
	}
	g := a.create(k, parent, path.name(), slot)
	if g == nil {
		return parent
	}
	a.unpin(parent, slot)
	return g
}

// create makes the group of key k below parent, which is pinned, and returns it
// pinned; or the one that somebody else made meanwhile; or nil when the pool is
// empty.
func (a *Accounting) create(k groupKey, parent *group, name []byte, slot uint32) *group {
	i, ok := a.pool.Get(int(slot))
	if !ok {
		return nil
	}
	g := a.group(i)
	g.init(i, k, parent, name)
	parent.children.Add(1)
	a.layout.hot(g, int(slot)).refs.Add(1)
	g.state.Store(stateNew)
	other := a.insert(g)
	if other == nil {
		g.state.CompareAndSwap(stateNew, stateLive) // unless somebody who found it was faster
		return g
	}
	g.state.Store(stateFree)
	a.layout.hot(g, int(slot)).refs.Add(-1)
	parent.children.Add(-1)
	a.pool.Put(int(slot), i)
	if !a.pin(other, k, slot) {
		return nil // made and removed again within this call
	}
	return other
}

func (g *group) init(i pool.Index, k groupKey, parent *group, name []byte) {
	g.self.Store(uint32(i))
	g.dev.Store(k.dev)
	if parent != nil {
		g.parent.Store(parent.self.Load())
	}
	g.nameLen.Store(uint32(copy(g.name[:], name)))
	g.id.Store(k.cgroup)
}
