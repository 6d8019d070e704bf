package accounting

import (
	"math/bits"
	"sync/atomic"

	"blkfs/pool"
)

// groupKey is what a group is found by.
type groupKey struct {
	cgroup uint64
	dev    uint32
}

func (g *group) key() groupKey { return groupKey{g.id.Load(), g.dev.Load()} }

// index finds groups by key: a hash table of chains through the blocks, of a
// fixed size. Insertion and lookup are lock-free; removal is for one caller at
// a time.
//
// A chain's head carries in its upper half a version that every insertion into
// and every removal from the chain changes. A lookup that walks over a block
// that is being removed may be led astray into another chain, when the block is
// used again; then it can miss an entry, never find a wrong one, for keys are
// compared. What misses goes on to insert, and the insertion's swap of the head
// fails if anything left or entered the chain since it was walked.
type index struct {
	heads []atomic.Uint64
	shift uint8
}

// chainBound ends a walk that was led astray more often than chains are long.
const chainBound = 4096

func newIndex(groups int) index {
	n := bits.Len(uint(2*groups - 1)) // at most half full
	ix := index{heads: make([]atomic.Uint64, 1<<n), shift: uint8(64 - n)}
	for i := range ix.heads {
		ix.heads[i].Store(0) // touch the pages now, not in the I/O path
	}
	return ix
}

func (ix *index) bytes() uint64 { return uint64(len(ix.heads)) * 8 }

func (ix *index) head(k groupKey) *atomic.Uint64 {
	// Fibonacci hashing: ids are small and consecutive, the upper bits mix well.
	h := (k.cgroup ^ uint64(k.dev)<<48) * 0x9e3779b97f4a7c15
	return &ix.heads[h>>ix.shift]
}

// nextHead is the head after one more change of the chain.
func nextHead(old uint64, first pool.Index) uint64 {
	return old&^(1<<32-1) + 1<<32 | uint64(first)
}

// find returns the group with key k, without pinning it; nil if there is none.
func (a *Accounting) find(k groupKey) *group {
	return a.walk(pool.Index(uint32(a.index.head(k).Load())), k)
}

func (a *Accounting) walk(i pool.Index, k groupKey) *group {
	for n := 0; i != 0 && n < chainBound; n++ {
		g := a.group(i)
		if g.id.Load() == k.cgroup && g.dev.Load() == k.dev {
			return g
		}
		i = pool.Index(g.next.Load())
	}
	return nil
}

// insert puts g into the index and returns nil, or returns the group of the
// same key that is there already.
func (a *Accounting) insert(g *group) *group {
	k := g.key()
	head := a.index.head(k)
	for {
		h := head.Load()
		first := pool.Index(uint32(h))
		if other := a.walk(first, k); other != nil {
			return other
		}
		g.next.Store(uint32(first))
		if head.CompareAndSwap(h, nextHead(h, pool.Index(g.self.Load()))) {
			return nil
		}
	}
}

// unlink takes g out of the index. Only one caller at a time: sweepMu is held.
func (a *Accounting) unlink(g *group) {
	head, self := a.index.head(g.key()), g.self.Load()
	for {
		h := head.Load()
		i := uint32(h)
		if i == self {
			if head.CompareAndSwap(h, nextHead(h, pool.Index(g.next.Load()))) {
				return
			}
			continue
		}
		for a.group(pool.Index(i)).next.Load() != self {
			i = a.group(pool.Index(i)).next.Load()
		}
		// Entries enter at the head alone and leave through us alone, so the
		// predecessor stays the predecessor.
		a.group(pool.Index(i)).next.Store(g.next.Load())
		for !head.CompareAndSwap(h, nextHead(h, pool.Index(uint32(h)))) {
			h = head.Load()
		}
		return
	}
}
