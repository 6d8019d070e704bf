// Package accounting charges I/O to cgroups.
//
// It is the kernel's block/blk-cgroup.c in user space: a group (blkg) is one
// (cgroup, device) pair, made lazily by the first I/O of that pair, out of a
// pool of blocks that was filled where waiting is allowed. Begin and End are
// the I/O path; Own, Tree and Removed are for readers; a worker folds the
// groups of removed cgroups into their parents.
//
// What always holds:
//
//   - Only I/O creates a group, and with it, as blkg_lookup_create does, the
//     groups of its ancestors. Readers create none.
//   - A group that exists counts. When the pool is empty the request is charged
//     to the closest ancestor that has a group; the device's root group always
//     exists. The next I/O tries again.
//   - The I/O path takes no lock, waits for nobody but the policy, and does not
//     allocate: header, index entry, name and counters of a group are one block
//     of flat memory.
//   - Nothing is lost: a removed cgroup's counters move to its parent's
//     inherited ones, which only hierarchical figures include.
//
// # Synchronization
//
// The I/O path finds groups through a lock-free hash index (index.go). A group
// is pinned by a reference in one of its per-CPU slots, taken before it is
// checked that the block still is that group; reference words survive the
// clearing of a block, so a late reference to a freed block does no harm (as
// with SLAB_TYPESAFE_BY_RCU).
//
// treeMu is for readers and the life cycle only: readers hold it shared, the
// worker holds it when a group leaves the books, so that a hierarchical figure
// sees counters either in the child or in the parent. devMu serializes adding
// devices, sweepMu the worker and those who ask it to look at once.
//
// Lock order: sweepMu → treeMu → resetMu; devMu is taken alone.
package accounting

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"blkfs/pool"
)

// DefaultSweepInterval is how often removed cgroups are looked for.
const DefaultSweepInterval = time.Second

// maxDevices bounds the devices of one Accounting: each has a root group.
const maxDevices = 1024

// Config configures New. The zero value is useful.
type Config struct {
	Hierarchy     Hierarchy     // "" is HierarchyAuto
	PoolReserve   int           // blocks kept ready; default 64
	PoolMax       int           // most groups beside the devices' root groups; default 16384
	SweepInterval time.Duration // default DefaultSweepInterval
	Slots         int           // per-CPU slots of a group; default: possible CPUs
	Policy        Policy        // may delay requests; nil: none, at no cost
	Log           *slog.Logger  // nil: slog.Default()
}

func (c Config) withDefaults() Config {
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.SweepInterval <= 0 {
		c.SweepInterval = DefaultSweepInterval
	}
	if c.Slots <= 0 {
		c.Slots = possibleCPUs()
	}
	return c
}

// Accounting keeps the books of one mount. Its methods may be used
// concurrently, except Close.
type Accounting struct {
	log    *slog.Logger
	policy Policy
	epoch  time.Time
	ident  *identifier
	pool   *pool.Pool
	layout layout
	index  index
	rootID uint64 // cgroup id of the hierarchy's root

	devMu   sync.Mutex // guards mounts; serializes changes of devices
	mounts  map[uint64]Mount
	devices atomic.Pointer[[]*Device] // by device index; copied on change

	treeMu sync.RWMutex

	sweepMu  sync.Mutex // guards draining and removed
	draining []pool.Index
	removed  removedRing

	resetMu sync.Mutex // guards resets
	resets  map[groupKey]v1Figures

	unknown atomic.Uint64 // requests whose caller could not be told

	quit, done chan struct{}
}

// New detects the hierarchy, fills the pool and starts the worker.
func New(cfg Config) (*Accounting, error) {
	hierarchy, root, err := cfg.Hierarchy.resolve()
	if err != nil {
		return nil, err
	}
	ident, err := newIdentifier(hierarchy, root)
	if err != nil {
		return nil, err
	}
	return newAccounting(cfg, ident)
}

// newAccounting takes over ident, and closes it when it fails.
func newAccounting(cfg Config, ident *identifier) (*Accounting, error) {
	cfg = cfg.withDefaults()
	a := &Accounting{
		log:    cfg.Log,
		policy: cfg.Policy,
		epoch:  time.Now(),
		ident:  ident,
		layout: newLayout(cfg.Slots),
		mounts: make(map[uint64]Mount),
		resets: make(map[groupKey]v1Figures),
		quit:   make(chan struct{}),
		done:   make(chan struct{}),
	}
	a.devices.Store(&[]*Device{nil}) // device indexes start at 1
	var err error
	if a.rootID, err = ident.rootID(); err != nil {
		return nil, errors.Join(err, ident.close())
	}
	a.pool, err = pool.New(pool.Config{
		Size:    a.layout.size,
		Reserve: cfg.PoolReserve,
		Max:     cfg.PoolMax,
		Limit:   cfg.PoolMax,
		Extra:   maxDevices,
		CPUs:    cfg.Slots,
		Clear:   a.layout.clear,
	})
	if err != nil {
		return nil, errors.Join(err, ident.close())
	}
	a.index = newIndex(a.pool.Stats().Max + maxDevices)
	go a.work(cfg.SweepInterval)
	return a, nil
}

// Close stops the worker and gives all memory back. No other method may run or
// be called after.
func (a *Accounting) Close() error {
	close(a.quit)
	<-a.done
	return errors.Join(a.pool.Close(), a.ident.close())
}

// PoolStats returns the figures of the pool of groups; its bytes include those of
// the index.
func (a *Accounting) PoolStats() pool.Stats {
	s := a.pool.Stats()
	s.Bytes += a.index.bytes()
	return s
}

// StallRefill stops the pool's refill until resume is called; see pool.Stall.
func (a *Accounting) StallRefill() (resume func()) { return a.pool.Stall() }

// UnknownCallers returns how many requests came without a caller that could be
// told: a thread that was gone, or outside our pid namespace. They were charged
// to the opener of the handle.
func (a *Accounting) UnknownCallers() uint64 { return a.unknown.Load() }

// GroupSize returns the bytes that one group takes.
func (a *Accounting) GroupSize() int { return a.layout.size }

// now is the time since the books were opened, in ns, on the monotonic clock.
func (a *Accounting) now() int64 { return int64(time.Since(a.epoch)) }

// possibleCPUs returns the number of CPUs that may ever come online: a slot is
// owned by a CPU, and CPUs can be plugged in.
func possibleCPUs() int {
	const file = "/sys/devices/system/cpu/possible" // such as "0-3" or "0,2-5"
	b, err := os.ReadFile(file)
	if err != nil {
		return 1
	}
	last := 0
	for _, c := range string(b) {
		switch {
		case c >= '0' && c <= '9':
			last = last*10 + int(c-'0')
		case c == '-' || c == ',':
			last = 0
		}
	}
	return last + 1
}
