package cgroupfs

import (
	"strings"
	"testing"
	"time"

	"blkfs/accounting"
	"blkfs/pool"
)

// richStats has something for every file: 8:0 with all of it, 8:16 without I/O
// but an error, 253:1 with one read of 0 bytes.
func richStats() []accounting.DeviceStat {
	sda := traffic(8, 0, 4096, 8192, 512)
	sda.ServiceTime = accounting.RWStat{By: [3]uint64{1_500_000, 2_600_000, 10}, Sync: 1_500_000}
	sda.WaitTime = accounting.RWStat{By: [3]uint64{7, 11, 13}, Sync: 9}
	sda.Queued = [3]uint64{1, 2, 4}
	sda.Errors = [3]uint64{3, 5, 7}
	sda.FlushedBytes, sda.FlushedRequests = 8000, 2
	sda.Latency[accounting.Read][0] = 1
	sda.Latency[accounting.Write][30] = 2
	sda.Latency[accounting.Write][31] = 3
	sda.Ops[accounting.OpLookup] = accounting.OpCount{Count: 9, Errors: 2}
	sda.Ops[accounting.OpRemovexattr] = accounting.OpCount{Count: 1}

	idle := accounting.DeviceStat{Device: accounting.DeviceID{Major: 8, Minor: 16}}
	idle.Errors[accounting.Read] = 1

	eof := accounting.DeviceStat{Device: accounting.DeviceID{Major: 253, Minor: 1}}
	eof.Requests = accounting.RWStat{By: [3]uint64{1}, Sync: 1}
	return []accounting.DeviceStat{sda, idle, eof}
}

// rwstatText writes out rwstat for 8:0 and 253:1, in the order of the format.
func rwstatText(sda, eof [6]string, total string) string {
	var b strings.Builder
	names := [6]string{"Read", "Write", "Sync", "Async", "Discard", "Total"}
	for i, n := range names {
		b.WriteString("8:0 " + n + " " + sda[i] + "\n")
	}
	for i, n := range names {
		b.WriteString("253:1 " + n + " " + eof[i] + "\n")
	}
	return b.String() + "Total " + total + "\n"
}

func wantTexts() map[string]string {
	zero := [6]string{"0", "0", "0", "0", "0", "0"}
	one := [6]string{"1", "0", "1", "0", "0", "1"}
	bytes := rwstatText([6]string{"4096", "8192", "4096", "8704", "512", "12800"}, zero, "12800")
	serviced := rwstatText([6]string{"2", "3", "2", "4", "1", "6"}, one, "7")
	return map[string]string{
		"blkio.throttle.io_service_bytes": bytes,
		"blkio.throttle.io_serviced":      serviced,
		"blkio.io_service_bytes":          bytes,
		"blkio.io_serviced":               serviced,
		"blkio.io_service_time":           rwstatText([6]string{"1500000", "2600000", "1500000", "2600010", "10", "4100010"}, zero, "4100010"),
		"blkio.io_wait_time":              rwstatText([6]string{"7", "11", "9", "22", "13", "31"}, zero, "31"),
		"blkio.io_merged":                 rwstatText(zero, zero, "0"),
		"blkio.io_queued":                 rwstatText([6]string{"1", "2", "1", "6", "4", "7"}, zero, "7"),
		"blkio.time":                      "8:0 4\n253:1 0\n",
		"blkio.sectors":                   "8:0 25\n253:1 0\n",
		"io.stat": "8:0 rbytes=4096 wbytes=8192 rios=2 wios=3 dbytes=512 dios=1\n" +
			"253:1 rbytes=0 wbytes=0 rios=1 wios=0 dbytes=0 dios=0\n",
		"blkfs.errors":  "8:0 read 3\n8:0 write 12\n8:16 read 1\n8:16 write 0\n253:1 read 0\n253:1 write 0\n",
		"blkfs.flushed": "8:0 8000 2\n",
		"blkfs.ops":     "8:0 lookup 9 2\n8:0 removexattr 1 0\n",
	}
}

func TestFormats(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker"), richStats())
	c := serve(t, b)
	want := wantTexts()
	for _, tr := range []struct {
		name  string
		files table
	}{{"blkio", blkioFiles()}, {"unified", unifiedFiles()}} {
		for _, f := range tr.files {
			if f.render == nil || f.name == "blkfs.latency" {
				continue
			}
			text, ok := want[strings.TrimSuffix(f.name, "_recursive")]
			if !ok {
				t.Errorf("%s/%s: no text to compare with", tr.name, f.name)
			}
			if got := c.mustCat(tr.name + "/docker/" + f.name); got != text {
				t.Errorf("%s/%s:\n got %q\nwant %q", tr.name, f.name, got, text)
			}
		}
	}
}

