package integration

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func command(name string, args ...string) *exec.Cmd { return exec.Command(name, args...) }

// blkfs runs the command and returns what it printed, and its exit code.
func blkfs(t testing.TB, args ...string) (string, int) {
	t.Helper()
	cmd := command(binary(t), args...)
	out, err := cmd.CombinedOutput()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

func blkfsOK(t testing.TB, args ...string) string {
	t.Helper()
	out, code := blkfs(t, args...)
	if code != 0 {
		t.Fatalf("blkfs %s: exit code %d\n%s", strings.Join(args, " "), code, out)
	}
	return out
}

// daemonMount mounts with the command, and unmounts at the end of the test.
func daemonMount(t *testing.T, args ...string) (source, dir string) {
	t.Helper()
	needRoot(t)
	source, dir = t.TempDir(), t.TempDir()
	blkfsOK(t, append(append([]string{"mount"}, args...), source, dir)...)
	t.Cleanup(func() {
		if isMounted(dir) {
			blkfsOK(t, "umount", dir)
		}
	})
	return source, dir
}

func isMounted(dir string) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) != nil || st.Type == unix.FUSE_SUPER_MAGIC
}

func daemonPid(t *testing.T, dir string) int {
	t.Helper()
	for line := range strings.Lines(readFile(t, dir, ".blkfs/version")) {
		if v, ok := strings.CutPrefix(line, "pid "); ok {
			pid, err := strconv.Atoi(strings.TrimSpace(v))
			if err != nil {
				t.Fatal(err)
			}
			return pid
		}
	}
	t.Fatal("no pid in the file version")
	return 0
}

// hasEnded says whether a process is gone, or waits for its parent to notice.
func hasEnded(pid int) bool {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err != nil || strings.Contains(string(b), ") Z ")
}

func TestMountStatUmount(t *testing.T) {
	source, dir := daemonMount(t, "--cache=none", "-o", `noatime,fsname=my\, "data",subtype=t`)
	c := newCgroup(t)
	c.start().must(order{Do: "write", Path: filepath.Join(dir, "f"), Bytes: 30000, Chunk: 10000})
	if got := readFile(t, source, "f"); len(got) != 30000 {
		t.Errorf("the source has %d bytes", len(got))
	}
	if table := blkfsOK(t, "stat", dir); !strings.Contains(table, c.path) || !strings.Contains(table, "29.3 KiB") {
		t.Errorf("blkfs stat:\n%s", table)
	}
	var usages []map[string]any
	if err := json.Unmarshal([]byte(blkfsOK(t, "stat", "--json", dir, c.path)), &usages); err != nil {
		t.Fatal(err)
	}
	if len(usages) != 1 || usages[0]["cgroup"] != c.path || usages[0]["write_bytes"] != 30000.0 || usages[0]["write_requests"] != 3.0 {
		t.Errorf("blkfs stat --json: %v", usages)
	}
	line := ""
	for l := range strings.Lines(readFile(t, "/proc/mounts")) {
		if strings.Contains(l, dir) {
			line = l
		}
	}
	if !strings.HasPrefix(line, `my,\040"data" `) || !strings.Contains(line, "fuse.blkfs.t") || !strings.Contains(line, "noatime") {
		t.Errorf("in /proc/mounts: %q", line)
	}
	pid := daemonPid(t, dir)
	blkfsOK(t, "umount", dir)
	if isMounted(dir) || !hasEnded(pid) {
		t.Error("after umount the mount or its daemon is still there")
	}
}

func TestMountOverItself(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "f"), "below\n")
	blkfsOK(t, "mount", dir, dir)
	if got := readFile(t, dir, "f"); got != "below\n" || !isMounted(dir) {
		t.Errorf("read %q, mounted %v", got, isMounted(dir))
	}
	blkfsOK(t, "umount", dir)
	if isMounted(dir) {
		t.Error("still mounted")
	}
}

