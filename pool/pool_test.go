package pool

import (
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

func newPool(t testing.TB, cfg Config) *Pool {
	t.Helper()
	p, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 5000 {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("never happened: ", what)
}

func TestSizesThatMakeNoPool(t *testing.T) {
	for name, c := range map[string]Config{
		"no size":           {},
		"negative reserve":  {Size: 64, Reserve: -1},
		"max below reserve": {Size: 64, Reserve: 10, Max: 9},
		"limit below max":   {Size: 64, Max: 100, Limit: 50},
		"negative extra":    {Size: 64, Extra: -1},
		"more than memory":  {Size: 1 << 20, Max: 1 << 30},
	} {
		if p, err := New(c); err == nil {
			t.Errorf("%s: accepted", name)
			_ = p.Close()
		}
	}
	if _, err := New(Config{Size: 64, Reserve: 10, Max: 9}); !errors.Is(err, ErrSize) {
		t.Errorf("error %v, want ErrSize", err)
	}
}

func TestReserveStandsAfterNew(t *testing.T) {
	p := newPool(t, Config{Size: 100, Reserve: 200, Max: 1000, CPUs: 3})
	s := p.Stats()
	if s.Free != 200 || s.InUse != 0 || s.CPUs != 3 || s.Max != 1000 || s.Bytes != 200*(128+linkSize) {
		t.Errorf("stats %+v", s)
	}
}

func TestRefillKeepsTheReserveUpToMax(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 8, Max: 20, CPUs: 2})
	for n := range 20 {
		waitFor(t, "a free block", func() bool { return p.Stats().Free > 0 })
		if _, ok := p.Get(n); !ok {
			t.Fatalf("no block after %d, max is 20", n)
		}
	}
	if _, ok := p.Get(0); ok {
		t.Fatal("a block beyond max")
	}
	s := p.Stats()
	if s.InUse != 20 || s.Free != 0 || s.Misses != 1 || s.Refills < 2 {
		t.Errorf("stats %+v", s)
	}
}

func TestStalledRefillIsAMissNotAWait(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 4, Max: 100, CPUs: 2})
	resume := p.Stall()
	p.growMu.Lock() // whoever populates memory may take as long as it likes
	for range 4 {
		if _, ok := p.Get(1); !ok {
			t.Fatal("the reserve was there")
		}
	}
	for range 10 {
		if _, ok := p.Get(1); ok {
			t.Fatal("a block out of nothing")
		}
	}
	p.growMu.Unlock()
	if m := p.Stats().Misses; m != 10 {
		t.Errorf("%d misses, want 10", m)
	}
	resume()
	waitFor(t, "the refill", func() bool { return p.Stats().Free == 4 })
}

func TestBlocksComeBackCleared(t *testing.T) {
	keep := 8 // as an owner's reference count
	p := newPool(t, Config{Size: 128, Reserve: 1, Max: 1, CPUs: 1, Clear: func(b []byte) { clear(b[keep:]) }})
	i, _ := p.Get(0)
	b := p.bytes(i)
	for k := range b {
		b[k] = 0xff
	}
	p.Put(0, i)
	i, ok := p.Get(0)
	if !ok {
		t.Fatal("the block did not come back")
	}
	for k, v := range p.bytes(i) {
		if k < keep && v != 0xff || k >= keep && v != 0 {
			t.Fatalf("byte %d is %#x", k, v)
		}
	}
}

func TestSecondPutPanics(t *testing.T) {
	p := newPool(t, Config{Size: 64})
	i, _ := p.Get(0)
	p.Put(0, i)
	defer func() {
		if recover() == nil {
			t.Error("a block was put back twice")
		}
	}()
	p.Put(0, i)
}

func TestAllocGoesBeyondMax(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 1, Max: 1, Extra: 2})
	seen := map[Index]bool{}
	for range 2 {
		i, err := p.Alloc()
		if err != nil || seen[i] {
			t.Fatal(i, err)
		}
		seen[i] = true
	}
	if _, err := p.Alloc(); err == nil {
		t.Error("more than Extra")
	}
	if _, ok := p.Get(0); !ok {
		t.Error("Alloc took the reserve")
	}
}

