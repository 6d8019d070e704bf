package cgroupfs

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/containerd/cgroups/v3/cgroup1"
	v1 "github.com/containerd/cgroups/v3/cgroup1/stats"
	"github.com/containerd/cgroups/v3/cgroup2"

	"blkfs/accounting"
)

// export copies a tree of the virtual directory to real files, which readers
// that open paths can parse without a mount.
func export(t *testing.T, c *client, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o755); err != nil {
		t.Fatal(err)
	}
	dirs, files := c.mustLs(from)
	for _, name := range files {
		if name == "blkio.reset_stats" {
			continue
		}
		text := c.mustCat(from + "/" + name)
		if err := os.WriteFile(filepath.Join(to, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range dirs {
		export(t, c, from+"/"+name, filepath.Join(to, name))
	}
}

func containerdBooks(t *testing.T) *client {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker/abc"), richStats())
	return serve(t, b)
}

func TestContainerdReadsBlkio(t *testing.T) {
	dir := t.TempDir()
	export(t, containerdBooks(t), "blkio", filepath.Join(dir, "blkio"))
	blkio := cgroup1.NewBlkio(dir)
	var m v1.Metrics
	if err := blkio.Stat("/docker/abc", &m); err != nil {
		t.Fatal(err)
	}
	s := m.Blkio
	for _, tc := range []struct {
		name    string
		entries []*v1.BlkIOEntry
		op      string
		want    uint64
		lines   int
	}{
		{"bytes", s.IoServiceBytesRecursive, "Write", 8192, 12},
		{"serviced", s.IoServicedRecursive, "Total", 6, 12},
		{"service time", s.IoServiceTimeRecursive, "Read", 1_500_000, 12},
		{"wait time", s.IoWaitTimeRecursive, "Discard", 13, 12},
		{"merged", s.IoMergedRecursive, "Total", 0, 12},
		{"queued", s.IoQueuedRecursive, "Async", 6, 12},
		{"time", s.IoTimeRecursive, "", 4, 2},
		{"sectors", s.SectorsRecursive, "", 25, 2},
	} {
		found := false
		for _, e := range tc.entries {
			if e.Major == 8 && e.Minor == 0 && e.Op == tc.op {
				found = true
				if e.Value != tc.want {
					t.Errorf("%s: %d, want %d", tc.name, e.Value, tc.want)
				}
			}
		}
		if !found || len(tc.entries) != tc.lines {
			t.Errorf("%s: %v", tc.name, tc.entries)
		}
	}
	for _, idle := range []string{"/", "/docker", "/other/secret"} {
		var m v1.Metrics
		if err := blkio.Stat(idle, &m); err != nil || len(m.Blkio.IoServiceBytesRecursive) != 0 {
			t.Errorf("%s, without I/O: %v, %v", idle, m.Blkio, err)
		}
	}
}

func TestContainerdReadsIOStat(t *testing.T) {
	dir := t.TempDir()
	export(t, containerdBooks(t), "unified", dir)
	m, err := cgroup2.Load("/docker/abc", cgroup2.WithMountpoint(dir))
	if err != nil {
		t.Fatal(err)
	}
	metrics, err := m.StatFiltered(cgroup2.StatIO)
	if err != nil {
		t.Fatal(err)
	}
	u := metrics.Io.Usage
	if len(u) != 2 {
		t.Fatalf("got %v", u)
	}
	want := richStats()[0]
	if u[0].Major != 8 || u[0].Minor != 0 ||
		u[0].Rbytes != want.Bytes.By[accounting.Read] || u[0].Wbytes != want.Bytes.By[accounting.Write] ||
		u[0].Rios != want.Requests.By[accounting.Read] || u[0].Wios != want.Requests.By[accounting.Write] {
		t.Errorf("got %v", u[0])
	}
	if u[1].Major != 253 || u[1].Minor != 1 || u[1].Rios != 1 {
		t.Errorf("got %v", u[1])
	}
}
