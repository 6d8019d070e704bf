package accounting

import (
	"runtime"
	"sync"
	"testing"

	"blkfs/pool"
)

func TestRemovedCgroupLeavesItsCountersToItsParent(t *testing.T) {
	b := newTestBooks(t, Config{})
	b.do(b.mkdir("/a/b"), Read, 10)
	b.do(b.owner("/a"), Read, 1)
	before := b.PoolStats().InUse
	b.rmdir("/a/b")
	b.Sweep()
	b.wantOwn("/a", 1)
	b.wantTree("/a", 11)
	if n := before - b.PoolStats().InUse; n != 1 {
		t.Errorf("%d blocks came back, want 1", n)
	}
	removed := b.Removed()
	if len(removed) != 1 || removed[0].Path != "/a/b" || removed[0].Bytes.By[Read] != 10 {
		t.Errorf("removed: %+v", removed)
	}

	b.do(b.mkdir("/a/b"), Read, 3) // the same name, another cgroup
	b.wantOwn("/a/b", 3)
	b.rmdir("/a/b")
	b.rmdir("/a")
	b.Sweep() // parent and child at once
	b.wantTree("/", 14)
	if n := b.PoolStats().InUse; n != 1 {
		t.Errorf("%d blocks in use, want 1: the device's root group", n)
	}
}

func TestRequestInFlightDuringRemovalIsChargedOnce(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	r := b.begin(o, Read, 0)
	b.rmdir("/a")
	b.Sweep()
	if in := b.Tree(b.rootID)[0].InFlight; in != 1 {
		t.Errorf("%d requests in flight, want 1", in)
	}
	r.End(8, false)
	b.wantTree("/", 8)
	b.Sweep()
	b.wantTree("/", 8)
	if n := len(b.Removed()); n != 1 {
		t.Errorf("%d entries of removed, want 1", n)
	}
	b.do(o, Read, 16) // its opener is gone: the closest ancestor that lives pays
	b.wantOwn("/", 16)
	b.wantTree("/", 24)
}

// Groups are made, used and removed while readers look: every hierarchical
// figure grows, and at the end all is there.
func TestConservationUnderRemoval(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 8, PoolMax: 24, Slots: 4})
	const workers, rounds, each = 6, 150, 20
	b.mkdir("/p")
	stop := make(chan struct{})
	var readers, sweeper, wg sync.WaitGroup
	readers.Go(func() {
		var last uint64
		for {
			n := bytesOf(b.Tree(b.rootID), Read)
			if n < last {
				t.Errorf("hierarchical bytes went down from %d to %d", last, n)
			}
			last = n
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	})
	sweeper.Go(func() {
		for {
			b.Sweep()
			select {
			case <-stop:
				return
			default:
				runtime.Gosched()
			}
		}
	})
	for w := range workers {
		wg.Go(func() {
			path := "/p/" + string(rune('a'+w))
			for range rounds {
				o := b.mkdir(path + "/sub")
				var inner sync.WaitGroup
				for k := range 2 {
					inner.Go(func() {
						for range each {
							r := b.begin(o, Read, uint32(w+k))
							r.End(3, false)
						}
					})
				}
				inner.Wait()
				b.rmdir(path + "/sub")
				b.rmdir(path)
			}
		})
	}
	wg.Wait()
	close(stop)
	readers.Wait()
	sweeper.Wait()
	b.Sweep()
	b.wantTree("/", workers*rounds*2*each*3)
	if n := b.PoolStats().InUse; n != 2 {
		t.Errorf("%d blocks in use, want 2: of the root and /p", n)
	}
}

func TestReusedBlockStartsAtZero(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 1, PoolMax: 1})
	old := b.mkdir("/a")
	b.do(old, Write, 1)
	b.do(old, Read, 1)
	b.rmdir("/a")
	b.Sweep()
	o := b.mkdir("/b")
	b.do(o, Discard, 5)
	var want Counters
	want.Bytes.By[Discard], want.Requests.By[Discard] = 5, 1
	got := b.Own(o.id)[0].Counters
	got.ServiceTime = RWStat{}
	if got != want {
		t.Errorf("%+v", got)
	}
	if tree := b.Tree(o.id)[0].Counters; tree.Bytes != want.Bytes || tree.Latency != want.Latency {
		t.Errorf("inherited by nobody: %+v", tree)
	}
}

// The opener of a file is gone, and another cgroup has its name: that one must
// not pay.
func TestSuccessorOfTheSameNameDoesNotPay(t *testing.T) {
	b := newTestBooks(t, Config{})
	old := b.mkdir("/p/a")
	b.rmdir("/p/a")
	for b.mkdir("/p/a").id == old.id { // the test's file system may give the number again
		b.rmdir("/p/a")
		b.mkdir("/p/other" + b.t.TempDir()[1:])
	}
	b.do(old, Read, 9)
	b.wantOwn("/p/a", 0)
	b.wantOwn("/p", 9)
}

// A request that found a group before its cgroup was removed may still make a
// child of it: then the group must not be folded, whenever that happens.
func TestGroupWithAChildIsNotFolded(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 200, PoolMax: 400})
	for n := range 20000 {
		key := func(k int) groupKey { return groupKey{uint64(3*n+k) | 1<<50, b.dev.index} }
		parent := b.create(key(0), b.dev.root, []byte("p"), 0)
		if parent == nil {
			waitFor(t, func() bool { return b.PoolStats().Free > 1 })
			continue
		}
		i := pool.Index(parent.self.Load())
		parent.state.Store(stateDying)
		b.unlink(parent)
		made := make(chan *group)
		go func() { // as ensure does
			child := b.create(key(1), parent, []byte("c"), 0)
			b.unpin(parent, 0)
			made <- child
		}()
		folded := false
		for range 50 {
			folded = folded || b.fold(i)
		}
		child := <-made
		if child == nil { // the pool was empty: no child
			if !folded && !b.fold(i) {
				t.Fatal("an abandoned group is not folded")
			}
			continue
		}
		if folded {
			t.Fatalf("round %d: a group was folded that has a child", n)
		}
		child.state.Store(stateDying)
		b.unlink(child)
		b.unpin(child, 0)
		if !b.fold(pool.Index(child.self.Load())) || !b.fold(i) {
			t.Fatal("child, then parent: not folded")
		}
	}
}
