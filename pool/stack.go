package pool

import "sync/atomic"

// taken in a block's link marks it as not free.
const taken = ^uint32(0)

// stack is a lock-free stack of free blocks (Treiber's), linked by index. The
// upper half of head counts changes: without it a pop that was overtaken by a
// pop and a push of the same block would put a wrong block on top.
type stack struct {
	head   atomic.Uint64
	n      atomic.Int64 // free blocks here
	taken  atomic.Int64 // blocks taken from here, less those put here: only the sum over stacks tells
	misses atomic.Uint64
	_      [blockAlign - 32]byte
}

func headOf(version uint64, i uint32) uint64 { return version&^(1<<32-1) + 1<<32 | uint64(i) }

func (s *stack) pop(p *Pool) Index {
	for {
		h := s.head.Load()
		i := Index(uint32(h))
		if i == 0 {
			return 0
		}
		next := atomic.LoadUint32(p.link(i))
		// When another caller took i meanwhile, next may be anything; then head
		// has changed and the swap fails.
		if s.head.CompareAndSwap(h, headOf(h, next)) {
			s.n.Add(-1)
			atomic.StoreUint32(p.link(i), taken)
			return i
		}
	}
}

func (s *stack) push(p *Pool, i Index) {
	for {
		h := s.head.Load()
		atomic.StoreUint32(p.link(i), uint32(h))
		if s.head.CompareAndSwap(h, headOf(h, uint32(i))) {
			s.n.Add(1)
			return
		}
	}
}