// The example in FORMATS.md, to the byte.
func TestRWStatExample(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker/abc"), []accounting.DeviceStat{traffic(8, 0, 4096, 8192, 0)})
	const want = "8:0 Read 4096\n8:0 Write 8192\n8:0 Sync 4096\n8:0 Async 8192\n8:0 Discard 0\n8:0 Total 12288\nTotal 12288\n"
	if got := serve(t, b).mustCat("blkio/docker/abc/blkio.throttle.io_service_bytes"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestNoIO(t *testing.T) {
	b := newFakeBooks(t)
	idle := []accounting.DeviceStat{{Device: accounting.DeviceID{Major: 8}}} // a group, no I/O
	b.set(b.id(t, "other"), idle)
	c := serve(t, b)
	for _, cgroup := range []string{"", "docker/", "other/"} {
		for _, tr := range []string{"blkio", "unified"} {
			_, files := c.mustLs(tr + "/" + cgroup)
			for _, name := range files {
				want := ""
				base := strings.TrimSuffix(name, "_recursive")
				switch {
				case base == "blkio.reset_stats", base == "blkfs.errors" && cgroup == "other/":
					continue
				case strings.Contains(base, ".io_"):
					want = "Total 0\n"
				}
				if got := c.mustCat(tr + "/" + cgroup + name); got != want {
					t.Errorf("%s/%s%s: got %q, want %q", tr, cgroup, name, got, want)
				}
			}
		}
	}
}

// A request that waits shows in io_queued before anything has been served.
func TestQueuedBeforeFirstIO(t *testing.T) {
	b := newFakeBooks(t)
	s := accounting.DeviceStat{Device: accounting.DeviceID{Major: 8}}
	s.Queued[accounting.Write] = 2
	b.set(b.id(t, "docker"), []accounting.DeviceStat{s})
	c := serve(t, b)
	const want = "8:0 Read 0\n8:0 Write 2\n8:0 Sync 0\n8:0 Async 2\n8:0 Discard 0\n8:0 Total 2\nTotal 2\n"
	if got := c.mustCat("blkio/docker/blkio.io_queued"); got != want {
		t.Errorf("io_queued: got %q, want %q", got, want)
	}
	if got := c.mustCat("blkio/docker/blkio.io_serviced"); got != "Total 0\n" {
		t.Errorf("io_serviced: got %q", got)
	}
}

func TestLatency(t *testing.T) {
	got := strings.Split(string(appendLatency(nil, richStats())), "\n")
	if len(got) != 2*accounting.LatencyBuckets+1 {
		t.Fatalf("%d lines, want one per direction and bucket of 8:0 alone", len(got)-1)
	}
	for line, want := range map[int]string{
		0:  "8:0 read 1024 1",
		1:  "8:0 read 2048 1",
		31: "8:0 read +Inf 1",
		32: "8:0 write 1024 0",
		61: "8:0 write 549755813888 0",
		62: "8:0 write 1099511627776 2",
		63: "8:0 write +Inf 5",
		64: "",
	} {
		if got[line] != want {
			t.Errorf("line %d: got %q, want %q", line, got[line], want)
		}
	}
}

func TestHostFiles(t *testing.T) {
	b := newFakeBooks(t)
	b.pool = pool.Stats{Reserve: 1, Free: 2, InUse: 3, Max: 4, Misses: 5, Refills: 6, Bytes: 7, CPUs: 8}
	b.mounts = []accounting.Mount{
		{Device: accounting.DeviceID{Major: 8, Minor: 1}, FSType: "ext4", Source: "/dev/sda1", Path: "/a b\tc\nd\\e#f"},
		{Device: accounting.DeviceID{Minor: 42}, FSType: "fuse.x y", Source: "", Path: "/mnt/é"},
	}
	r := accounting.Removed{Path: "/docker/x y", ID: 77, Time: time.Unix(1700000000, 999)}
	r.Device, r.Counters = accounting.DeviceID{Major: 8}, traffic(8, 0, 4096, 0, 0).Counters
	b.removed = []accounting.Removed{r, {Path: "/z", ID: 78, Time: time.Unix(1700000001, 0)}}
	c := serve(t, b)
	c.raw = New(Config{Books: b, Version: func() []KeyValue {
		return []KeyValue{{"version", "1.2"}, {"engine", "daemon"}, {"source", "/a\nb"}}
	}})
	for name, want := range map[string]string{
		"pool": "reserve 1\nfree 2\nin_use 3\nmax 4\nmisses 5\nrefills 6\nbytes 7\ncpus 8\n",
		"devices": `8:1 ext4 /dev/sda1 /a\040b\011c\012d\134e\043f` + "\n" +
			`0:42 fuse.x\040y none /mnt/é` + "\n",
		"removed": `/docker/x\040y 77 1700000000 8:0 rbytes=4096 wbytes=0 rios=2 wios=0 dbytes=0 dios=0` + "\n" +
			"/z 78 1700000001 0:0 rbytes=0 wbytes=0 rios=0 wios=0 dbytes=0 dios=0\n",
		"version": "version 1.2\nengine daemon\nsource /a\\012b\n",
	} {
		if got := c.mustCat(name); got != want {
			t.Errorf("%s:\n got %q\nwant %q", name, got, want)
		}
	}
	if got := serve(t, b).mustCat("version"); got != "" {
		t.Errorf("version without lines: %q", got)
	}
}
