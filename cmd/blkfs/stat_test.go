package main

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"blkfs/cgroupfs"
)

func TestTable(t *testing.T) {
	usages := []cgroupfs.Usage{
		{Cgroup: "/db", ReadBytes: 3 << 30, ReadRequests: 1000, ReadTime: 1000 * 12_345, WriteBytes: 4096, WriteRequests: 1, WriteTime: 2_500_000, WriteErrors: 2},
		{Cgroup: "/ba\x1b[2Jd", WriteBytes: 9999, WriteRequests: 3, WriteTime: 300},
	}
	var b strings.Builder
	if err := writeTable(&b, usages, false); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(`
   READ  READS  READ LATENCY  WRITTEN  WRITES  WRITE LATENCY  ERRORS  CGROUP
  3 GiB   1000       12.3 µs   4096 B       1         2.5 ms       2  /db
    0 B      0             -   9999 B       3         100 ns       0  /ba?[2Jd
  3 GiB   1000       12.3 µs  13.8 KiB      4       625.1 µs       2  total
`, "\n")
	if got := b.String(); fold(got) != fold(want) {
		t.Errorf("table:\n%s\nwant:\n%s", got, want)
	}
	b.Reset()
	if err := writeTable(&b, usages, true); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(b.String(), "3221225472") {
		t.Errorf("exact bytes:\n%s", b.String())
	}
	b.Reset()
	if err := writeTable(&b, nil, false); err != nil || b.String() != "No I/O yet.\n" {
		t.Errorf("empty: %q, %v", b.String(), err)
	}
}

// fold makes runs of blanks one: the widths are text/tabwriter's affair.
func fold(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestJSONHasMeans(t *testing.T) {
	var b strings.Builder
	if err := writeJSON(&b, []cgroupfs.Usage{{Cgroup: "/x", ReadRequests: 2, ReadTime: 10}}); err != nil {
		t.Fatal(err)
	}
	var got []map[string]any
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if got[0]["cgroup"] != "/x" || got[0]["mean_read_ns"] != 5.0 || got[0]["read_time_ns"] != 10.0 {
		t.Errorf("%v", got)
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{
		0: "0 B", 9999: "9999 B", 10000: "9.77 KiB", 1 << 20: "1 MiB", 1023 << 10: "0.999 MiB", 1<<64 - 1: "16 EiB",
	} {
		if got := bytesText(n); got != want {
			t.Errorf("bytesText(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestLatencyText(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "-", 999: "999 ns", 1000: "1.0 µs", 2500 * time.Microsecond: "2.5 ms", 1500 * time.Millisecond: "1.50 s",
	} {
		if got := latencyText(d); got != want {
			t.Errorf("latencyText(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestOrdersPutTheMostFirst(t *testing.T) {
	more := cgroupfs.Usage{Cgroup: "/a", ReadBytes: 2, WriteBytes: 2, ReadRequests: 2, WriteRequests: 2, ReadErrors: 1, ReadTime: 200}
	less := cgroupfs.Usage{Cgroup: "/b", ReadBytes: 1, WriteBytes: 1, ReadRequests: 1, WriteRequests: 1, ReadTime: 1}
	for name, order := range orders {
		if order(more, less) >= 0 {
			t.Errorf("--sort=%s puts the less first", name)
		}
	}
}

func TestMountFlagsAreChecked(t *testing.T) {
	good := mountFlags{cache: "auto", transport: "classic", poolReserve: 1, poolMax: 1, options: []string{`fsname=a\,b "c"`}}
	if _, err := good.check(); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func(*mountFlags){
		"--cache=":        func(f *mountFlags) { f.cache = "some" },
		"--transport=":    func(f *mountFlags) { f.transport = "uring" },
		"--pool-reserve=": func(f *mountFlags) { f.poolReserve = 0 },
		"--pool-max=":     func(f *mountFlags) { f.poolReserve = 10 },
		"nosuch":          func(f *mountFlags) { f.options = []string{"ro", "nosuch"} },
	} {
		bad := good
		change(&bad)
		if _, err := bad.check(); err == nil || !strings.Contains(err.Error(), what) {
			t.Errorf("%s: error %v", what, err)
		}
	}
}