// Each thing that can be wrong has its own plain message, and nothing is left.
func TestMountRefuses(t *testing.T) {
	needRoot(t)
	source, dir := t.TempDir(), t.TempDir()
	file := filepath.Join(source, "file")
	writeFile(t, file, "")
	below := filepath.Join(source, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	_, taken := daemonMount(t)
	for _, x := range []struct {
		name string
		args []string
		want string
	}{
		{"no source", []string{source + "/none", dir}, "none"},
		{"source is a file", []string{file, dir}, "not a directory"},
		{"no mountpoint", []string{source, dir + "/none"}, "does not exist"},
		{"mountpoint is a file", []string{source, file}, "not a directory"},
		{"mountpoint below its source", []string{source, below}, "below its source"},
		{"a second blkfs", []string{source, taken}, "already"},
		{"a second blkfs of another subtype", []string{"-o", "subtype=other", source, taken}, "already"},
		{"unknown option", []string{"-o", "ro,nosuch", source, dir}, "nosuch"},
		{"unknown cache", []string{"--cache=some", source, dir}, "--cache=some"},
		{"unknown hierarchy", []string{"--hierarchy=v3", source, dir}, "v3"},
		{"unknown transport", []string{"--transport=pigeon", source, dir}, "pigeon"},
		{"pool too small", []string{"--pool-reserve=0", source, dir}, "--pool-reserve=0"},
		{"pool beyond memory", []string{"--pool-max=2000000000", source, dir}, "smaller max"},
		{"bad log level", []string{"--log-level=loud", source, dir}, "loud"},
		{"log file", []string{"--log-file=/nonexistent/log", source, dir}, "--log-file"},
		{"stats name", []string{"--stats-dir=a/b", source, dir}, "a/b"},
		{"one argument", []string{source}, "accepts 2 arg"},
	} {
		out, code := blkfs(t, append([]string{"mount"}, x.args...)...)
		if code == 0 || !strings.Contains(out, x.want) || !strings.HasPrefix(out, "blkfs: ") || strings.Count(out, "\n") != 1 {
			t.Errorf("%s: exit code %d, message %q", x.name, code, out)
		}
		if isMounted(dir) {
			t.Fatalf("%s: mounted all the same", x.name)
		}
	}
	if out, code := blkfs(t, "umount", dir); code == 0 || !strings.Contains(out, "not a mount point") {
		t.Errorf("umount of what is not mounted: %d, %q", code, out)
	}
	if out, code := blkfs(t, "stat", source); code == 0 || !strings.Contains(out, "is \""+source+"\" a blkfs mount") {
		t.Errorf("stat of what is not mounted: %d, %q", code, out)
	}
	if out, code := blkfs(t, "stat", "--sort=beauty", taken); code == 0 || !strings.Contains(out, "beauty") {
		t.Errorf("stat sorted by rubbish: %d, %q", code, out)
	}
}

func TestSignalUnmounts(t *testing.T) {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGINT} {
		_, dir := daemonMount(t)
		pid := daemonPid(t, dir)
		if err := unix.Kill(pid, sig); err != nil {
			t.Fatal(err)
		}
		waitFor(t, "the end of the daemon", func() bool { return hasEnded(pid) })
		if isMounted(dir) {
			t.Errorf("%v: still mounted", sig)
		}
	}
}

// A file that is open when the signal comes is served to its end.
func TestSignalWithOpenFiles(t *testing.T) {
	log := filepath.Join(t.TempDir(), "log")
	_, dir := daemonMount(t, "--grace=200ms", "--log-file="+log)
	pid := daemonPid(t, dir)
	f, err := os.Create(filepath.Join(dir, "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if out, code := blkfs(t, "umount", dir); code == 0 || !strings.Contains(out, "busy") {
		t.Errorf("umount with a file open: %d, %q", code, out)
	}
	if err := unix.Kill(pid, unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the lazy unmount", func() bool { return !isMounted(dir) })
	if _, err := f.WriteString("still here"); err != nil {
		t.Error("the open file: ", err)
	}
	if hasEnded(pid) {
		t.Error("the daemon left an open file behind")
	}
	if err := f.Close(); err != nil {
		t.Error(err)
	}
	waitFor(t, "the end of the daemon", func() bool { return hasEnded(pid) })
	if !strings.Contains(readFile(t, log), "detaching the mount lazily") {
		t.Error("the log does not say so")
	}
}

func TestForegroundStays(t *testing.T) {
	needRoot(t)
	source, dir := t.TempDir(), t.TempDir()
	cmd := command(binary(t), "mount", "-f", source, dir)
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the mount", func() bool { return isMounted(dir) })
	time.Sleep(50 * time.Millisecond)
	if err := cmd.Process.Signal(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("exit: %v", err)
	}
	if isMounted(dir) || !strings.Contains(log.String(), "unmounted") {
		t.Errorf("mounted %v, log:\n%s", isMounted(dir), log.String())
	}
}

func TestStatsDirNames(t *testing.T) {
	_, dir := daemonMount(t, "--stats-dir=figures")
	readFile(t, dir, "figures/version")
	if _, err := os.Stat(filepath.Join(dir, ".blkfs")); !os.IsNotExist(err) {
		t.Errorf("the default name is there too: %v", err)
	}
	if out := blkfsOK(t, "stat", "--stats-dir=figures", dir); out == "" {
		t.Error("blkfs stat printed nothing")
	}
	blkfsOK(t, "umount", "--stats-dir=figures", dir)

	_, dir = daemonMount(t, "--stats-dir=")
	if names, err := os.ReadDir(dir); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	if _, err := os.Stat(filepath.Join(dir, ".blkfs")); !os.IsNotExist(err) {
		t.Errorf("a virtual directory where none was asked for: %v", err)
	}
}

func TestReadOnlyMount(t *testing.T) {
	_, dir := daemonMount(t, "-o", "ro")
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); !os.IsPermission(err) && err.(*os.PathError).Err != unix.EROFS {
		t.Errorf("writing to a read-only mount: %v", err)
	}
}

// In a pid namespace of its own a daemon cannot see its callers, and says so.
func TestDaemonThatCannotSeeItsCallers(t *testing.T) {
	needRoot(t)
	unshare := needTool(t, "unshare")
	source, dir := t.TempDir(), t.TempDir()
	cmd := command(unshare, "--pid", "--fork", "--mount-proc", "--kill-child=SIGTERM", binary(t), "mount", "-f", source, dir)
	name := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill() // and the kernel sends the daemon a SIGTERM
		_ = cmd.Wait()
	}()
	waitFor(t, "the warning", func() bool { return strings.Contains(readFile(t, name), "pid namespace") })
}