func TestResize(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 4, Max: 4, Limit: 64, CPUs: 2})
	if err := p.Resize(32, 64); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the larger reserve", func() bool { return p.Stats().Free == 32 })
	if err := p.Resize(1, 65); err == nil {
		t.Error("a max beyond the limit")
	}
	if err := p.Resize(5, 4); !errors.Is(err, ErrSize) {
		t.Errorf("error %v, want ErrSize", err)
	}
	if s := p.Stats(); s.Reserve != 32 || s.Max != 64 {
		t.Errorf("a refused Resize changed something: %+v", s)
	}
}

// Every block has one owner at a time, whatever the interleaving.
func TestNoBlockHasTwoOwners(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 16, Max: 64, CPUs: 4})
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			mark := uint64(w + 1)
			var held []Index
			for n := range 20000 {
				if i, ok := p.Get(w); ok {
					*(*uint64)(p.Block(i)) = mark
					held = append(held, i)
				}
				if len(held) > n%6 {
					i := held[0]
					held = held[1:]
					if got := *(*uint64)(p.Block(i)); got != mark {
						t.Errorf("block %d of %d is %d's", i, mark, got)
						return
					}
					p.Put(w+n, i)
				}
			}
			for _, i := range held {
				p.Put(w, i)
			}
		})
	}
	wg.Wait()
	if s := p.Stats(); s.InUse != 0 {
		t.Errorf("%d blocks lost", s.InUse)
	}
}

func TestGetFaultsNoPageAndAllocatesNothing(t *testing.T) {
	const n = 2000
	p := newPool(t, Config{Size: 4096, Reserve: n, Max: n, CPUs: 2})
	var taken [n]Index
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	runtime.GC() // so that none runs within and faults for itself
	touch := func(i Index) { *(*byte)(unsafe.Add(p.Block(i), 4095)) = 1 }
	before := faults(t)
	for k := range taken {
		taken[k], _ = p.Get(k)
		touch(taken[k])
	}
	// A few are the test's own stack and the race detector's; a page per block would be 2000.
	if f := faults(t) - before; f > n/10 {
		t.Errorf("%d page faults for %d blocks", f, n)
	}
	for k, i := range taken {
		p.Put(k, i)
	}
	if a := testing.AllocsPerRun(1000, func() { i, _ := p.Get(1); p.Put(1, i) }); a != 0 {
		t.Errorf("Get and Put allocate %v times", a)
	}
}

func faults(t *testing.T) int64 {
	t.Helper()
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		t.Fatal(err)
	}
	return u.Minflt
}

func BenchmarkGetPut(b *testing.B) {
	p := newPool(b, Config{Size: 128, CPUs: 2})
	b.ReportAllocs()
	for b.Loop() {
		i, _ := p.Get(0)
		p.Put(0, i)
	}
}

func BenchmarkGetPutParallel(b *testing.B) {
	p := newPool(b, Config{Size: 128})
	var next int
	var mu sync.Mutex
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		mu.Lock()
		cpu := next
		next++
		mu.Unlock()
		for pb.Next() {
			i, _ := p.Get(cpu)
			p.Put(cpu, i)
		}
	})
}

// A pop that was overtaken by a pop and a push of the same block must fail: the
// head never is again what it was.
func TestHeadOfAStackNeverRepeats(t *testing.T) {
	p := newPool(t, Config{Size: 64, Reserve: 2, Max: 2, CPUs: 1})
	s := &p.stacks[0]
	seen := map[uint64]bool{}
	for range 100 {
		i := s.pop(p)
		if seen[s.head.Load()] {
			t.Fatal("after a pop the head is what it was once")
		}
		seen[s.head.Load()] = true
		s.push(p, i)
		if seen[s.head.Load()] {
			t.Fatal("after a push the head is what it was once")
		}
		seen[s.head.Load()] = true
	}
}
