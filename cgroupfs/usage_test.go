package cgroupfs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// usageDir writes a virtual directory of three cgroups: /, /a and /a/b.
func usageDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for path, text := range map[string]string{
		"/blkio.io_service_bytes_recursive": "8:0 Read 100\n8:0 Write 50\n8:0 Discard 8\n8:0 Total 158\n7:1 Read 1\nTotal 159\n",
		"/blkio.io_serviced_recursive":      "8:0 Read 10\n8:0 Write 5\nTotal 15\n",
		"/blkio.io_service_time_recursive":  "8:0 Read 1000\n8:0 Write 900\nTotal 1900\n",
		"/blkio.io_service_bytes":           "Total 0\n",
		"/blkio.io_serviced":                "Total 0\n",
		"/blkio.io_service_time":            "Total 0\n",
		"/blkfs.errors":                     "",
		"/../unified/blkfs.errors":          "8:0 read 4\n8:0 write 6\n",
		"/a/blkio.io_service_bytes":         "8:0 Read 60\n8:0 Write 10\n7:1 Read 1\nTotal 71\n",
		"/a/blkio.io_serviced":              "8:0 Read 6\n8:0 Write 1\n7:1 Read 0\nTotal 7\n",
		"/a/blkio.io_service_time":          "8:0 Read 600\n8:0 Write 100\nTotal 700\n",
		"/a/blkfs.errors":                   "8:0 read 3\n8:0 write 4\n7:1 read 1\n7:1 write 0\n",
		"/a/b/blkio.io_service_bytes":       "8:0 Read 30\nTotal 30\n",
		"/a/b/blkio.io_serviced":            "8:0 Read 3\nTotal 3\n",
		"/a/b/blkio.io_service_time":        "8:0 Read 300\nTotal 300\n",
		"/a/b/blkfs.errors":                 "",
	} {
		file := filepath.Join(dir, "blkio", path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestReadUsage(t *testing.T) {
	got, err := ReadUsage(usageDir(t), "/")
	if err != nil {
		t.Fatal(err)
	}
	want := []Usage{
		{Cgroup: "/"},
		{Cgroup: "/a", ReadBytes: 61, WriteBytes: 10, ReadRequests: 6, WriteRequests: 1, ReadErrors: 4, WriteErrors: 4, ReadTime: 600, WriteTime: 100},
		{Cgroup: "/a/b", ReadBytes: 30, ReadRequests: 3, ReadTime: 300},
		{Cgroup: PastName, ReadBytes: 10, WriteBytes: 40, DiscardBytes: 8, ReadRequests: 1, WriteRequests: 4, WriteErrors: 2, ReadTime: 100, WriteTime: 800},
	}
	if len(got) != len(want) {
		t.Fatalf("%d lines, want %d: %+v", len(got), len(want), got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("line %d: %+v\nwant %+v", i, got[i], want[i])
		}
	}
	if m := got[1].MeanRead(); m != 100 {
		t.Errorf("mean read %v, want 100ns", m)
	}
	if !got[0].Idle() || got[1].Idle() || got[0].MeanWrite() != 0 {
		t.Error("idle is what has nothing to tell")
	}
}

func TestReadUsageBadFigures(t *testing.T) {
	dir := usageDir(t)
	file := filepath.Join(dir, "blkio/a/blkio.io_serviced")
	if err := os.WriteFile(file, []byte("8:0 Read -5\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadUsage(dir, "/"); err == nil || !strings.Contains(err.Error(), "8:0 Read -5") {
		t.Errorf("error %v, want one with the text", err)
	}
	if _, err := ReadUsage(dir, "/none"); !os.IsNotExist(err) {
		t.Errorf("error %v for a cgroup that is not there", err)
	}
}
