package fs

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// newFS serves a fresh directory, without a mount.
func newFS(t testing.TB, cfg Config) (*FS, string) {
	t.Helper()
	acct, err := accounting.New(accounting.Config{PoolReserve: 16})
	if err != nil {
		t.Skipf("no accounting here: %v", err)
	}
	t.Cleanup(func() { _ = acct.Close() })
	cfg.Source, cfg.Accounting = t.TempDir(), acct
	f, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f, cfg.Source
}

func header(id uint64) fuse.InHeader {
	return fuse.InHeader{NodeId: id, Caller: fuse.Caller{
		Owner: fuse.Owner{Uid: uint32(os.Getuid()), Gid: uint32(os.Getgid())}, Pid: uint32(os.Getpid()),
	}}
}

// find looks a name in the root up.
func find(t testing.TB, f *FS, name string) *fuse.EntryOut {
	t.Helper()
	h, out := header(rootID), new(fuse.EntryOut)
	if st := f.Lookup(nil, &h, name, out); !st.Ok() {
		t.Fatalf("lookup %s: %v", name, st)
	}
	return out
}

func openFile(t testing.TB, f *FS, name string) *fuse.OpenOut {
	t.Helper()
	e, out := find(t, f, name), new(fuse.OpenOut)
	in := fuse.OpenIn{InHeader: header(e.NodeId), Flags: unix.O_RDWR}
	if st := f.Open(nil, &in, out); !st.Ok() {
		t.Fatalf("open %s: %v", name, st)
	}
	return out
}

func write(t testing.TB, path, data string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(data), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestNewSaysWhatIsWrong(t *testing.T) {
	acct, err := accounting.New(accounting.Config{PoolReserve: 16})
	if err != nil {
		t.Skipf("no accounting here: %v", err)
	}
	defer func() { _ = acct.Close() }()
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	for _, tc := range []struct {
		name string
		cfg  Config
		want string
	}{
		{"missing", Config{Source: filepath.Join(dir, "none"), Accounting: acct}, "does not exist"},
		{"file", Config{Source: filepath.Join(dir, "file"), Accounting: acct}, "is not a directory"},
		{"cache", Config{Source: dir, Accounting: acct, Cache: "x"}, `"x"`},
		{"name", Config{Source: dir, Accounting: acct, Stats: fuse.NewDefaultRawFileSystem(), StatsName: "a/b"}, `"a/b"`},
		{"accounting", Config{Source: dir}, "no accounting"},
	} {
		if f, err := New(tc.cfg); err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: got %v, %v, want an error with %q", tc.name, f, err, tc.want)
		}
	}
}

func TestCheckName(t *testing.T) {
	for name, ok := range map[string]bool{
		"a": true, "...": true, "\xff\n": true, strings.Repeat("x", 300): true,
		"": false, ".": false, "..": false, "a/b": false, "/": false, "a\x00b": false,
	} {
		if err := checkName(name); (err == nil) != ok {
			t.Errorf("%q: %v", name, err)
		}
	}
	f, _ := newFS(t, Config{})
	h := header(rootID)
	for _, name := range []string{".", "..", "a/b", ""} {
		if st := f.Lookup(nil, &h, name, new(fuse.EntryOut)); st != fuse.EINVAL {
			t.Errorf("lookup of %q: %v", name, st)
		}
		if st := f.Unlink(nil, &h, name); st != fuse.EINVAL {
			t.Errorf("unlink of %q: %v", name, st)
		}
		if st := f.Mkdir(nil, &fuse.MkdirIn{InHeader: h, Mode: 0o755}, name, new(fuse.EntryOut)); st != fuse.EINVAL {
			t.Errorf("mkdir of %q: %v", name, st)
		}
	}
}

func TestHardLinksAreOneNode(t *testing.T) {
	f, dir := newFS(t, Config{})
	write(t, filepath.Join(dir, "a"), "")
	if err := os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "b")); err != nil {
		t.Fatal(err)
	}
	a, b := find(t, f, "a"), find(t, f, "b")
	if a.NodeId != b.NodeId || a.Ino != b.Ino {
		t.Errorf("two nodes, %d and %d, of one inode", a.NodeId, b.NodeId)
	}
	f.Forget(a.NodeId, 1)
	if f.nodes.get(a.NodeId) == nil {
		t.Error("a node that was looked up twice is forgotten at once")
	}
	f.Forget(a.NodeId, 1)
	if f.nodes.get(a.NodeId) != nil {
		t.Error("the node is still there")
	}
	if c := find(t, f, "a"); c.NodeId == a.NodeId {
		t.Error("a node id is used again")
	}
	f.Forget(rootID, 1<<40)
	if f.nodes.get(rootID) == nil {
		t.Error("the root is forgotten")
	}
}

