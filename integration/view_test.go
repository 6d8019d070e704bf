package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"blkfs/accounting"
	"blkfs/fs"
)

// busybox's cat, cp and others use sendfile(2), which asks the kernel for the
// size and the page cache for the text.
func TestStatFilesBySendfile(t *testing.T) {
	m := mount(t, mountConfig{})
	busybox := needTool(t, "busybox")
	want := readFile(t, m.stats, "pool")
	out, err := command(busybox, "cat", filepath.Join(m.stats, "pool")).Output() // into a pipe
	if err != nil || string(out) != want {
		t.Errorf("busybox cat: %q, %v; want %q", out, err, want)
	}
	to := filepath.Join(t.TempDir(), "copy")
	run(t, busybox, "cp", filepath.Join(m.stats, "pool"), to)
	if got := readFile(t, to); got != want {
		t.Errorf("busybox cp: %q, want %q", got, want)
	}
}

// A process in a cgroup namespace of its own is moved to and fro, as its owner
// may, while it lists what it sees: the path of its cgroup as read from outside
// and from inside are then of different moments. It must never see more than
// what is below its namespace's root.
func TestViewOfAReaderThatIsMoved(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		unshare := needTool(t, "unshare")
		outer := newCgroup(t)
		outer.child("secret")
		root := outer.child("ns") // of the namespace
		inner := root.child("ns") // the same name again, so that its path from inside is the end of root's from outside
		// The namespaces are made in the cgroup that is to be their root.
		cmd := command("sh", "-c", `read go; exec "$0" --pid --fork --cgroup --kill-child sh -c 'while :; do ls "$0" "$0/ns" 2>&1; done' "$1"`,
			unshare, filepath.Join(m.stats, "unified"))
		var out bytes.Buffer
		cmd.Stdout = &out
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		root.add(cmd.Process.Pid)
		if _, err := in.Write([]byte("go\n")); err != nil {
			t.Fatal(err)
		}
		deadline := time.Now().Add(4 * time.Second)
		for at := 0; time.Now().Before(deadline); at++ {
			c := []*cgroup{root, inner}[at%2]
			for _, dir := range cgroupRoots() { // all of them; those that end meanwhile are no matter
				for _, from := range []*cgroup{root, inner} {
					pids, _ := os.ReadFile(dir + from.path + "/cgroup.procs")
					for pid := range strings.FieldsSeq(string(pids)) {
						_ = os.WriteFile(dir+c.path+"/cgroup.procs", []byte(pid), 0)
					}
				}
			}
		}
		_ = unix.Kill(cmd.Process.Pid, unix.SIGKILL)
		_ = cmd.Wait()
		if strings.Contains(out.String(), "secret") || strings.Contains(out.String(), strings.Trim(outer.path, "/")) {
			t.Error("the reader saw a neighbour of its namespace's root, or the way to it")
		}
		if n := strings.Count(out.String(), "io.stat"); n < 20 {
			t.Errorf("the reader saw its figures %d times only:\n%.2000s", n, out.String())
		}
		endAll(t, root, inner)
	})
}

// endAll kills what is left in cgroups.
func endAll(t *testing.T, cgroups ...*cgroup) {
	t.Helper()
	for _, c := range cgroups {
		for _, dir := range cgroupRoots() {
			pids, _ := os.ReadFile(dir + c.path + "/cgroup.procs")
			for pid := range strings.FieldsSeq(string(pids)) {
				if n, err := strconv.Atoi(pid); err == nil && n > 0 {
					_ = unix.Kill(n, unix.SIGKILL)
				}
			}
		}
	}
}

// A name that looks like the kernel's mark of a removed cgroup is a name.
func TestCgroupNamedDeleted(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		c := newCgroup(t).child("x (deleted)")
		c.start().must(order{Do: "write", Path: filepath.Join(m.dir, "f"), Bytes: 10})
		if got := m.v1Stat(t, c.path); got != (ioStat{wbytes: 10, wios: 1}) {
			t.Errorf("charged %+v", got)
		}
	})
}

func TestStatShowsErrorsOfRemovedCgroups(t *testing.T) {
	m := mount(t, mountConfig{cache: fs.CacheNone, source: tmpfs(t, "size=64k")})
	c := newCgroup(t).child("gone")
	w := c.start()
	if a := w.do(order{Do: "write", Path: filepath.Join(m.dir, "f"), Bytes: 1 << 20, Chunk: 4096}); a.Errno != syscall.ENOSPC {
		t.Fatalf("%+v, want ENOSPC", a)
	}
	w.stop()
	c.remove()
	waitFor(t, "the end of the cgroup", func() bool { return readFile(t, m.stats, "removed") != "" })
	table := blkfsOK(t, "stat", m.dir)
	for line := range strings.Lines(table) {
		if f := strings.Fields(line); strings.Contains(line, "(removed") && f[len(f)-4] == "1" {
			return
		}
	}
	t.Errorf("the table does not show the failed write:\n%s", table)
}

// The kernel sends a release for nobody; who opened the file is charged.
func TestReleaseIsChargedToTheOpener(t *testing.T) {
	m := mount(t, mountConfig{cache: fs.CacheNone})
	c := newCgroup(t)
	c.start().must(order{Do: "write", Path: filepath.Join(m.dir, "f"), Bytes: 10})
	waitFor(t, "the release", func() bool {
		return strings.Contains(readFile(t, m.stats, "blkio", c.path, "blkfs.ops"), " release 1 0\n")
	})
}
