package integration

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"github.com/hanwen/go-fuse/v2/posixtest"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
	"blkfs/fs"
)

// posixSkip are cases that do not hold on the plain directory either.
var posixSkip = map[string]string{
	// Both descriptors belong to this process, and POSIX locks of one process
	// do not conflict; the case wants EAGAIN. go-fuse's own tests skip it.
	"FcntlFlockLocksFile": "expects a process to conflict with itself",
}

// inProcess is a mount that this process serves.
type inProcess struct {
	source, mnt string
	books       *accounting.Accounting
	server      *fs.Server
}

// mountInProcess mounts source, over a fresh directory if mnt is empty.
func mountInProcess(t *testing.T, cfg fs.Config, mnt string, options ...string) *inProcess {
	t.Helper()
	needRoot(t)
	books, err := accounting.New(accounting.Config{PoolReserve: 64})
	if err != nil {
		t.Fatalf("accounting: %v", err)
	}
	t.Cleanup(func() { _ = books.Close() })
	if mnt == "" {
		mnt = t.TempDir()
	}
	cfg.Accounting = books
	f, err := fs.New(cfg)
	if err != nil {
		t.Fatalf("New: %v", err)
	}
	opts, err := fs.ParseOptions(append([]string{"suid,dev"}, options...))
	if err != nil {
		t.Fatalf("ParseOptions: %v", err)
	}
	server, err := f.Mount(mnt, opts)
	if err != nil {
		f.Close()
		t.Fatalf("Mount: %v", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Errorf("Unmount: %v", err)
			_ = server.LazyUnmount()
		}
	})
	return &inProcess{source: cfg.Source, mnt: mnt, books: books, server: server}
}

// served is what the mount served in all, over every cgroup and device.
func (m *inProcess) served(t *testing.T) accounting.Counters {
	t.Helper()
	root, err := os.Stat(m.books.CgroupRoot())
	if err != nil {
		t.Fatal(err)
	}
	var sum accounting.Counters
	for _, s := range m.books.Tree(fuse.ToStatT(root).Ino) {
		sum.Add(&s.Counters)
	}
	return sum
}

var caches = []fs.CacheMode{fs.CacheAuto, fs.CacheNone, fs.CacheWriteback}

func TestPosix(t *testing.T) {
	for _, cache := range caches {
		for name, fn := range posixtest.All {
			t.Run(string(cache)+"/"+name, func(t *testing.T) {
				if why := posixSkip[name]; why != "" {
					t.Skip(why)
				}
				m := mountInProcess(t, fs.Config{Source: t.TempDir(), Cache: cache}, "")
				dir := filepath.Join(m.mnt, "case")
				if err := os.Mkdir(dir, 0o755); err != nil {
					t.Fatal(err)
				}
				fn(t, dir)
			})
		}
	}
}

// The kernel's FUSE passthrough would read and write the source by itself, and
// nothing would be counted. go-fuse's loopback gets there on this kernel; we
// must not.
func TestEveryByteComesThroughTheDaemon(t *testing.T) {
	const size = 3<<20 + 123
	want := bytes.Repeat([]byte("blkfs"), size/5+1)[:size]
	for _, cache := range caches {
		t.Run(string(cache), func(t *testing.T) {
			m := mountInProcess(t, fs.Config{Source: t.TempDir(), Cache: cache}, "")
			path := filepath.Join(m.mnt, "file")
			if err := os.WriteFile(path, want, 0o644); err != nil {
				t.Fatal(err)
			}
			dropCache(t, path)
			before := m.served(t)
			if before.Bytes.By[accounting.Write] != size {
				t.Errorf("%d bytes written are counted, want %d", before.Bytes.By[accounting.Write], size)
			}
			got, err := os.ReadFile(path)
			if err != nil || !bytes.Equal(got, want) {
				t.Fatalf("read %d bytes, %v", len(got), err)
			}
			after := m.served(t)
			if n := after.Bytes.By[accounting.Read] - before.Bytes.By[accounting.Read]; n != size {
				t.Errorf("%d bytes read are counted, want %d", n, size)
			}
		})
	}
}