// Nodes without a descriptor are opened by handle.
func TestNodesBeyondTheBudget(t *testing.T) {
	f, dir := newFS(t, Config{})
	if !f.root.mount.handles {
		t.Skip("no file handles here, or not for us")
	}
	f.nodes.budget = 4
	for i := range 20 {
		write(t, filepath.Join(dir, strconv.Itoa(i)), strconv.Itoa(i))
	}
	for i := range 20 {
		name := strconv.Itoa(i)
		e := find(t, f, name)
		in := fuse.GetAttrIn{InHeader: header(e.NodeId)}
		var out fuse.AttrOut
		if st := f.GetAttr(nil, &in, &out); !st.Ok() || out.Ino != e.Ino {
			t.Errorf("getattr of %s: %v, ino %d, want %d", name, st, out.Ino, e.Ino)
		}
		o := openFile(t, f, name)
		buf := make([]byte, 10)
		r, st := f.Read(nil, &fuse.ReadIn{InHeader: header(e.NodeId), Fh: o.Fh}, buf)
		if !st.Ok() {
			t.Fatalf("read of %s: %v", name, st)
		}
		if b, _ := r.Bytes(nil); string(b) != name {
			t.Errorf("%s reads %q", name, b)
		}
	}
	if n := f.nodes.kept.Load(); n > 4 {
		t.Errorf("%d descriptors kept", n)
	}

	// What the kernel still refers to stays usable without its name.
	e, h := find(t, f, "19"), header(rootID)
	if f.nodes.get(e.NodeId).fd.Load() >= 0 {
		t.Fatal("the node has a descriptor already")
	}
	if st := f.Unlink(nil, &h, "19"); !st.Ok() {
		t.Fatal(st)
	}
	var out fuse.AttrOut
	if st := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: header(e.NodeId)}, &out); !st.Ok() || out.Nlink != 0 {
		t.Errorf("getattr of an unlinked node: %v, %d links", st, out.Nlink)
	}
}

func TestLookupAndForgetConcurrently(t *testing.T) {
	f, dir := newFS(t, Config{})
	write(t, filepath.Join(dir, "a"), "")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			h := header(rootID)
			for range 2000 {
				var out fuse.EntryOut
				if st := f.Lookup(nil, &h, "a", &out); !st.Ok() {
					t.Errorf("lookup: %v", st)
					return
				}
				var attr fuse.AttrOut
				if st := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: header(out.NodeId)}, &attr); !st.Ok() {
					t.Errorf("getattr of a node that we hold: %v", st)
				}
				f.Forget(out.NodeId, 1)
			}
		})
	}
	wg.Wait()
	if n := f.nodes.count(); n != 1 {
		t.Errorf("%d nodes are left, want the root alone", n)
	}
	if n := f.nodes.kept.Load(); n != 1 {
		t.Errorf("%d descriptors are kept for one node", n)
	}
}

func TestGoneNodesAndFiles(t *testing.T) {
	f, _ := newFS(t, Config{})
	if st := f.GetAttr(nil, &fuse.GetAttrIn{InHeader: header(12345)}, new(fuse.AttrOut)); st != fuse.Status(unix.ESTALE) {
		t.Errorf("getattr of an unknown node: %v", st)
	}
	if _, st := f.Read(nil, &fuse.ReadIn{InHeader: header(rootID), Fh: 77}, make([]byte, 1)); st != fuse.EBADF {
		t.Errorf("read of an unknown file: %v", st)
	}
	if _, st := f.Write(nil, &fuse.WriteIn{InHeader: header(rootID), Fh: 77}, nil); st != fuse.EBADF {
		t.Errorf("write of an unknown file: %v", st)
	}
	f.Release(nil, &fuse.ReleaseIn{InHeader: header(rootID), Fh: 77})
}

func TestSpecialFilesAreNotOpened(t *testing.T) {
	f, dir := newFS(t, Config{})
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("fifo", filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]unix.Errno{"fifo": unix.ENXIO, "link": unix.ELOOP} {
		in := fuse.OpenIn{InHeader: header(find(t, f, name).NodeId), Flags: unix.O_RDWR}
		if st := f.Open(nil, &in, new(fuse.OpenOut)); st != fuse.Status(want) {
			t.Errorf("open of %s: %v, want %v", name, st, want)
		}
	}
	// It appeared behind the kernel's back, who then sends CREATE.
	in := fuse.CreateIn{InHeader: header(rootID), Flags: unix.O_WRONLY | unix.O_CREAT, Mode: 0o600}
	if st := f.Create(nil, &in, "fifo", new(fuse.CreateOut)); st != fuse.Status(unix.ESTALE) {
		t.Errorf("create over a FIFO: %v, want ESTALE", st)
	}
}

func TestUmaskIsTheCallers(t *testing.T) {
	f, dir := newFS(t, Config{})
	for _, umask := range []uint32{0, 0o022, 0o077} {
		name := strconv.Itoa(int(umask))
		in := fuse.MkdirIn{InHeader: header(rootID), Mode: 0o777, Umask: umask}
		if st := f.Mkdir(nil, &in, name, new(fuse.EntryOut)); !st.Ok() {
			t.Fatal(st)
		}
		fi, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if got, want := uint32(fi.Mode().Perm()), 0o777&^umask; got != want {
			t.Errorf("umask %o: mode %o, want %o", umask, got, want)
		}
	}
}

