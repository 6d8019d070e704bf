package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestMain(m *testing.M) {
	if os.Getenv(workerVariable) != "" {
		workerMain()
		return
	}
	code := m.Run()
	if buildDir != "" {
		_ = os.RemoveAll(buildDir)
	}
	os.Exit(code)
}

// need skips a test that lacks what it needs; under make test it fails it.
func need(t testing.TB, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("BLKFS_TEST_STRICT") != "" {
		t.Fatalf("this test needs %s", what)
	}
	t.Skipf("this test needs %s", what)
}

func needRoot(t testing.TB) {
	t.Helper()
	need(t, os.Geteuid() == 0, "root")
	_, err := os.Stat("/dev/fuse")
	need(t, err == nil, "/dev/fuse (modprobe fuse)")
}

func needTool(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	need(t, err == nil, "the program "+name)
	return path
}

var (
	buildOnce sync.Once
	buildDir  string
	buildErr  error
)

// binary builds the command once for all tests.
func binary(t testing.TB) string {
	t.Helper()
	buildOnce.Do(func() {
		if buildDir, buildErr = os.MkdirTemp("", "blkfs-test-bin-"); buildErr != nil {
			return
		}
		cmd := exec.Command("go", "build", "-race="+strconv.FormatBool(raceEnabled), "-o", buildDir, "blkfs/cmd/blkfs")
		cmd.Stderr = os.Stderr
		buildErr = cmd.Run()
	})
	if buildErr != nil {
		t.Fatal("build blkfs: ", buildErr)
	}
	return filepath.Join(buildDir, "blkfs")
}

// run runs a program to its end and returns what it printed.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// runIn is run in a directory.
func runIn(t testing.TB, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func readFile(t testing.TB, path ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(path...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func writeFile(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for range 1000 {
		if cond() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("never happened: ", what)
}

// tmpfs mounts a tmpfs of its own, so that a test has a device that nobody else uses.
func tmpfs(t testing.TB, options string) string {
	t.Helper()
	dir := t.TempDir()
	if err := unix.Mount("blkfs-test", dir, "tmpfs", 0, options); err != nil {
		t.Fatal("mount tmpfs: ", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error("unmount tmpfs: ", err)
			_ = unix.Unmount(dir, unix.MNT_DETACH)
		}
	})
	return dir
}
