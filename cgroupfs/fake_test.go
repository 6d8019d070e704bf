package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"blkfs/accounting"
	"blkfs/pool"
)

// The callers that fakeBooks knows.
const (
	hostTID   = 100 // the host view
	dockerTID = 200 // a container: sees from /docker
	siblingID = 300 // another container: sees from /other
	goneTID   = 999 // cannot be told
)

// fakeBooks is Books in memory over a directory that stands for cgroupfs.
type fakeBooks struct {
	root string

	mu    sync.Mutex // guards what follows
	own   map[uint64][]accounting.DeviceStat
	since map[uint64][]accounting.DeviceStat
	tree  map[uint64][]accounting.DeviceStat
	reset []uint64
	views map[uint32]accounting.View

	removed []accounting.Removed
	mounts  []accounting.Mount
	pool    pool.Stats
}

// newFakeBooks makes the cgroups /, /docker, /docker/abc, /docker/abc/deep and
// /other/secret.
func newFakeBooks(tb testing.TB) *fakeBooks {
	tb.Helper()
	b := &fakeBooks{
		root:  tb.TempDir(),
		own:   map[uint64][]accounting.DeviceStat{},
		since: map[uint64][]accounting.DeviceStat{},
		tree:  map[uint64][]accounting.DeviceStat{},
		views: map[uint32]accounting.View{
			hostTID:   {Host: true, Root: "/"},
			dockerTID: {Root: "/docker"},
			siblingID: {Root: "/other"},
		},
	}
	for _, dir := range []string{"docker/abc/deep", "other/secret"} {
		if err := os.MkdirAll(filepath.Join(b.root, dir), 0o755); err != nil {
			tb.Fatal(err)
		}
	}
	return b
}

func (b *fakeBooks) id(tb testing.TB, cgroup string) uint64 {
	tb.Helper()
	var st syscall.Stat_t
	if err := syscall.Stat(filepath.Join(b.root, cgroup), &st); err != nil {
		tb.Fatal(err)
	}
	return st.Ino
}

func (b *fakeBooks) get(m map[uint64][]accounting.DeviceStat, id uint64) []accounting.DeviceStat {
	b.mu.Lock()
	defer b.mu.Unlock()
	return m[id]
}

// set gives a cgroup the same figures in all three respects.
func (b *fakeBooks) set(id uint64, stats []accounting.DeviceStat) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.own[id], b.since[id], b.tree[id] = stats, stats, stats
}

func (b *fakeBooks) Own(id uint64) []accounting.DeviceStat           { return b.get(b.own, id) }
func (b *fakeBooks) OwnSinceReset(id uint64) []accounting.DeviceStat { return b.get(b.since, id) }
func (b *fakeBooks) Tree(id uint64) []accounting.DeviceStat          { return b.get(b.tree, id) }

func (b *fakeBooks) Reset(id uint64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reset = append(b.reset, id)
}

func (b *fakeBooks) Removed() []accounting.Removed { return b.removed }
func (b *fakeBooks) Mounts() []accounting.Mount    { return b.mounts }
func (b *fakeBooks) PoolStats() pool.Stats         { return b.pool }
func (b *fakeBooks) CgroupRoot() string            { return b.root }

func (b *fakeBooks) View(tid uint32) (accounting.View, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	v, ok := b.views[tid]
	if !ok {
		return accounting.View{}, errors.New("no such thread")
	}
	return v, nil
}

func (b *fakeBooks) setView(tid uint32, v accounting.View) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.views[tid] = v
}

// traffic makes figures of one device.
func traffic(major, minor uint32, rbytes, wbytes, dbytes uint64) accounting.DeviceStat {
	s := accounting.DeviceStat{Device: accounting.DeviceID{Major: major, Minor: minor}}
	for dir, n := range map[accounting.Direction]uint64{
		accounting.Read: rbytes, accounting.Write: wbytes, accounting.Discard: dbytes,
	} {
		s.Bytes.By[dir] = n
		if n != 0 {
			s.Requests.By[dir] = n/4096 + 1
		}
	}
	s.Bytes.Sync = rbytes
	s.Requests.Sync = s.Requests.By[accounting.Read]
	return s
}