func TestCallersPanicIsAnError(t *testing.T) {
	f, _ := newFS(t, Config{})
	h := header(rootID)
	for range 3 {
		if err := f.callers.as(nil, &h, 0, func() error { panic("test") }); err != unix.EIO {
			t.Errorf("got %v", err)
		}
	}
}

func TestReadAndWriteDoNotAllocate(t *testing.T) {
	f, dir := newFS(t, Config{})
	write(t, filepath.Join(dir, "a"), strings.Repeat("x", 8192))
	o := openFile(t, f, "a")
	buf := make([]byte, 4096)
	read := fuse.ReadIn{InHeader: header(rootID), Fh: o.Fh}
	wr := fuse.WriteIn{InHeader: header(rootID), Fh: o.Fh, Size: 4096}
	data := [][]byte{bytes.Repeat([]byte("y"), 4096)}
	bad := false
	both := func() {
		r, st := f.Read(nil, &read, buf)
		if !st.Ok() || r.Size() != 4096 {
			bad = true
			return
		}
		r.Done()
		if n, st := f.Writev(nil, &wr, data); !st.Ok() || n != 4096 {
			bad = true
		}
	}
	both() // the group is made
	if n := testing.AllocsPerRun(200, both); n != 0 {
		t.Errorf("%v allocations for a read and a write", n)
	}
	if bad {
		t.Error("a read or write failed")
	}
}

func BenchmarkRead4K(b *testing.B) {
	f, dir := newFS(b, Config{})
	write(b, filepath.Join(dir, "a"), strings.Repeat("x", 8192))
	o := openFile(b, f, "a")
	buf := make([]byte, 4096)
	in := fuse.ReadIn{InHeader: header(rootID), Fh: o.Fh}
	b.ReportAllocs()
	for b.Loop() {
		r, st := f.Read(nil, &in, buf)
		if !st.Ok() {
			b.Fatal(st)
		}
		r.Done()
	}
}

func TestInoOfOtherDevices(t *testing.T) {
	var m mounts
	m.devs.Store(&map[uint64]uint64{})
	if got := m.ino(8, 1, 1<<60); got != 1<<60 {
		t.Errorf("the first device's number changed to %#x", got)
	}
	seen := map[uint64]bool{42: true}
	for minor := range uint32(100) {
		for _, ino := range []uint64{42, 43, 1<<48 | 42} {
			got := m.ino(9, minor, ino)
			if seen[got] || inStats(got) {
				t.Fatalf("9:%d %d: %#x is taken", minor, ino, got)
			}
			if again := m.ino(9, minor, ino); again != got {
				t.Fatalf("9:%d %d: %#x, then %#x", minor, ino, got, again)
			}
			seen[got] = true
		}
	}
}

func TestParseStatus(t *testing.T) {
	status := []byte("Name:\tx\nUmask:\t0022\nGroups:\t4 24 4294967295 \nCapEff:\t000001ffffffffff\n")
	if got := parseGroups(status); len(got) != 3 || got[0] != 4 || got[2] != 4294967295 {
		t.Errorf("got %v", got)
	}
	for _, s := range []string{"", "Name:\tx\n", "Name:\tx\nGroups:\t \n", "Name:\nGroups:\tx\n", "\nGroups:\t99999999999\n"} {
		if got := parseGroups([]byte(s)); len(got) != 0 {
			t.Errorf("%q: got %v", s, got)
		}
	}
	if os.Getuid() == 0 && !hasCapability(uint32(os.Getpid()), unix.CAP_CHOWN) {
		t.Error("root has no CAP_CHOWN")
	}
	if hasCapability(0, 0) || hasCapability(1<<31, 0) {
		t.Error("nobody has a capability")
	}
}

func FuzzParseDirent(f *testing.F) {
	f.Add([]byte("12345678abcdefgh\x18\x00\x04name\x00"))
	f.Fuzz(func(t *testing.T, buf []byte) {
		for {
			d, ok := parseDirent(buf)
			if !ok {
				return
			}
			if strings.IndexByte(d.name, 0) >= 0 || d.reclen <= 0 {
				t.Fatalf("%q: %d bytes", d.name, d.reclen)
			}
			buf = buf[d.reclen:]
		}
	})
}

func TestDropTrusted(t *testing.T) {
	for in, want := range map[string]string{
		"":                                  "",
		"user.a\x00":                        "user.a\x00",
		"trusted.a\x00":                     "",
		"trusted.a\x00user.trusted.\x00":    "user.trusted.\x00",
		"user.a\x00trusted.b\x00user.c\x00": "user.a\x00user.c\x00",
	} {
		if got := string(dropTrusted([]byte(in))); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
