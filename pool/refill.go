package pool

// refillBatch bounds how many blocks are made before they are handed out: the
// I/O path gets the first ones while the worker makes the others.
const refillBatch = 64

// kick wakes the worker and never waits: one wake-up on its way is enough.
func (p *Pool) kick() {
	if !p.kicked.CompareAndSwap(false, true) {
		return
	}
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

func (p *Pool) work() {
	defer close(p.done)
	for {
		select {
		case <-p.quit:
			return
		case <-p.wake:
			p.kicked.Store(false) // before looking: what falls below from here on kicks again
			err := p.refill()
			p.failed.Store(&err)
		}
	}
}

// refill makes blocks until the reserve stands or the maximum is reached.
func (p *Pool) refill() error {
	for {
		n, err := p.refillBatch()
		if n == 0 || err != nil {
			return err
		}
	}
}

func (p *Pool) refillBatch() (int, error) {
	p.growMu.Lock()
	defer p.growMu.Unlock()
	if p.stalled {
		return 0, nil
	}
	want := p.reserve.Load() - p.free()
	room := p.max.Load() - (p.made.Load() - p.extra.Load())
	n := int(min(want, room, refillBatch))
	if n <= 0 {
		return 0, nil
	}
	first, err := p.grow(n)
	if err != nil {
		return 0, err
	}
	for k := range n {
		i := first + Index(k)
		p.shortest().push(p, i)
	}
	p.refills.Add(1)
	return n, nil
}

// grow populates n blocks and returns the first. growMu is held.
func (p *Pool) grow(n int) (Index, error) {
	first := int(p.made.Load()) + 1
	if err := p.links.populate(first, n); err != nil {
		return 0, err
	}
	if err := p.blocks.populate(first, n); err != nil {
		return 0, err
	}
	p.made.Add(int64(n))
	return Index(first), nil
}

func (p *Pool) free() int64 {
	var n int64
	for k := range p.stacks {
		n += p.stacks[k].n.Load()
	}
	return n
}

func (p *Pool) shortest() *stack {
	s := &p.stacks[0]
	for k := range p.stacks {
		if p.stacks[k].n.Load() < s.n.Load() {
			s = &p.stacks[k]
		}
	}
	return s
}

// RefillError returns why the last refill made no blocks: nil when it did, or
// had no need to.
func (p *Pool) RefillError() error {
	if e := p.failed.Load(); e != nil {
		return *e
	}
	return nil
}

// Stall stops the refill worker until resume is called: what happens when
// consumers outpace the refill can then be seen at will. A refill that is
// under way is finished first.
func (p *Pool) Stall() (resume func()) {
	p.setStalled(true)
	return func() {
		p.setStalled(false)
		p.kick()
	}
}

func (p *Pool) setStalled(on bool) {
	p.growMu.Lock()
	defer p.growMu.Unlock()
	p.stalled = on
}
