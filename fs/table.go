package fs

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

const (
	chunkSize = 4096
	maxChunks = 16384 // 64 Mi entries
	// seqMask keeps the top bit of an id clear: it marks the virtual tree's
	// (router.go).
	seqMask = 1<<31 - 1
)

// table finds values by the ids that it hands out, without a lock. An id is
// (sequence of its slot)<<32 | slot: a slot is used again, an id is not, so
// that a late request for something gone finds nothing rather than its
// successor. The first id is 1, as FUSE wants its root.
//
// Safe for concurrent use.
type table[T any] struct {
	chunks [maxChunks]atomic.Pointer[chunk[T]]

	mu   sync.Mutex // guards what follows, and the making of chunks
	free []uint32
	used uint32
}

type chunk[T any] struct {
	value [chunkSize]atomic.Pointer[T]
	seq   [chunkSize]atomic.Uint32
}

// get returns the value published under id, or nil.
func (t *table[T]) get(id uint64) *T {
	slot := uint32(id)
	if slot/chunkSize >= maxChunks {
		return nil
	}
	c := t.chunks[slot/chunkSize].Load()
	if c == nil {
		return nil
	}
	// The value before the sequence: remove clears one and then advances the
	// other before a new value can come.
	v := c.value[slot%chunkSize].Load()
	if v == nil || c.seq[slot%chunkSize].Load() != uint32(id>>32) {
		return nil
	}
	return v
}

// reserve returns an id that publish may be called with once.
func (t *table[T]) reserve() (uint64, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	slot := t.used + 1
	if n := len(t.free); n > 0 {
		slot = t.free[n-1]
		t.free = t.free[:n-1]
	} else {
		if slot/chunkSize >= maxChunks {
			return 0, unix.ENFILE
		}
		t.used = slot
		if t.chunks[slot/chunkSize].Load() == nil {
			t.chunks[slot/chunkSize].Store(new(chunk[T]))
		}
	}
	seq := t.chunks[slot/chunkSize].Load().seq[slot%chunkSize].Load()
	return uint64(seq)<<32 | uint64(slot), nil
}

// publish makes v the value of a reserved id.
func (t *table[T]) publish(id uint64, v *T) {
	slot := uint32(id)
	t.chunks[slot/chunkSize].Load().value[slot%chunkSize].Store(v)
}

// remove takes the value of id away and returns it; nil when there was none.
func (t *table[T]) remove(id uint64) *T {
	v := t.get(id)
	if v == nil {
		return nil
	}
	slot := uint32(id)
	c := t.chunks[slot/chunkSize].Load()
	if !c.value[slot%chunkSize].CompareAndSwap(v, nil) {
		return nil // somebody else removed it
	}
	c.seq[slot%chunkSize].Store((uint32(id>>32) + 1) & seqMask)
	t.mu.Lock()
	t.free = append(t.free, slot)
	t.mu.Unlock()
	return v
}

// each calls fn with every value published. Values that come or go meanwhile
// may be missed.
func (t *table[T]) each(fn func(id uint64, v *T)) {
	t.mu.Lock()
	used := t.used
	t.mu.Unlock()
	for slot := uint32(1); slot <= used; slot++ {
		c := t.chunks[slot/chunkSize].Load()
		if v := c.value[slot%chunkSize].Load(); v != nil {
			fn(uint64(c.seq[slot%chunkSize].Load())<<32|uint64(slot), v)
		}
	}
}
