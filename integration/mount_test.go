package integration

import (
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"blkfs/accounting"
	"blkfs/cgroupfs"
	"blkfs/fs"
)

// mounted is a mount served by the test's own process, so that a test can reach
// into it; the command's own wiring is tested with the binary.
type mounted struct {
	dir    string // the mountpoint
	source string
	stats  string // the virtual directory
	books  *accounting.Accounting
	server *fs.Server
}

type mountConfig struct {
	source  string // default: a tmpfs of its own
	cache   fs.CacheMode
	books   accounting.Config
	options []string
	beside  bool // another server runs in this process, and what it holds comes and goes
}

// mount mounts, and at the end of the test unmounts and looks for leaks.
func mount(t testing.TB, cfg mountConfig) *mounted {
	t.Helper()
	needRoot(t)
	m := &mounted{source: cfg.source, dir: t.TempDir()}
	if m.source == "" {
		m.source = tmpfs(t, "")
	}
	before := resources()
	if cfg.books.Log == nil {
		cfg.books.Log = slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))
	}
	var err error
	if m.books, err = accounting.New(cfg.books); err != nil {
		t.Fatal(err)
	}
	passthrough, err := fs.New(fs.Config{
		Source: m.source, Accounting: m.books, Cache: cfg.cache, Log: cfg.books.Log,
		Stats: cgroupfs.New(cgroupfs.Config{Books: m.books, Log: cfg.books.Log}),
	})
	if err != nil {
		t.Fatal(err)
	}
	opts, err := fs.ParseOptions(cfg.options)
	if err != nil {
		t.Fatal(err)
	}
	if m.server, err = passthrough.Mount(m.dir, opts); err != nil {
		t.Fatal(err)
	}
	m.stats = filepath.Join(m.dir, fs.DefaultStatsName)
	t.Cleanup(func() {
		m.unmount(t)
		if err := m.books.Close(); err != nil {
			t.Error(err)
		}
		if !cfg.beside {
			checkLeaks(t, before)
		}
	})
	return m
}

func (m *mounted) unmount(t testing.TB) {
	t.Helper()
	err := m.server.Unmount()
	for range 100 {
		if err == nil {
			break
		}
		time.Sleep(50 * time.Millisecond)
		err = m.server.Unmount()
	}
	if err != nil {
		t.Error("unmount: ", err)
		if err := m.server.LazyUnmount(); err != nil {
			t.Error("lazy unmount: ", err)
		}
	}
	m.server.Wait()
}

type usedResources struct{ descriptors, goroutines int }

func resources() usedResources {
	names, _ := os.ReadDir("/proc/self/fd")
	return usedResources{len(names), runtime.NumGoroutine()}
}

// checkLeaks waits a little: the runtime ends goroutines when it gets to it.
func checkLeaks(t testing.TB, before usedResources) {
	t.Helper()
	var now usedResources
	for range 100 {
		now = resources()
		if now.descriptors <= before.descriptors && now.goroutines <= before.goroutines {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	names, _ := os.ReadDir("/proc/self/fd")
	for _, n := range names {
		if link, err := os.Readlink("/proc/self/fd/" + n.Name()); err == nil {
			t.Log("open: ", n.Name(), " ", link)
		}
	}
	buf := make([]byte, 1<<16)
	t.Errorf("leaked: %+v before the mount, %+v after it\n%s", before, now, buf[:runtime.Stack(buf, true)])
}

type testWriter struct{ t testing.TB }

func (w testWriter) Write(b []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(b)))
	return len(b), nil
}
