package cgroupfs

import (
	"slices"
	"strings"
	"testing"

	"blkfs/accounting"
)

// The names of FORMATS.md, statistics only.
var (
	cfqNames = []string{"io_service_bytes", "io_serviced", "io_service_time", "io_wait_time", "io_merged", "io_queued", "time", "sectors"}
	ownNames = []string{"blkfs.errors", "blkfs.flushed", "blkfs.latency", "blkfs.ops"}
)

func blkioNames() []string {
	names := []string{"blkio.reset_stats"}
	for _, n := range append([]string{"throttle.io_service_bytes", "throttle.io_serviced"}, cfqNames...) {
		names = append(names, "blkio."+n, "blkio."+n+"_recursive")
	}
	return append(names, ownNames...)
}

func TestEveryCgroupHasEveryFile(t *testing.T) {
	c := serve(t, newFakeBooks(t))
	for tr, want := range map[string][]string{
		"blkio":   blkioNames(),
		"unified": append([]string{"io.stat"}, ownNames...),
	} {
		slices.Sort(want)
		for _, cgroup := range []string{"/", "/docker", "/docker/abc/deep"} {
			_, got := c.mustLs(tr + cgroup)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Errorf("%s%s has\n%q, want\n%q", tr, cgroup, got, want)
			}
			for _, name := range want {
				checkFileAttr(t, c, tr+cgroup+"/"+name)
			}
		}
	}
	for _, name := range []string{"pool", "devices", "version", "removed"} {
		checkFileAttr(t, c, name)
	}
}

func checkFileAttr(t *testing.T, c *client, path string) {
	t.Helper()
	e, errno := c.lookup(path)
	if errno != 0 {
		t.Errorf("lookup %s: %v", path, errno)
		return
	}
	mode := uint32(0o100444)
	if strings.HasSuffix(path, "reset_stats") {
		mode = 0o100200
	}
	a, errno := c.getattr(e.NodeId)
	if errno != 0 || a.Mode != mode || a.Size != fileSize || a.Nlink != 1 || a.Uid != 0 || a.Gid != 0 || a != e.Attr {
		t.Errorf("%s: %v, %+v, on lookup %+v", path, errno, a, e.Attr)
	}
	if e.EntryTimeout() != 0 || e.AttrTimeout() != 0 {
		t.Errorf("%s: may be cached", path)
	}
}

// Which figures a file shows: the cgroup's own since the reset (2), its own (1),
// or those of the tree below it (3).
func TestSources(t *testing.T) {
	b := newFakeBooks(t)
	id := b.id(t, "docker")
	figures := func(n uint64) []accounting.DeviceStat {
		s := traffic(8, 0, 512*n, 0, 0)
		s.FlushedBytes = n
		return []accounting.DeviceStat{s}
	}
	b.own[id], b.since[id], b.tree[id] = figures(1), figures(2), figures(3)
	c := serve(t, b)
	for path, want := range map[string]string{
		"blkio/docker/blkio.throttle.io_service_bytes":           "8:0 Read 1024\n",
		"blkio/docker/blkio.throttle.io_service_bytes_recursive": "8:0 Read 1536\n",
		"blkio/docker/blkio.io_service_bytes":                    "8:0 Read 1024\n",
		"blkio/docker/blkio.io_service_bytes_recursive":          "8:0 Read 1536\n",
		"blkio/docker/blkio.sectors":                             "8:0 2\n",
		"blkio/docker/blkio.sectors_recursive":                   "8:0 3\n",
		"blkio/docker/blkfs.flushed":                             "8:0 1 0\n",
		"unified/docker/blkfs.flushed":                           "8:0 3 0\n",
		"unified/docker/io.stat":                                 "8:0 rbytes=1536 ",
	} {
		if got := c.mustCat(path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %q, want %q…", path, got, want)
		}
	}
}
