package accounting

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// testBooks is an Accounting over a directory tree that stands for cgroupfs:
// all that it asks of it is names and inode numbers.
type testBooks struct {
	*Accounting
	t    testing.TB
	root string
	dev  *Device
}

func newTestBooks(t testing.TB, cfg Config) *testBooks {
	t.Helper()
	root := t.TempDir()
	ident, err := newIdentifier(HierarchyV1, root)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.SweepInterval == 0 {
		cfg.SweepInterval = time.Hour // only when the test says so
	}
	a, err := newAccounting(cfg, ident)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	b := &testBooks{Accounting: a, t: t, root: root}
	b.dev = b.device(8, 0)
	return b
}

func (b *testBooks) device(major, minor uint32) *Device {
	b.t.Helper()
	d, err := b.Device(Mount{ID: uint64(major)<<32 | uint64(minor), Device: DeviceID{major, minor}})
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

func (b *testBooks) mkdir(path string) Owner {
	b.t.Helper()
	if err := os.MkdirAll(filepath.Join(b.root, path), 0o755); err != nil {
		b.t.Fatal(err)
	}
	return b.owner(path)
}

func (b *testBooks) owner(path string) Owner {
	b.t.Helper()
	var buf pathBuffer
	p, _ := buf.set(path)
	id := b.ident.idOf(p)
	if id == 0 {
		b.t.Fatalf("no cgroup %s", path)
	}
	return Owner{id: id, path: path}
}

func (b *testBooks) rmdir(path string) {
	b.t.Helper()
	if err := os.Remove(filepath.Join(b.root, path)); err != nil {
		b.t.Fatal(err)
	}
}

// do does one request for the cgroup o. Requests go through the opener: a test
// has no thread in a cgroup that is only a directory.
func (b *testBooks) do(o Owner, dir Direction, n int) {
	r := b.begin(o, dir, 0)
	r.End(n, false)
}

func (b *testBooks) begin(o Owner, dir Direction, slot uint32) Request {
	b.t.Helper()
	r, err := b.Begin(b.dev, Caller{Opener: &o, Flush: true, Slot: slot}, dir, false, 0, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func bytesOf(stats []DeviceStat, dir Direction) uint64 {
	var n uint64
	for _, s := range stats {
		n += s.Bytes.By[dir]
	}
	return n
}

func (b *testBooks) wantOwn(path string, want uint64) {
	b.t.Helper()
	if got := bytesOf(b.Own(b.owner(path).id), Read); got != want {
		b.t.Errorf("%s alone read %d bytes, want %d", path, got, want)
	}
}

func (b *testBooks) wantTree(path string, want uint64) {
	b.t.Helper()
	if got := bytesOf(b.Tree(b.owner(path).id), Read); got != want {
		b.t.Errorf("%s and below read %d bytes, want %d", path, got, want)
	}
}

func TestFirstRequestMakesGroupsDownToTheCgroup(t *testing.T) {
	b := newTestBooks(t, Config{})
	c := b.mkdir("/a/b/c")
	before := b.PoolStats().InUse
	b.do(c, Read, 1)
	b.wantOwn("/a/b/c", 1)
	for _, path := range []string{"/", "/a", "/a/b"} {
		b.wantOwn(path, 0)
		b.wantTree(path, 1)
	}
	if made := b.PoolStats().InUse - before; made != 3 {
		t.Errorf("made %d groups, want 3: the cgroup's and its ancestors'", made)
	}
}

func TestReadingMakesNoGroup(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/idle")
	before := b.PoolStats().InUse
	b.Own(o.id)
	b.Tree(o.id)
	b.OwnSinceReset(o.id)
	b.Reset(o.id)
	b.Removed()
	b.Mounts()
	b.CountOp(b.dev, Caller{Opener: &o}, OpLookup, false)
	if s := b.PoolStats(); s.InUse != before {
		t.Errorf("%d groups made by reading", s.InUse-before)
	}
}

func TestEmptyPoolChargesClosestAncestor(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 3, PoolMax: 3})
	leaf, other := b.mkdir("/a/b/c/d"), b.mkdir("/x")
	b.do(leaf, Read, 5) // /a, /a/b and /a/b/c take all there is
	b.wantOwn("/a/b/c", 5)
	b.wantOwn("/a/b/c/d", 0)
	b.do(other, Read, 7)
	b.wantOwn("/", 7)
	b.wantTree("/", 12)
	if m := b.PoolStats().Misses; m != 2 {
		t.Errorf("%d misses, want 2", m)
	}
}

func TestCgroupGetsItsGroupOnceThereAreBlocksAgain(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 1, PoolMax: 4})
	resume := b.StallRefill()
	o, p := b.mkdir("/o"), b.mkdir("/p")
	b.do(o, Read, 1) // the one block there is
	b.do(p, Read, 2)
	b.wantOwn("/p", 0)
	b.wantOwn("/", 2)
	resume()
	waitFor(t, func() bool { return b.PoolStats().Free > 0 })
	b.do(p, Read, 4)
	b.wantOwn("/p", 4)
	b.wantTree("/", 7)
}

