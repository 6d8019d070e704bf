package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"

	"blkfs/accounting"
	"blkfs/fs"
)

// posixSkip are cases that do not hold on the plain directory either.
var posixSkip = map[string]string{
	// Both descriptors belong to this process, and POSIX locks of one process
	// do not conflict; the case wants EAGAIN. go-fuse's own tests skip it.
	"FcntlFlockLocksFile": "expects a process to conflict with itself",
}

// posixMount mounts a fresh directory and returns both sides.
func posixMount(t *testing.T, cfg fs.Config) (source, mnt string) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting for every user needs root")
	}
	acct, err := accounting.New(accounting.Config{PoolReserve: 64})
	if err != nil {
		t.Fatalf("accounting: %v", err)
	}
	t.Cleanup(func() { _ = acct.Close() })
	source, mnt = t.TempDir(), t.TempDir()
	cfg.Source, cfg.Accounting = source, acct
	f, err := fs.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	opts, err := fs.ParseOptions([]string{"suid,dev"})
	if err != nil {
		t.Fatalf("ParseOptions: %v", err)
	}
	srv, err := f.Mount(mnt, opts)
	if err != nil {
		f.Close()
		t.Fatalf("Mount: %v", err)
	}
	t.Cleanup(func() {
		if err := srv.Unmount(); err != nil {
			t.Errorf("Unmount: %v", err)
			_ = srv.LazyUnmount()
		}
	})
	return source, mnt
}

func TestPosix(t *testing.T) {
	for _, cache := range []fs.CacheMode{fs.CacheAuto, fs.CacheNone, fs.CacheWriteback} {
		for name, fn := range posixtest.All {
			t.Run(string(cache)+"/"+name, func(t *testing.T) {
				if why := posixSkip[name]; why != "" {
					t.Skip(why)
				}
				_, mnt := posixMount(t, fs.Config{Cache: cache})
				dir := filepath.Join(mnt, "case")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				fn(t, dir)
			})
		}
	}
}
