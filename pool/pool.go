// Package pool is a per-CPU mempool: blocks of flat memory made ahead of time
// by a worker that may wait, and taken by callers that may not.
//
// It follows the percpu mempool of the 2011 kernel patchset "block, mempool,
// percpu: implement percpu mempool and fix blkcg percpu alloc deadlock": the
// I/O path must be able to get the memory of a new group without allocating,
// without waiting, and without faulting a page that nobody touched before.
// When the pool is empty the caller is told so at once and goes on without.
//
// # Memory
//
// Blocks lie in one mmap'ed arena and are known by an Index. The arena reserves
// address space for the most blocks there may ever be; memory is populated when
// the worker makes blocks, and never given back before Close: block memory is
// type-stable, so that a caller may look at a block that has just been put back
// as long as it checks what it found (as SLAB_TYPESAFE_BY_RCU in the kernel).
//
// # Synchronization
//
// Get and Put are lock-free: one stack of free blocks per CPU, and a Get whose
// own stack is empty takes from the others. growMu serializes those who
// populate memory: the worker, Alloc and Resize. Get and Put never take it.
package pool

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
)

// Index names a block of a Pool. The zero Index is none.
type Index uint32

// blockAlign keeps blocks of different owners off each other's cache lines,
// and off the neighbouring lines that the CPU prefetches in pairs.
const blockAlign = 128

// Config says what a Pool holds. The zero value of every field but Size is
// useful.
type Config struct {
	Size    int // bytes of a block, rounded up to a multiple of 128
	Reserve int // free blocks that the worker keeps ready; default 64
	Max     int // most blocks, taken and free together; default 16384
	Limit   int // highest Max that Resize may set; costs address space only; default 4×Max
	Extra   int // blocks beyond Max that Alloc, and only Alloc, may make
	CPUs    int // number of free lists; default GOMAXPROCS

	// Clear makes a block that comes back fresh again. nil zeroes all of it.
	// An owner whose readers may still touch a block that is free (a reference
	// count taken before it is checked) leaves those words alone.
	Clear func(block []byte)
}

func (c Config) withDefaults() Config {
	if c.Reserve == 0 {
		c.Reserve = min(64, orDefault(c.Max, 64))
	}
	c.Max = orDefault(c.Max, max(16384, c.Reserve))
	c.Limit = orDefault(c.Limit, 4*c.Max)
	c.CPUs = orDefault(c.CPUs, runtime.GOMAXPROCS(0))
	if c.Clear == nil {
		c.Clear = func(b []byte) { clear(b) }
	}
	c.Size = (c.Size + blockAlign - 1) &^ (blockAlign - 1)
	return c
}

func orDefault(v, d int) int {
	if v == 0 {
		return d
	}
	return v
}

func (c Config) check() error {
	switch {
	case c.Size <= 0:
		return fmt.Errorf("pool: block size %d: must be positive", c.Size)
	case c.Extra < 0 || c.CPUs < 0:
		return fmt.Errorf("pool: negative extra %d or CPUs %d", c.Extra, c.CPUs)
	case c.Limit < c.Max:
		return fmt.Errorf("pool: limit %d is below max %d", c.Limit, c.Max)
	case uint64(c.Limit)+uint64(c.Extra) >= indexEnd || uint64(c.Limit)*uint64(c.Size) > maxArena:
		return fmt.Errorf("pool: %d blocks of %d bytes are more than an arena can hold; choose a smaller max", c.Limit, c.Size)
	}
	return checkSizes(c.Reserve, c.Max)
}

const (
	indexEnd = 1 << 31 // of the links' 32 bits one value marks blocks that are taken
	maxArena = 1 << 42 // bytes of address space; 47 bits are all there is
)

// ErrSize says that a reserve and a maximum do not make a pool.
var ErrSize = errors.New("a pool needs a reserve of at least 1 block and a maximum not below it")

func checkSizes(reserve, limit int) error {
	if reserve < 1 || limit < reserve {
		return fmt.Errorf("pool: reserve %d, max %d: %w", reserve, limit, ErrSize)
	}
	return nil
}

// Pool is a per-CPU mempool. All methods but Close may be used concurrently.
type Pool struct {
	cfg    Config
	blocks arena // Size bytes per block; block 0 is never used
	links  arena // 4 bytes per block: the next free one
	stacks []stack

	reserve, max atomic.Int64
	made         atomic.Int64 // blocks populated; their indexes are 1..made
	extra        atomic.Int64 // of them, made by Alloc
	refills      atomic.Uint64
	failed       atomic.Pointer[error] // why the last refill made nothing, if it failed

	growMu  sync.Mutex // serializes growing; guards stalled
	stalled bool

	kicked atomic.Bool // a wake-up is on its way; keeps Get from sending more
	wake   chan struct{}
	quit   chan struct{}
	done   chan struct{}
}