// dropCache writes the file's dirty pages back and takes them out of memory.
func dropCache(t *testing.T, path string) {
	t.Helper()
	fd, err := unix.Open(path, unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	if err := unix.Fsync(fd); err != nil {
		t.Fatal(err)
	}
	if err := unix.Fadvise(fd, 0, 0, unix.FADV_DONTNEED); err != nil {
		t.Fatal(err)
	}
}

func TestMountOverTheSourceItself(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "below"), []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := mountInProcess(t, fs.Config{Source: dir}, dir)
	if got, err := os.ReadFile(filepath.Join(dir, "below")); err != nil || string(got) != "x" {
		t.Errorf("got %q, %v", got, err)
	}
	if got := m.served(t).Bytes.By[accounting.Read]; got != 1 {
		t.Errorf("%d bytes read, want 1", got)
	}
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
}

func TestMountBelowTheSourceIsRefused(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	below := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(below, 0o755); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "a"), link); err != nil {
		t.Fatal(err)
	}
	books, err := accounting.New(accounting.Config{PoolReserve: 8})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = books.Close() }()
	for _, mnt := range []string{below, filepath.Join(link, "b"), dir + "/a/../a/b"} {
		f, err := fs.New(fs.Config{Source: dir, Accounting: books})
		if err != nil {
			t.Fatal(err)
		}
		server, err := f.Mount(mnt, fs.DefaultOptions(true))
		if err == nil {
			_ = server.LazyUnmount()
			t.Fatalf("mounted on %s", mnt)
		}
		if !strings.Contains(err.Error(), "below its source") {
			t.Errorf("%s: %v", mnt, err)
		}
		f.Close()
	}
}

// A mount of ours that shows up below the source, by a bind mount, is not
// entered: the lookup would wait for the server that carries it out.
func TestOwnMountBelowTheSourceIsNotEntered(t *testing.T) {
	source := t.TempDir()
	below := filepath.Join(source, "below")
	if err := os.Mkdir(below, 0o755); err != nil {
		t.Fatal(err)
	}
	m := mountInProcess(t, fs.Config{Source: source}, "")
	if err := unix.Mount(m.mnt, below, "", unix.MS_BIND, ""); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Unmount(below, unix.MNT_DETACH) }()
	_, err := os.Stat(filepath.Join(m.mnt, "below"))
	if err == nil || !strings.Contains(err.Error(), syscall.ELOOP.Error()) {
		t.Errorf("stat of our own mount: %v, want ELOOP", err)
	}
	if entries, err := os.ReadDir(m.mnt); err != nil || len(entries) != 1 {
		t.Errorf("listing beside it: %v, %v", entries, err)
	}
}

// Another file system below the source is crossed, and counted by its own
// device.
func TestSubmountHasItsOwnDevice(t *testing.T) {
	needRoot(t)
	source := t.TempDir()
	sub := filepath.Join(source, "sub")
	if err := os.Mkdir(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("none", sub, "tmpfs", 0, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(sub, unix.MNT_DETACH) })
	m := mountInProcess(t, fs.Config{Source: source, Cache: fs.CacheNone}, "")
	if err := os.WriteFile(filepath.Join(m.mnt, "sub", "f"), make([]byte, 100), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.mnt, "f"), make([]byte, 10), 0o644); err != nil {
		t.Fatal(err)
	}
	var st, rootSt unix.Stat_t
	if err := unix.Stat(sub, &st); err != nil {
		t.Fatal(err)
	}
	root, err := os.Stat(m.books.CgroupRoot())
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range m.books.Tree(fuse.ToStatT(root).Ino) {
		want := uint64(10)
		if s.Device.Major == unix.Major(st.Dev) && s.Device.Minor == unix.Minor(st.Dev) {
			want = 100
		}
		if got := s.Bytes.By[accounting.Write]; got != want {
			t.Errorf("%v: %d bytes written, want %d", s.Device, got, want)
		}
	}
	if err := unix.Stat(filepath.Join(m.mnt, "sub"), &st); err != nil {
		t.Fatal(err)
	}
	if err := unix.Stat(m.mnt, &rootSt); err != nil {
		t.Fatal(err)
	}
	if st.Ino == rootSt.Ino || st.Ino>>48 == 0 {
		t.Errorf("inode number %#x of the submount may collide", st.Ino)
	}
}
