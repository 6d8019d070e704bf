package accounting

import (
	"math/bits"
	"sync/atomic"
	"unsafe"

	"blkfs/pool"
)

// A group's block, flat memory without pointers:
//
//	group          the header: who it is, its index entry, its parent, its name
//	hot × slots    what every request touches, one slot per CPU
//	hot            inherited from removed children
//	cold × shards  histograms and operation counts
//	cold           inherited
const (
	lineSize   = 128
	maxShards  = 8
	groupBytes = 384
	hotBytes   = 256
	coldBytes  = 1024
	maxName    = 255 // NAME_MAX
)

// States of a block.
const (
	stateFree  = iota // in the pool
	stateNew          // being put into the index, or just put
	stateLive         // in the index
	stateDying        // its cgroup is removed; requests may still hold it
)

// group is the header of a block.
type group struct {
	id       atomic.Uint64 // of the cgroup: inode number of its directory
	dev      atomic.Uint32 // device index
	state    atomic.Uint32
	next     atomic.Uint32 // pool.Index: chain of the hash index
	parent   atomic.Uint32 // pool.Index: the parent cgroup's group; 0 for a root group
	children atomic.Int32  // groups whose parent this is
	self     atomic.Uint32 // pool.Index of this block
	nameLen  atomic.Uint32
	name     [maxName]byte // written before the group is live, never after
}

// hot is one slot of the counters that every request touches. The reference
// count is not cleared with the rest: see the package comment.
type hot struct {
	refs     atomic.Int64 // requests that hold the group
	bytes    [numDirections]atomic.Uint64
	requests [numDirections]atomic.Uint64
	errors   [numDirections]atomic.Uint64
	service  [numDirections]atomic.Uint64 // ns
	wait     [numDirections]atomic.Uint64 // ns

	// The part of the writes that is sync. All reads are, no discard is.
	syncWrite struct{ bytes, requests, service, wait atomic.Uint64 }
	// The part of the writes that page-cache flushes brought.
	flushed struct{ bytes, requests atomic.Uint64 }

	queued [numDirections]atomic.Int64 // in a policy now
}

// cold is one shard of the rest.
type cold struct {
	latency [2][LatencyBuckets]atomic.Uint64
	ops     [NumOps]struct{ count, errors atomic.Uint64 }
}

// The sizes are part of the price that the documentation states.
var (
	_ [groupBytes - unsafe.Sizeof(group{})]byte
	_ [hotBytes - unsafe.Sizeof(hot{})]byte
	_ [coldBytes - unsafe.Sizeof(cold{})]byte
)

// layout is the geometry of blocks. Immutable.
type layout struct {
	slots, shards    int
	slotMask, shMask uint32
	coldOff, size    int
}

func newLayout(cpus int) layout {
	slots := 1 << bits.Len(uint(cpus-1)) // a power of two: picked by mask
	l := layout{slots: slots, shards: min(slots, maxShards)}
	l.slotMask, l.shMask = uint32(l.slots-1), uint32(l.shards-1)
	l.coldOff = groupBytes + (l.slots+1)*hotBytes
	l.size = l.coldOff + (l.shards+1)*coldBytes
	return l
}

// clear zeroes a block but for the reference counts.
func (l *layout) clear(block []byte) {
	clear(block[:groupBytes])
	const refs = unsafe.Sizeof(atomic.Int64{})
	for i := range l.slots + 1 {
		off := groupBytes + i*hotBytes
		clear(block[off+int(refs) : off+hotBytes])
	}
	clear(block[l.coldOff:])
}

// hot returns slot i of g; slot number slots holds what was inherited.
func (l *layout) hot(g *group, i int) *hot {
	return (*hot)(unsafe.Add(unsafe.Pointer(g), groupBytes+i*hotBytes))
}

// cold returns shard i of g; shard number shards holds what was inherited.
func (l *layout) cold(g *group, i int) *cold {
	return (*cold)(unsafe.Add(unsafe.Pointer(g), l.coldOff+i*coldBytes))
}

func (a *Accounting) group(i pool.Index) *group {
	return (*group)(a.pool.Block(i))
}
