package integration

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/containerd/cgroups/v3/cgroup1"
	statsv1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/containerd/cgroups/v3/cgroup2"

	"blkfs/accounting"
	"blkfs/fs"
)

// Two cgroups at once, on each hierarchy: to the byte and the request, in both
// trees, and for containerd's readers.
func TestEachCgroupIsChargedWhatItDid(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		a, b := newCgroup(t), newCgroup(t)
		wa, wb := a.start(), b.start()
		for i := range 3 {
			wa.must(order{Do: "write", Path: filepath.Join(m.dir, "a"), Bytes: 40960, Chunk: 4096})
			wb.must(order{Do: "write", Path: filepath.Join(m.dir, "b"), Bytes: 1000, Chunk: 10})
			wb.must(order{Do: "read", Path: filepath.Join(m.dir, "a"), Bytes: 8192, Chunk: 512 << i})
		}
		for _, x := range []struct {
			name string
			c    *cgroup
			want ioStat
		}{
			{"a", a, ioStat{wbytes: 3 * 40960, wios: 30}},
			{"b", b, ioStat{wbytes: 3000, wios: 300, rbytes: 3 * 8192, rios: 16 + 8 + 4}},
		} {
			if got := m.v1Stat(t, x.c.path); got != x.want {
				t.Errorf("%s: v1 tree says %+v, want %+v", x.name, got, x.want)
			}
			if got := readV1(t, m.stats, x.c.path, "_recursive"); got != x.want {
				t.Errorf("%s: v1 tree, recursive, says %+v, want %+v", x.name, got, x.want)
			}
			if got := readV2(t, m.stats, x.c.path); got != x.want {
				t.Errorf("%s: v2 tree says %+v, want %+v", x.name, got, x.want)
			}
			checkContainerd(t, m, x.c.path, x.want)
		}
	})
}

// checkContainerd reads with the parsers of containerd/cgroups.
func checkContainerd(t *testing.T, m *mounted, path string, want ioStat) {
	t.Helper()
	var v1 statsv1.Metrics
	if err := cgroup1.NewBlkio(m.stats).Stat(path, &v1); err != nil {
		t.Fatal("containerd's reader of v1: ", err)
	}
	var got ioStat
	for _, e := range v1.Blkio.IoServiceBytesRecursive {
		switch e.Op {
		case "Read":
			got.rbytes += e.Value
		case "Write":
			got.wbytes += e.Value
		}
	}
	for _, e := range v1.Blkio.IoServicedRecursive {
		switch e.Op {
		case "Read":
			got.rios += e.Value
		case "Write":
			got.wios += e.Value
		}
	}
	if got != want {
		t.Errorf("containerd's reader of v1 says %+v, want %+v", got, want)
	}

	manager, err := cgroup2.Load(path, cgroup2.WithMountpoint(filepath.Join(m.stats, "unified")))
	if err != nil {
		t.Fatal("containerd's reader of v2: ", err)
	}
	v2, err := manager.Stat()
	if err != nil {
		t.Fatal("containerd's reader of v2: ", err)
	}
	got = ioStat{}
	for _, e := range v2.GetIo().GetUsage() {
		got.rbytes += e.Rbytes
		got.wbytes += e.Wbytes
		got.rios += e.Rios
		got.wios += e.Wios
	}
	if got != want {
		t.Errorf("containerd's reader of v2 says %+v, want %+v", got, want)
	}
}

