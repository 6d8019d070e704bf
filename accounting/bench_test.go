package accounting

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"

	"blkfs/pool"
)

// One accounted request without its identity: lookup of the group, both clock
// readings and the counters.
func BenchmarkRequest(b *testing.B) {
	for _, dir := range []Direction{Read, Write} {
		b.Run(dir.String(), func(b *testing.B) {
			books := newTestBooks(b, Config{})
			o := books.mkdir("/a")
			c := Caller{Opener: &o, Flush: true}
			b.ReportAllocs()
			for b.Loop() {
				r, _ := books.Begin(books.dev, c, dir, true, 4096, nil)
				r.End(4096, false)
			}
		})
	}
}

func BenchmarkRequestParallel(b *testing.B) {
	books := newTestBooks(b, Config{})
	o := books.mkdir("/a")
	var cpu atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		c := Caller{Opener: &o, Flush: true, Slot: cpu.Add(1)}
		for pb.Next() {
			r, _ := books.Begin(books.dev, c, Read, true, 4096, nil)
			r.End(4096, false)
		}
	})
}

// One counted request: the lookup of its group and its counters, without the two
// readings of the clock, which are the machine's price (BenchmarkClock).
func BenchmarkCount(b *testing.B) {
	books := newTestBooks(b, Config{})
	o := books.mkdir("/a")
	books.do(o, Read, 0)
	b.ReportAllocs()
	for b.Loop() {
		books.countOne(o.id, 0)
	}
}

func BenchmarkCountParallel(b *testing.B) {
	books := newTestBooks(b, Config{})
	o := books.mkdir("/a")
	books.do(o, Read, 0)
	var cpu atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		slot := cpu.Add(1) & books.layout.slotMask
		for pb.Next() {
			books.countOne(o.id, slot)
		}
	})
}

func (b *testBooks) countOne(id uint64, slot uint32) {
	g := b.acquire(groupKey{id, b.dev.index}, slot)
	r := Request{a: b.Accounting, group: g, hot: b.layout.hot(g, int(slot)), slot: slot, dir: Read}
	r.count(4096, false, 5000)
}

func BenchmarkClock(b *testing.B) {
	books := newTestBooks(b, Config{})
	for b.Loop() {
		books.now()
	}
}

// Making a group in the I/O path: its share of the lookup of paths included.
func BenchmarkMakeGroup(b *testing.B) {
	const n = 500
	books := newTestBooks(b, Config{PoolReserve: n + 100})
	owners := make([]Owner, n)
	for i := range owners {
		owners[i] = books.mkdir(fmt.Sprintf("/c%d", i))
	}
	dev, used := books.dev, 0
	b.ReportAllocs()
	for b.Loop() {
		if used == n { // give them all back
			b.StopTimer()
			for _, o := range owners { // as Sweep does, but that the cgroups stay
				g := books.find(groupKey{o.id, dev.index})
				g.state.Store(stateDying)
				books.unlink(g)
				books.fold(pool.Index(g.self.Load()))
			}
			used = 0
			b.StartTimer()
		}
		r, _ := books.Begin(dev, Caller{Opener: &owners[used], Flush: true}, Read, true, 1, nil)
		r.End(1, false)
		used++
	}
	b.ReportMetric(float64(books.GroupSize()), "B/group")
}

// Identity of a caller, on each hierarchy that the host has.
func BenchmarkIdentity(b *testing.B) {
	for _, h := range []Hierarchy{HierarchyV1, HierarchyV2} {
		b.Run(string(h), func(b *testing.B) {
			hierarchy, root, err := h.resolve()
			if err != nil {
				b.Skip(err)
			}
			id, err := newIdentifier(hierarchy, root)
			if err != nil {
				b.Fatal(err)
			}
			defer id.close()
			tid := uint32(os.Getpid())
			b.ReportAllocs()
			for b.Loop() {
				if id.quick(tid) == 0 {
					var buf pathBuffer
					if _, _, ok := id.identify(tid, &buf); !ok {
						b.Fatal("no cgroup")
					}
				}
			}
		})
	}
}

func BenchmarkTree(b *testing.B) {
	books := newTestBooks(b, Config{PoolReserve: 1100})
	for i := range 1000 {
		books.do(books.mkdir(fmt.Sprintf("/c%d", i)), Read, 1)
	}
	for b.Loop() {
		books.Tree(books.rootID)
	}
}
