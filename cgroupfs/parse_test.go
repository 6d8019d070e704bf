package cgroupfs

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"blkfs/accounting"
)

// parseRWStat reads rwstat back as strictly as FORMATS.md defines it.
func parseRWStat(text string) (map[string]accounting.RWStat, error) {
	names := [6]string{"Read", "Write", "Sync", "Async", "Discard", "Total"}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	devices := map[string]accounting.RWStat{}
	var sum uint64
	for ; len(lines) > 1; lines = lines[min(6, len(lines)):] {
		var v [6]uint64
		dev, _, _ := strings.Cut(lines[0], " ")
		for i, name := range names {
			number, ok := strings.CutPrefix(lines[i], dev+" "+name+" ")
			n, err := strconv.ParseUint(number, 10, 64)
			if !ok || err != nil {
				return nil, fmt.Errorf("line %q, want %s of %s", lines[i], name, dev)
			}
			v[i] = n
		}
		if v[5] != v[0]+v[1]+v[4] || v[5] != v[2]+v[3] {
			return nil, fmt.Errorf("%s: %v does not add up", dev, v)
		}
		sum += v[5]
		devices[dev] = accounting.RWStat{By: [3]uint64{v[0], v[1], v[4]}, Sync: v[2]}
	}
	if want := "Total " + strconv.FormatUint(sum, 10); lines[0] != want || !strings.HasSuffix(text, "\n") {
		return nil, fmt.Errorf("ends in %q, want %q", lines[0], want)
	}
	return devices, nil
}

func FuzzRWStat(f *testing.F) {
	f.Add(uint32(8), uint32(0), uint64(4096), uint64(8192), uint64(0), uint64(4096))
	f.Add(uint32(0), ^uint32(0), ^uint64(0), uint64(0), uint64(0), uint64(0))
	f.Add(uint32(0), uint32(42), uint64(0), uint64(0), uint64(0), uint64(0))
	f.Fuzz(func(t *testing.T, major, minor uint32, r, w, d, sync uint64) {
		fig := accounting.RWStat{By: [3]uint64{r, w, d}}
		if r+w < r || fig.Total() < d {
			t.Skip("over 64 bits")
		}
		fig.Sync = min(sync, fig.Total())
		a := accounting.DeviceStat{Device: accounting.DeviceID{Major: major, Minor: minor}}
		a.Bytes = fig
		idle := accounting.DeviceStat{Device: accounting.DeviceID{Major: major, Minor: minor + 1}}
		got, err := parseRWStat(string(rwstat(serviceBytes)(nil, []accounting.DeviceStat{a, idle})))
		if err != nil {
			t.Fatal(err)
		}
		want, there := got[fmt.Sprintf("%d:%d", major, minor)]
		if there != (fig.Total() != 0) || there && want != fig || len(got) > 1 {
			t.Errorf("%+v reads back as %v", fig, got)
		}
	})
}

func FuzzIOStat(f *testing.F) {
	f.Add(uint32(8), uint32(0), uint64(1), uint64(2), uint64(3), uint64(4), uint64(5), uint64(6))
	f.Fuzz(func(t *testing.T, major, minor uint32, rb, wb, db, ri, wi, di uint64) {
		s := accounting.DeviceStat{Device: accounting.DeviceID{Major: major, Minor: minor}}
		s.Bytes.By, s.Requests.By = [3]uint64{rb, wb, db}, [3]uint64{ri, wi, di}
		text := string(appendIOStat(nil, []accounting.DeviceStat{s}))
		if !s.HasIO() {
			if text != "" {
				t.Errorf("without I/O: %q", text)
			}
			return
		}
		want := fmt.Sprintf("%d:%d rbytes=%d wbytes=%d rios=%d wios=%d dbytes=%d dios=%d\n", major, minor, rb, wb, ri, wi, db, di)
		if text != want {
			t.Errorf("got %q, want %q", text, want)
		}
	})
}

// unescape is what readers of mountinfo do.
func unescape(t *testing.T, s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			t.Fatalf("escape in %q: %v", s, err)
		}
		b.WriteByte(byte(n))
		i += 3
	}
	return b.String()
}

func FuzzEscape(f *testing.F) {
	f.Add("/mnt/a b\t\n\\040#")
	f.Add("")
	f.Fuzz(func(t *testing.T, s string) {
		got := string(appendEscaped(nil, s))
		if s == "" {
			s = "none"
		}
		if strings.ContainsAny(got, " \t\n#") || got == "" || unescape(t, got) != s {
			t.Errorf("%q becomes %q", s, got)
		}
	})
}