func TestConcurrentFirstRequestsMakeOneGroup(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 512})
	for range 50 {
		o := b.mkdir(t.TempDir()) // any new name
		before := b.PoolStats().InUse
		b.do(b.owner(filepath.Dir(o.path)), Read, 0)
		parents := b.PoolStats().InUse - before
		var wg sync.WaitGroup
		start := make(chan struct{})
		for i := range 8 {
			wg.Go(func() {
				<-start
				r := b.begin(o, Read, uint32(i))
				r.End(10, false)
			})
		}
		close(start)
		wg.Wait()
		b.wantOwn(o.path, 80)
		if n := b.PoolStats().InUse - before - parents; n != 1 {
			t.Fatalf("%d groups for one cgroup", n)
		}
	}
}

func TestErrorsAreNotBytes(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	r := b.begin(o, Write, 0)
	r.End(0, true)
	c := b.Own(o.id)[0].Counters
	if c.Errors[Write] != 1 || c.Requests.Total() != 0 || c.Bytes.Total() != 0 || c.InFlight != 0 || c.HasIO() {
		t.Errorf("after a failed write: %+v", c)
	}
}

func TestSyncAndAsyncAsTheKernelSplitsThem(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	for _, x := range []struct {
		dir  Direction
		sync bool
		n    int
	}{{Read, false, 1}, {Write, true, 10}, {Write, false, 100}, {Discard, false, 1000}} {
		r, err := b.Begin(b.dev, Caller{Opener: &o, Flush: true}, x.dir, x.sync, x.n, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.End(x.n, false)
	}
	c := b.Own(o.id)[0].Counters
	if c.Bytes.Sync != 11 || c.Bytes.Async() != 1100 || c.Bytes.Total() != 1111 {
		t.Errorf("bytes %+v: sync %d async %d", c.Bytes, c.Bytes.Sync, c.Bytes.Async())
	}
	if c.FlushedBytes != 110 || c.FlushedRequests != 2 {
		t.Errorf("flushed %d bytes in %d requests, want the writes: 110 in 2", c.FlushedBytes, c.FlushedRequests)
	}
}

func TestResetMovesNoHierarchicalFigure(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	b.do(o, Read, 10)
	b.Reset(o.id)
	b.do(o, Read, 3)
	if n := bytesOf(b.OwnSinceReset(o.id), Read); n != 3 {
		t.Errorf("%d bytes since reset, want 3", n)
	}
	b.wantOwn("/a", 13)
	b.wantTree("/", 13)
}

func TestDevicesAreKeptApart(t *testing.T) {
	b := newTestBooks(t, Config{})
	second := b.device(7, 1)
	if again := b.device(7, 1); again != second {
		t.Error("one device number, two devices")
	}
	o := b.mkdir("/a")
	b.do(o, Read, 1)
	r, _ := b.Begin(second, Caller{Opener: &o, Flush: true}, Read, false, 0, nil)
	r.End(2, false)
	stats := b.Own(o.id)
	if len(stats) != 2 || stats[0].Device.String() != "7:1" || stats[0].Bytes.By[Read] != 2 || stats[1].Bytes.By[Read] != 1 {
		t.Errorf("stats: %+v", stats)
	}
}

type policyFunc func(dir Direction, size int, cancel <-chan struct{}) error

func (f policyFunc) Admit(_ uint64, _ DeviceID, dir Direction, size int, cancel <-chan struct{}) error {
	return f(dir, size, cancel)
}

func TestPolicyWaitIsCounted(t *testing.T) {
	gate := make(chan struct{})
	b := newTestBooks(t, Config{Policy: policyFunc(func(_ Direction, _ int, cancel <-chan struct{}) error {
		select {
		case <-gate:
			time.Sleep(2 * time.Millisecond)
			return nil
		case <-cancel:
			return ErrInterrupted
		}
	})})
	o := b.mkdir("/a")
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.do(o, Read, 1)
	}()
	waitFor(t, func() bool { s := b.Own(o.id); return len(s) == 1 && s[0].Queued[Read] == 1 })
	if s := b.Own(o.id)[0]; s.InFlight != 0 {
		t.Errorf("%d in flight while the policy holds the request", s.InFlight)
	}
	close(gate)
	<-done
	if c := b.Own(o.id)[0].Counters; c.WaitTime.By[Read] < uint64(2*time.Millisecond) || c.Queued[Read] != 0 {
		t.Errorf("waited %d ns, queued %d", c.WaitTime.By[Read], c.Queued[Read])
	}
	gate = make(chan struct{})
	cancel := make(chan struct{})
	close(cancel)
	if _, err := b.Begin(b.dev, Caller{Opener: &o, Flush: true}, Read, true, 1, cancel); !errors.Is(err, ErrInterrupted) {
		t.Errorf("error %v, want ErrInterrupted", err)
	}
	if c := b.Own(o.id)[0].Counters; c.Requests.Total() != 1 || c.InFlight != 0 {
		t.Errorf("an interrupted request was counted: %+v", c)
	}
}