// New maps the arena, fills the reserve and starts the refill worker. It
// returns when the reserve stands. The error says which figure is wrong, or
// what the kernel refused.
func New(cfg Config) (*Pool, error) {
	cfg = cfg.withDefaults()
	if err := cfg.check(); err != nil {
		return nil, err
	}
	p := &Pool{
		cfg:    cfg,
		stacks: make([]stack, cfg.CPUs),
		wake:   make(chan struct{}, 1),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	p.reserve.Store(int64(cfg.Reserve))
	p.max.Store(int64(cfg.Max))
	n := cfg.Limit + cfg.Extra + 1
	var err error
	if p.blocks, err = newArena(n, cfg.Size); err != nil {
		return nil, fmt.Errorf("pool: map %d blocks of %d bytes: %w", n, cfg.Size, err)
	}
	if p.links, err = newArena(n, linkSize); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: map links of %d blocks: %w", n, err), p.blocks.close())
	}
	if err := p.refill(); err != nil {
		return nil, errors.Join(fmt.Errorf("pool: fill the reserve of %d blocks: %w", cfg.Reserve, err), p.unmap())
	}
	go p.work()
	return p, nil
}

// Close stops the worker and unmaps the arena. Every Index and every pointer
// into the pool is invalid afterwards; no other method may run or be called.
func (p *Pool) Close() error {
	close(p.quit)
	<-p.done
	return p.unmap()
}

func (p *Pool) unmap() error { return errors.Join(p.blocks.close(), p.links.close()) }

// Get takes a free block, cleared, preferring the free list of cpu (any number
// ≥ 0; it is reduced to the number of lists). It never waits, allocates, or
// faults a fresh page. ok is false when no block is free: the miss is counted
// and the worker woken.
func (p *Pool) Get(cpu int) (i Index, ok bool) {
	own := cpu % len(p.stacks)
	s := &p.stacks[own]
	i = s.pop(p)
	for k := 1; i == 0 && k < len(p.stacks); k++ {
		i = p.stacks[(own+k)%len(p.stacks)].pop(p)
	}
	if i == 0 {
		s.misses.Add(1)
		p.kick()
		return 0, false
	}
	s.taken.Add(1)
	if s.n.Load()*int64(len(p.stacks))*2 < p.reserve.Load() {
		p.kick() // below half of this list's share of the reserve
	}
	return i, true
}

// Put clears a block and gives it back to the free list of cpu. Its owner, and
// nobody else, may call it, once: a second Put of a free block panics.
func (p *Pool) Put(cpu int, i Index) {
	if atomic.LoadUint32(p.link(i)) != taken {
		panic(fmt.Sprintf("pool: block %d put back twice", i))
	}
	p.cfg.Clear(p.bytes(i))
	s := &p.stacks[cpu%len(p.stacks)]
	s.taken.Add(-1)
	s.push(p, i)
}

// Alloc makes a new block, beyond Max too, as long as Extra lasts. It may wait:
// for memory, and for the refill worker. Blocks that come from it count as in
// use and may be put back like any other.
func (p *Pool) Alloc() (Index, error) {
	p.growMu.Lock()
	defer p.growMu.Unlock()
	if p.extra.Load() >= int64(p.cfg.Extra) {
		return 0, fmt.Errorf("pool: all %d extra blocks are in use", p.cfg.Extra)
	}
	first, err := p.grow(1)
	if err != nil {
		return 0, fmt.Errorf("pool: populate a block: %w", err)
	}
	p.extra.Add(1)
	atomic.StoreUint32(p.link(first), taken)
	p.stacks[0].taken.Add(1)
	return first, nil
}

// Resize sets the reserve and the maximum, in blocks. The worker fills a larger
// reserve at once; a smaller maximum frees no memory, it stops growth.
func (p *Pool) Resize(reserve, limit int) error {
	if err := checkSizes(reserve, limit); err != nil {
		return err
	}
	if limit > p.cfg.Limit {
		return fmt.Errorf("pool: max %d is beyond this pool's limit of %d", limit, p.cfg.Limit)
	}
	p.growMu.Lock()
	p.reserve.Store(int64(reserve))
	p.max.Store(int64(limit))
	p.growMu.Unlock()
	p.kick()
	return nil
}

// Made returns how many blocks exist: their indexes are 1 to Made. Blocks of
// higher indexes may not be touched.
func (p *Pool) Made() Index { return Index(p.made.Load()) }

// Stats are a pool's figures. They are read one after the other while others
// go on; at a quiet moment they are exact.
type Stats struct {
	Reserve int    // free blocks that the worker keeps ready
	Free    int    // blocks ready to be taken
	InUse   int    // blocks taken, those of Alloc included
	Max     int    // most blocks that Get can ever have handed out
	Misses  uint64 // times Get found none free
	Refills uint64 // times the worker made blocks
	Bytes   uint64 // memory populated
	CPUs    int    // free lists
}

// Stats returns the pool's figures.
func (p *Pool) Stats() Stats {
	s := Stats{
		Reserve: int(p.reserve.Load()),
		Max:     int(p.max.Load()),
		Refills: p.refills.Load(),
		CPUs:    len(p.stacks),
	}
	for k := range p.stacks {
		s.Free += int(p.stacks[k].n.Load())
		s.InUse += int(p.stacks[k].taken.Load())
		s.Misses += p.stacks[k].misses.Load()
	}
	s.Free, s.InUse = max(0, s.Free), max(0, s.InUse) // between two stacks a sum can be off
	s.Bytes = uint64(p.made.Load()) * uint64(p.cfg.Size+linkSize)
	return s
}
