package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cgroupRoots are the hierarchies of this host that blkfs can count by.
func cgroupRoots() map[string]string {
	roots := make(map[string]string)
	var st unix.Statfs_t
	for _, dir := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/unified"} {
		if unix.Statfs(dir, &st) == nil && st.Type == unix.CGROUP2_SUPER_MAGIC {
			roots["v2"] = dir
		}
	}
	if unix.Statfs("/sys/fs/cgroup/blkio", &st) == nil && st.Type == unix.CGROUP_SUPER_MAGIC {
		roots["v1"] = "/sys/fs/cgroup/blkio"
	}
	return roots
}

// eachHierarchy runs a test for every hierarchy that the host has.
func eachHierarchy(t *testing.T, f func(t *testing.T, hierarchy string)) {
	roots := cgroupRoots()
	need(t, len(roots) > 0, "a cgroup hierarchy")
	for _, h := range []string{"v1", "v2"} {
		if roots[h] != "" {
			t.Run(h, func(t *testing.T) { f(t, h) })
		}
	}
}

// cgroup is a cgroup of the test's own, of the same path in every hierarchy.
type cgroup struct {
	t    testing.TB
	path string // from the root, such as /blkfs-test-12-a
}

var cgroupCount atomic.Int32

// newCgroup makes a cgroup that goes with the test.
func newCgroup(t testing.TB) *cgroup {
	t.Helper()
	name := os.Getenv("BLKFS_RUN") // by which scripts/swept finds what was left
	if name == "" {
		name = fmt.Sprintf("blkfs-test-%d", os.Getpid())
	}
	return makeCgroup(t, fmt.Sprintf("/%s-%d", name, cgroupCount.Add(1)))
}

func (c *cgroup) child(name string) *cgroup {
	c.t.Helper()
	return makeCgroup(c.t, c.path+"/"+name)
}

func makeCgroup(t testing.TB, path string) *cgroup {
	t.Helper()
	c := &cgroup{t: t, path: path}
	for _, root := range cgroupRoots() {
		if err := os.Mkdir(root+path, 0o755); err != nil {
			t.Fatal("make a cgroup: ", err)
		}
	}
	t.Cleanup(c.remove)
	return c
}

// remove removes the cgroup; its processes have ended or are ending.
func (c *cgroup) remove() {
	c.t.Helper()
	for _, root := range cgroupRoots() {
		var err error
		for range 200 {
			err = unix.Rmdir(root + c.path)
			if err == nil || err == unix.ENOENT {
				err = nil
				break
			}
			time.Sleep(10 * time.Millisecond)
		}
		if err != nil {
			c.t.Errorf("remove cgroup %s%s: %v", root, c.path, err)
		}
	}
}

// add moves a process into the cgroup, in every hierarchy.
func (c *cgroup) add(pid int) {
	c.t.Helper()
	for _, root := range cgroupRoots() {
		if err := os.WriteFile(filepath.Join(root+c.path, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil {
			c.t.Fatal("move a process into a cgroup: ", err)
		}
	}
}

// rwstat is a parsed rwstat file: figures by "MAJ:MIN Read" and so on, and "Total".
type rwstat map[string]uint64

func parseRWStat(t testing.TB, text string) rwstat {
	t.Helper()
	s := make(rwstat)
	for line := range strings.Lines(text) {
		key, value, ok := cutLast(strings.TrimSuffix(line, "\n"))
		n, err := strconv.ParseUint(value, 10, 64)
		if !ok || err != nil {
			t.Fatalf("not an rwstat line: %q", line)
		}
		s[key] = n
	}
	return s
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndexByte(s, ' ')
	if i < 0 {
		return "", s, false
	}
	return s[:i], s[i+1:], true
}

// sum adds up a direction over the devices.
func (s rwstat) sum(direction string) uint64 {
	var n uint64
	for k, v := range s {
		if strings.HasSuffix(k, " "+direction) {
			n += v
		}
	}
	return n
}

// ioStat is what the figures of a cgroup must be.
type ioStat struct{ rbytes, wbytes, rios, wios uint64 }

// v1Stat reads a cgroup's own figures from the tree of cgroup v1.
func (m *mounted) v1Stat(t testing.TB, cgroup string) ioStat {
	t.Helper()
	return readV1(t, m.stats, cgroup, "")
}

func readV1(t testing.TB, stats, cgroup, suffix string) ioStat {
	t.Helper()
	b := parseRWStat(t, readFile(t, stats, "blkio", cgroup, "blkio.throttle.io_service_bytes"+suffix))
	n := parseRWStat(t, readFile(t, stats, "blkio", cgroup, "blkio.throttle.io_serviced"+suffix))
	return ioStat{b.sum("Read"), b.sum("Write"), n.sum("Read"), n.sum("Write")}
}

// readV2 reads a cgroup's figures, with those below it, from the tree of cgroup v2.
func readV2(t testing.TB, stats, cgroup string) ioStat {
	t.Helper()
	var s ioStat
	for line := range strings.Lines(readFile(t, stats, "unified", cgroup, "io.stat")) {
		for _, f := range strings.Fields(line)[1:] {
			k, v, _ := strings.Cut(f, "=")
			n, err := strconv.ParseUint(v, 10, 64)
			if err != nil {
				t.Fatalf("io.stat: %q", line)
			}
			switch k {
			case "rbytes":
				s.rbytes += n
			case "wbytes":
				s.wbytes += n
			case "rios":
				s.rios += n
			case "wios":
				s.wios += n
			}
		}
	}
	return s
}

// poolFigure reads one line of the file pool.
func poolFigure(t testing.TB, stats, key string) uint64 {
	t.Helper()
	for line := range strings.Lines(readFile(t, stats, "pool")) {
		if v, ok := strings.CutPrefix(line, key+" "); ok {
			n, err := strconv.ParseUint(strings.TrimSpace(v), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatalf("no %s in the file pool", key)
	return 0
}
