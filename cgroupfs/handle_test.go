package cgroupfs

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestShortReadsSeeOneRendering(t *testing.T) {
	b := newFakeBooks(t)
	id := b.id(t, "docker")
	b.set(id, richStats())
	c := serve(t, b)
	const path = "blkio/docker/blkio.throttle.io_service_bytes"
	want := c.mustCat(path)
	for _, size := range []int{1, 2, 3, 7, 64, len(want) - 1, len(want), len(want) + 1, 1 << 16} {
		b.set(id, richStats())
		f := c.mustOpen(path, syscall.O_RDONLY)
		var got string
		for {
			part, errno := c.pread(f, size, len(got))
			if errno != 0 {
				t.Fatal(errno)
			}
			if part == "" {
				break
			}
			got += part
			b.set(id, nil) // the rendering under way must not see this
		}
		if got != want {
			t.Errorf("by %d bytes: %q", size, got)
		}
		if text, _ := c.pread(f, 100, 0); text != "Total 0\n" {
			t.Errorf("by %d bytes: a read from the start is not anew: %q", size, text)
		}
	}
}

func TestReadAtEveryOffset(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker"), richStats())
	c := serve(t, b)
	const path = "unified/docker/io.stat"
	want := c.mustCat(path)
	for off := range len(want) + 3 {
		f := c.mustOpen(path, syscall.O_RDONLY) // the first read is the one at off
		got, errno := c.pread(f, 10, off)
		if errno != 0 || got != want[min(off, len(want)):min(off+10, len(want))] {
			t.Errorf("at %d: %q, %v", off, got, errno)
		}
	}
	f := c.mustOpen(path, syscall.O_RDONLY)
	if got, errno := c.pread(f, 10, 1<<62); errno != 0 || got != "" {
		t.Errorf("far off: %q, %v", got, errno)
	}
}

func TestListingIsFreshAfterRewind(t *testing.T) {
	b := newFakeBooks(t)
	c := serve(t, b)
	d, _ := c.opendir("unified")
	first, _ := c.getdents(d, 8192, 0)
	if err := os.Mkdir(filepath.Join(b.root, "new"), 0o755); err != nil {
		t.Fatal(err)
	}
	again, errno := c.getdents(d, 8192, 0)
	if errno != 0 || len(again) != len(first)+1 {
		t.Errorf("%d entries, then %d, %v", len(first), len(again), errno)
	}
	if _, errno := c.getdents(d, 8192, 1000); errno != syscall.EINVAL {
		t.Errorf("seek past the end: %v", errno)
	}
}

func TestManyCgroupsAreListedOnceEach(t *testing.T) {
	b := newFakeBooks(t)
	want := []string{}
	for i := range 300 {
		name := fmt.Sprintf("c%03d", i)
		want = append(want, name)
		if err := os.Mkdir(filepath.Join(b.root, "docker/abc", name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := serve(t, b).mustLs("blkio/docker/abc")
	slices.Sort(got)
	if !slices.Equal(got, append(want, "deep")) {
		t.Errorf("%d names: %q", len(got), got)
	}
}

// For the race detector: everything at once, with cgroups coming and going.
func TestConcurrentUse(t *testing.T) {
	b := newFakeBooks(t)
	id := b.id(t, "docker/abc")
	b.set(id, richStats())
	host := serve(t, b)
	shared := host.mustOpen("unified/docker/abc/io.stat", syscall.O_RDONLY)
	dir := filepath.Join(b.root, "docker/abc/comes-and-goes")
	var wg sync.WaitGroup
	for w := range 8 {
		wg.Go(func() {
			c := host
			if w%2 == 1 {
				c = host.as(dockerTID)
			}
			for i := range 50 {
				_ = os.Mkdir(dir, 0o755) // another may have been first, here and below
				_, _ = c.ls("unified/docker/abc")
				_, _ = c.ls("blkio/abc")
				_, _ = c.cat("unified/abc/comes-and-goes/io.stat")
				_ = os.Remove(dir)
				if text, errno := host.pread(shared, 40, 0); errno != 0 || !strings.HasPrefix(text, "8:0 rbytes=4096 ") {
					t.Errorf("got %q, %v", text, errno)
				}
				b.set(id, richStats()[:1+i%2])
			}
		})
	}
	wg.Wait()
}

func BenchmarkReadRWStat(b *testing.B) {
	books := newFakeBooks(b)
	books.set(books.id(b, "docker"), richStats())
	c := serve(b, books)
	f := c.mustOpen("blkio/docker/blkio.throttle.io_service_bytes", syscall.O_RDONLY)
	b.ReportAllocs()
	for b.Loop() {
		if _, errno := c.pread(f, 4096, 0); errno != 0 {
			b.Fatal(errno)
		}
	}
}

// A READ without a lock owner would fill the page cache, which all views share.
func TestReadForThePageCacheIsRefused(t *testing.T) {
	c := serve(t, newFakeBooks(t))
	f, errno := c.open("pool", 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	in := fuse.ReadIn{InHeader: c.header(f.node), Fh: f.fh, Size: 4096}
	if _, status := c.raw.Read(nil, &in, make([]byte, 4096)); status != fuse.EINVAL {
		t.Errorf("status %v, want EINVAL", status)
	}
}