func TestLatencyBuckets(t *testing.T) {
	for _, x := range []struct {
		ns     uint64
		bucket int
	}{{0, 0}, {1024, 0}, {1025, 1}, {2048, 1}, {2049, 2}, {1 << 40, 30}, {1<<40 + 1, 31}, {1 << 63, 31}} {
		if got := latencyBucket(x.ns); got != x.bucket {
			t.Errorf("latencyBucket(%d) = %d, want %d", x.ns, got, x.bucket)
		}
		if bound, ok := LatencyBound(latencyBucket(x.ns)); ok && x.ns > uint64(bound) {
			t.Errorf("%d ns in a bucket up to %d", x.ns, bound)
		}
	}
}

func waitFor(t *testing.T, cond func() bool) {
	t.Helper()
	for range 5000 {
		if cond() {
			return
		}
		time.Sleep(time.Millisecond)
	}
	t.Fatal("what the test waited for did not come")
}

func TestSteadyStateDoesNotAllocate(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 256})
	o := b.mkdir("/a/b")
	c := Caller{TID: uint32(os.Getpid()), Opener: &o, Flush: true}
	if n := testing.AllocsPerRun(1000, func() {
		r, _ := b.Begin(b.dev, c, Write, true, 4096, nil)
		r.End(4096, false)
	}); n != 0 {
		t.Errorf("a request allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { b.CountOp(b.dev, c, OpLookup, false) }); n != 0 {
		t.Errorf("an operation allocates %v times", n)
	}
}

func TestMakingAGroupDoesNotAllocate(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 400})
	var owners []Owner
	for i := range 150 {
		owners = append(owners, b.mkdir("/d"+string(rune('a'+i/26))+string(rune('a'+i%26))+"/leaf"))
	}
	i := 0
	if n := testing.AllocsPerRun(len(owners)-1, func() {
		b.do(owners[i], Read, 1)
		i++
	}); n != 0 {
		t.Errorf("making a group and its parent's allocates %v times", n)
	}
	if s := b.PoolStats(); s.InUse != 1+2*len(owners) {
		t.Fatalf("%d groups made, want %d", s.InUse, 1+2*len(owners))
	}
}
