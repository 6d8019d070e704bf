package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"blkfs/accounting"
	"blkfs/fs"
)

// container is a runc container with a busybox root file system, in a cgroup of
// its own, with a mount bound in at /data.
type container struct {
	t      testing.TB
	id     string
	bundle string
	cgroup *cgroup
}

// newContainer makes a bundle whose init process runs a shell script.
func newContainer(t testing.TB, data, script string) *container {
	t.Helper()
	needTool(t, "runc")
	busybox := needTool(t, "busybox")
	// Directly below the root: runc leaves the parents that it makes in the
	// other hierarchies.
	c := &container{t: t, bundle: t.TempDir(), cgroup: newCgroup(t)}
	c.id = strings.Trim(c.cgroup.path, "/")
	bin := filepath.Join(c.bundle, "rootfs", "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		t.Fatal(err)
	}
	run(t, "cp", busybox, bin)
	run(t, filepath.Join(bin, "busybox"), "--install", "-s", bin)
	for _, dir := range []string{"proc", "data", "dev"} {
		if err := os.Mkdir(filepath.Join(c.bundle, "rootfs", dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, link := range must(filepath.Glob(bin + "/*")) { // links of --install point to where it ran
		if target, err := os.Readlink(link); err == nil && strings.HasSuffix(target, "/busybox") {
			_ = os.Remove(link)
			if err := os.Symlink("busybox", link); err != nil {
				t.Fatal(err)
			}
		}
	}
	b, err := json.Marshal(c.spec(data, script))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(c.bundle, "config.json"), string(b))
	return c
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func (c *container) spec(data, script string) map[string]any {
	return map[string]any{
		"ociVersion": "1.0.2",
		"root":       map[string]any{"path": "rootfs"},
		"process": map[string]any{
			"args": []string{"/bin/sh", "-e", "-c", script}, "cwd": "/",
			"env": []string{"PATH=/bin"}, "user": map[string]int{"uid": 0, "gid": 0},
		},
		"mounts": []map[string]any{
			{"destination": "/proc", "type": "proc", "source": "proc"},
			{"destination": "/data", "type": "bind", "source": data, "options": []string{"rbind", "rw"}},
		},
		"linux": map[string]any{
			"cgroupsPath": c.cgroup.path,
			"namespaces": []map[string]string{
				{"type": "pid"}, {"type": "mount"}, {"type": "ipc"}, {"type": "uts"}, {"type": "cgroup"},
			},
		},
	}
}

// create creates the container, its processes in the cgroup on every hierarchy:
// runc of this age knows the unified one of a hybrid host or not.
func (c *container) create() {
	c.t.Helper()
	create := exec.Command("runc", "create", "--bundle", c.bundle, c.id)
	log, err := os.Create(filepath.Join(c.bundle, "log"))
	if err != nil {
		c.t.Fatal(err)
	}
	defer log.Close()
	create.Stdout, create.Stderr = log, log
	if err := create.Run(); err != nil {
		c.t.Fatalf("runc create: %v\n%s", err, c.log())
	}
	c.t.Cleanup(func() { _ = exec.Command("runc", "delete", "--force", c.id).Run() })
	c.cgroup.add(c.state().Pid)
}

type containerState struct {
	Pid    int
	Status string
}

func (c *container) state() (s containerState) {
	c.t.Helper()
	out := run(c.t, "runc", "state", c.id)
	if err := json.Unmarshal([]byte(out), &s); err != nil {
		c.t.Fatal(err)
	}
	return s
}

// run starts the container and waits for its end. The cgroup stays.
func (c *container) run() {
	c.t.Helper()
	c.create()
	c.startAndWait()
}

func (c *container) startAndWait() {
	c.t.Helper()
	pid := c.state().Pid
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		c.t.Fatal(err)
	}
	defer unix.Close(fd)
	run(c.t, "runc", "start", c.id)
	for { // readable when the process has ended
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 60_000)
		if err == unix.EINTR {
			continue
		}
		if err != nil || n == 0 {
			c.t.Fatal("the container does not end: ", err)
		}
		return
	}
}

// log returns what the container printed.
func (c *container) log() string {
	b, _ := os.ReadFile(filepath.Join(c.bundle, "log"))
	return string(b)
}

// Two containers write and read through a mount; the kernel's tracepoints say
// how many requests that was.
func TestContainersAreCharged(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		trace := observe(t, m.dir)
		type result struct {
			name string
			c    *container
			want ioStat
		}
		var results []result
		for i, script := range []string{
			"dd if=/dev/zero of=/data/a bs=64k count=10 2>/dev/null; dd if=/data/a of=/dev/null bs=4k count=100 2>/dev/null; echo done",
			"dd if=/dev/zero of=/data/b bs=1000 count=333 2>/dev/null; cat /data/a /data/b >/dev/null; echo done",
		} {
			c := newContainer(t, m.dir, script)
			trace.requests(t)
			c.run()
			if got := c.log(); got != "done\n" {
				t.Fatalf("the container printed %q", got)
			}
			want := [...]ioStat{
				{wbytes: 10 * 65536, rbytes: 100 * 4096},
				{wbytes: 333_000, rbytes: 10*65536 + 333_000},
			}[i]
			want.rios, want.wios = trace.requests(t)
			results = append(results, result{fmt.Sprint("container ", i), c, want})
		}
		for _, x := range results {
			path := x.c.cgroup.path
			if got := m.v1Stat(t, path); got != x.want {
				t.Errorf("%s: v1 tree says %+v, want %+v", x.name, got, x.want)
			}
			if got := readV2(t, m.stats, path); got != x.want {
				t.Errorf("%s: v2 tree says %+v, want %+v", x.name, got, x.want)
			}
			checkContainerd(t, m, path, x.want)
		}
	})
}

// A container sees its own figures as the root's, and no name of its neighbours.
func TestContainerSeesItself(t *testing.T) {
	eachHierarchy(t, func(t *testing.T, hierarchy string) {
		m := mount(t, mountConfig{cache: fs.CacheNone, books: accounting.Config{Hierarchy: accounting.Hierarchy(hierarchy)}})
		neighbour := newCgroup(t)
		neighbour.start().must(order{Do: "write", Path: filepath.Join(m.dir, "n"), Bytes: 12345})
		c := newContainer(t, m.dir, `
			dd if=/dev/zero of=/data/f bs=777 count=1 2>/dev/null
			grep -h Write /data/.blkfs/blkio/blkio.throttle.io_service_bytes
			ls /data/.blkfs
			ls /data/.blkfs/unified
			for f in pool version removed devices blkio`+neighbour.path+`; do
				if cat /data/.blkfs/$f 2>/dev/null; then echo "sees $f"; fi
			done
			echo 1 > /data/.blkfs/blkio/blkio.reset_stats || echo refused
		`)
		c.run()
		got := c.log()
		if !strings.Contains(got, " Write 777\n") {
			t.Errorf("the container does not see its 777 bytes:\n%s", got)
		}
		for _, bad := range []string{"sees", neighbour.path[1:], "pool", "12345"} {
			if strings.Contains(got, bad) {
				t.Errorf("the container sees %q:\n%s", bad, got)
			}
		}
		if !strings.Contains(got, "refused") {
			t.Errorf("the container may reset statistics:\n%s", got)
		}
	})
}