// I1: whoever reads stat files gets no group for it, and neither do those read about.
func TestReadingStatFilesMakesNoGroup(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		parent := newCgroup(t)
		idle := 500
		if hierarchy == "v2" && cgroupRoots()["v1"] != "" {
			idle = 50 // the same code as for v1, which had its 500
		}
		for i := range idle {
			parent.child("idle" + string(rune('a'+i/26)) + string(rune('a'+i%26)))
		}
		before := m.books.PoolStats()
		files := 0
		read := func(path string) {
			t.Helper()
			readFile(t, path)
			files++
		}
		for _, name := range []string{"pool", "devices", "version", "removed"} {
			read(filepath.Join(m.stats, name))
		}
		for _, tree := range []string{"blkio", "unified"} {
			for _, top := range []string{"/", parent.path} {
				err := filepath.WalkDir(filepath.Join(m.stats, tree, top), func(path string, d os.DirEntry, err error) error {
					switch {
					case err != nil:
						return err
					case d.IsDir() && top == "/" && path != filepath.Join(m.stats, tree):
						return filepath.SkipDir // other tests' cgroups come and go
					case !d.IsDir() && d.Name() != "blkio.reset_stats":
						read(path)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		if files < idle*25 { // 23 in the tree of v1, 5 in that of v2
			t.Errorf("only %d files read", files)
		}
		if after := m.books.PoolStats(); after != before {
			t.Errorf("reading %d files changed the pool from %+v to %+v", files, before, after)
		}
		if got := readFile(t, m.stats, "blkio", parent.path, "blkio.throttle.io_service_bytes"); got != "Total 0\n" {
			t.Errorf("an idle cgroup reads as %q", got)
		}
		if got := readFile(t, m.stats, "unified", parent.path, "io.stat"); got != "" {
			t.Errorf("an idle cgroup's io.stat reads as %q", got)
		}
	})
}

// I3: there is no moment in which a group exists and does not count.
func TestTheFirstRequestCountsInFull(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		writeFile(t, filepath.Join(m.source, "f"), "x")
		c := newCgroup(t)
		c.start().must(order{Do: "read", Path: filepath.Join(m.dir, "f"), Bytes: 1})
		want := ioStat{rbytes: 1, rios: 1}
		if got := m.v1Stat(t, c.path); got != want {
			t.Errorf("v1 tree: %+v, want %+v", got, want)
		}
		if got := readV2(t, m.stats, c.path); got != want {
			t.Errorf("v2 tree: %+v, want %+v", got, want)
		}
	})
}

// I2, I4, I6: cgroups come faster than blocks.
func TestMoreCgroupsThanBlocks(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		const reserve, cgroups, each = 8, 1000, 100
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{
			Hierarchy: accounting.Hierarchy(hierarchy), PoolReserve: reserve, PoolMax: 2 * cgroups,
		}})
		writeFile(t, filepath.Join(m.source, "f"), string(make([]byte, each)))
		parent := newCgroup(t)
		var all []*cgroup
		for i := range cgroups {
			all = append(all, parent.child("c"+string(rune('a'+i/26/26))+string(rune('a'+i/26%26))+string(rune('a'+i%26))))
		}
		w := startWorker(t)
		goRound := func() {
			for _, c := range all {
				w.must(order{Do: "join", Path: cgroupRoots()[hierarchy] + c.path})
				w.must(order{Do: "read", Path: filepath.Join(m.dir, "f"), Bytes: each})
			}
		}
		resume := m.books.StallRefill()
		goRound()
		// The parent and seven of its children got the eight blocks.
		if misses := poolFigure(t, m.stats, "misses"); misses != cgroups-reserve+1 {
			t.Errorf("%d misses, want %d", misses, cgroups-reserve+1)
		}
		want := ioStat{rbytes: cgroups * each, rios: cgroups}
		if got := readV2(t, m.stats, parent.path); got != want {
			t.Errorf("with an empty pool: parent and below %+v, want %+v", got, want)
		}
		if got := m.v1Stat(t, parent.path); got.rios != cgroups-reserve+1 {
			t.Errorf("the parent was charged %d requests for its children, want %d", got.rios, cgroups-reserve+1)
		}
		resume()
		waitFor(t, "the refill", func() bool { return poolFigure(t, m.stats, "free") >= reserve })
		misses := poolFigure(t, m.stats, "misses")
		goRound()
		missed := poolFigure(t, m.stats, "misses") - misses
		want = ioStat{rbytes: 2 * cgroups * each, rios: 2 * cgroups}
		if got := readV2(t, m.stats, parent.path); got != want {
			t.Errorf("in all: parent and below %+v, want %+v", got, want)
		}
		without := uint64(0)
		for _, c := range all {
			if m.v1Stat(t, c.path).rios == 0 {
				without++
			}
		}
		// One worker does not outpace the refill; should it, each miss is one without.
		if without > missed {
			t.Errorf("%d cgroups without a group of their own, %d misses", without, missed)
		}
		// Out of the cgroups, so that they can be removed.
		w.must(order{Do: "join", Path: cgroupRoots()[hierarchy]})
		w.stop()
	})
}

func TestRemovedCgroupStandsInRemoved(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		parent := newCgroup(t)
		c := parent.child("gone")
		w := c.start()
		w.must(order{Do: "write", Path: filepath.Join(m.dir, "f"), Bytes: 5000, Chunk: 500})
		used := poolFigure(t, m.stats, "in_use")
		w.stop()
		c.remove()
		want := ioStat{wbytes: 5000, wios: 10}
		waitFor(t, "the cgroup in removed", func() bool { return len(readFile(t, m.stats, "removed")) > 0 })
		t.Log(readFile(t, m.stats, "removed"))
		if got := readV2(t, m.stats, parent.path); got != want {
			t.Errorf("the parent inherited %+v, want %+v", got, want)
		}
		if got := m.v1Stat(t, parent.path); got != (ioStat{}) {
			t.Errorf("the parent alone did %+v", got)
		}
		if now := poolFigure(t, m.stats, "in_use"); now != used-1 {
			t.Errorf("%d blocks in use, want %d", now, used-1)
		}
	})
}

// Errors reach the caller as the source says them, and are counted as such.
func TestErrorsOfTheSource(t *testing.T) {
	m := mount(t, mountConfig{cache: fs.CacheNone, source: tmpfs(t, "size=64k")})
	c := newCgroup(t)
	w := c.start()
	a := w.do(order{Do: "write", Path: filepath.Join(m.dir, "f"), Bytes: 1 << 20, Chunk: 4096})
	if a.Errno != syscall.ENOSPC || a.Bytes == 0 {
		t.Errorf("filling the source: %+v, want ENOSPC after some bytes", a)
	}
	got := m.v1Stat(t, c.path)
	if got.wbytes != uint64(a.Bytes) || got.wios != uint64(a.Bytes/4096) {
		t.Errorf("counted %+v, the worker wrote %d bytes", got, a.Bytes)
	}
	if errors := readFile(t, m.stats, "blkio", c.path, "blkfs.errors"); sumLine(t, errors, "write") != 1 {
		t.Errorf("blkfs.errors: %q, want one failed write", errors)
	}
	w.must(order{Do: "read", Path: filepath.Join(m.dir, "f"), Bytes: a.Bytes, Chunk: 4096}) // nothing else stops
}

// sumLine adds up lines of MAJ:MIN KEY N.
func sumLine(t *testing.T, text, key string) uint64 {
	t.Helper()
	return parseRWStat(t, text).sum(key)
}
