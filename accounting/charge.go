package accounting

// charge returns, pinned, the group that pays for a request.
func (a *Accounting) charge(dev *Device, c *Caller, slot uint32) *group {
	if c.TID == 0 || c.Flush {
		if !c.Flush {
			a.unknown.Add(1)
		}
		return a.chargeOpener(dev, c.Opener, slot)
	}
	if g := a.known(dev, c.TID, slot); g != nil {
		return g
	}
	var buf pathBuffer
	id, path, ok := a.ident.identify(c.TID, &buf)
	if !ok {
		a.unknown.Add(1)
		return a.chargeOpener(dev, c.Opener, slot)
	}
	return a.ensure(dev, id, path, slot)
}

// known returns the thread's group, pinned, where it has one and its cgroup can be
// told without a path.
func (a *Accounting) known(dev *Device, tid, slot uint32) *group {
	id := a.ident.quick(tid)
	if id == 0 {
		return nil
	}
	return a.acquire(groupKey{id, dev.index}, slot)
}

// chargeOpener charges the cgroup that opened the handle, or, where that is
// removed, its closest ancestor by name that lives.
func (a *Accounting) chargeOpener(dev *Device, o *Owner, slot uint32) *group {
	if o == nil || o.id == 0 || o.id == a.rootID {
		return a.pinRoot(dev, slot)
	}
	if g := a.acquire(groupKey{o.id, dev.index}, slot); g != nil {
		return g
	}
	var buf pathBuffer
	id, path := a.opener(o, &buf)
	return a.ensure(dev, id, path, slot)
}

// chargeOp returns, pinned, the group that an operation is counted in.
func (a *Accounting) chargeOp(dev *Device, c *Caller, slot uint32) *group {
	var buf pathBuffer
	if c.TID == 0 { // a release: the kernel sends it for nobody
		id, path := a.opener(c.Opener, &buf)
		return a.closest(dev, id, path, slot)
	}
	if g := a.known(dev, c.TID, slot); g != nil {
		return g
	}
	id, path, ok := a.ident.identify(c.TID, &buf)
	if !ok {
		id, path = a.opener(c.Opener, &buf)
	}
	return a.closest(dev, id, path, slot)
}

// opener returns the cgroup of an Owner: with id 0 when another has its name.
func (a *Accounting) opener(o *Owner, buf *pathBuffer) (uint64, cgroupPath) {
	root := cgroupPath{buf[:1]}
	buf[0] = '/'
	if o == nil || o.id == 0 {
		return a.rootID, root
	}
	path, ok := buf.set(o.path)
	if !ok {
		return a.rootID, root
	}
	if a.ident.idOf(path) != o.id {
		return 0, path
	}
	return o.id, path
}

// Owner tells the cgroup of a thread, for an open file to keep. ok is false, and
// the Owner the root cgroup, when the thread is gone or not visible.
func (a *Accounting) Owner(tid uint32) (o Owner, ok bool) {
	if tid == 0 {
		return Owner{}, false
	}
	var buf pathBuffer
	id, path, ok := a.ident.identify(tid, &buf)
	if !ok {
		return Owner{}, false
	}
	return Owner{id: id, path: path.String()}, true
}
