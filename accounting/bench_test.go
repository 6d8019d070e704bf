package accounting

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
)

// One accounted request without its identity: lookup of the group, both clock
// readings and the counters. "count" is the counters alone.
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

func BenchmarkCount(b *testing.B) {
	books := newTestBooks(b, Config{})
	o := books.mkdir("/a")
	r := books.begin(o, Read, 0)
	b.ReportAllocs()
	for b.Loop() {
		r.hot.refs.Add(1) // as pin does
		r.count(4096, false, 5000)
	}
	r.End(0, false)
}

func BenchmarkCountParallel(b *testing.B) {
	books := newTestBooks(b, Config{})
	o := books.mkdir("/a")
	var cpu atomic.Uint32
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		r := books.begin(o, Read, cpu.Add(1)&books.layout.slotMask)
		for pb.Next() {
			r.hot.refs.Add(1)
			r.count(4096, false, 5000)
		}
		r.End(0, false)
	})
}

// Making a group in the I/O path: its share of the lookup of paths included.
func BenchmarkMakeGroup(b *testing.B) {
	const n = 2000
	books := newTestBooks(b, Config{PoolReserve: n + 100})
	owners := make([]Owner, n)
	for i := range owners {
		owners[i] = books.mkdir(fmt.Sprintf("/c%d", i))
	}
	dev, used := books.dev, 0
	b.ReportMetric(float64(books.GroupSize()), "B/group")
	b.ReportAllocs()
	for b.Loop() {
		if used == n { // give them all back
			b.StopTimer()
			for _, o := range owners {
				books.rmdir(o.path)
			}
			books.Sweep()
			for i := range owners {
				owners[i] = books.mkdir(owners[i].path)
			}
			used = 0
			b.StartTimer()
		}
		r, _ := books.Begin(dev, Caller{Opener: &owners[used], Flush: true}, Read, true, 1, nil)
		r.End(1, false)
		used++
	}
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
