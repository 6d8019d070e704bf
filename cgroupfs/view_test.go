package cgroupfs

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/accounting"
)

func bytesOf(n uint64) []accounting.DeviceStat {
	return []accounting.DeviceStat{traffic(8, 0, n, 0, 0)}
}

func TestHostSeesEverything(t *testing.T) {
	b := newFakeBooks(t)
	c := serve(t, b)
	dirs, files := c.mustLs("/")
	slices.Sort(dirs)
	slices.Sort(files)
	if !slices.Equal(dirs, []string{"blkio", "unified"}) || !slices.Equal(files, []string{"devices", "pool", "removed", "version"}) {
		t.Errorf("root: %q %q", dirs, files)
	}
	for dir, want := range map[string][]string{
		"blkio": {"docker", "other"}, "unified/docker": {"abc"}, "unified/docker/abc/deep": nil,
	} {
		got, _ := c.mustLs(dir)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", dir, got, want)
		}
	}
	if _, errno := c.user(1000).cat("pool"); errno != 0 {
		t.Errorf("an ordinary user of the host: %v", errno)
	}
}

func TestContainerSeesItsOwnRoot(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "."), bytesOf(1))
	b.set(b.id(t, "docker"), bytesOf(2))
	b.set(b.id(t, "docker/abc"), bytesOf(3))
	b.set(b.id(t, "other"), bytesOf(4))
	host := serve(t, b)
	c := host.as(dockerTID)
	for dir, want := range map[string][]string{"/": {"blkio", "unified"}, "blkio": {"abc"}, "unified/abc": {"deep"}} {
		if dirs, _ := c.mustLs(dir); !slices.Equal(dirs, want) {
			t.Errorf("%s: %q, want %q", dir, dirs, want)
		}
	}
	if _, files := c.mustLs("/"); files != nil {
		t.Errorf("files beside the trees: %q", files)
	}
	for path, want := range map[string]string{"unified/io.stat": "8:0 rbytes=2 ", "unified/abc/io.stat": "8:0 rbytes=3 "} {
		if got := c.mustCat(path); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %q", path, got)
		}
	}
	for _, path := range []string{"pool", "devices", "version", "removed", "blkio/docker", "blkio/other", "unified/abc/secret"} {
		if _, errno := c.lookup(path); errno != syscall.ENOENT {
			t.Errorf("lookup %s: %v, want ENOENT", path, errno)
		}
	}
	// The same node for another caller is that caller's own place.
	if got := host.mustCat("unified/io.stat"); !strings.HasPrefix(got, "8:0 rbytes=1 ") {
		t.Errorf("the host, after the container: %q", got)
	}
	if got := host.as(siblingID).mustCat("unified/io.stat"); !strings.HasPrefix(got, "8:0 rbytes=4 ") {
		t.Errorf("another container: %q", got)
	}
}

func TestNodesOfOneViewerTellAnotherNothing(t *testing.T) {
	b := newFakeBooks(t)
	host := serve(t, b)
	c := host.as(dockerTID)
	for _, path := range []string{"pool", "blkio/other", "unified/other/secret/io.stat"} {
		e, errno := host.lookup(path)
		if errno != 0 {
			t.Fatal(errno)
		}
		if _, errno := c.getattr(e.NodeId); errno != syscall.ENOENT {
			t.Errorf("getattr of the host's %s: %v, want ENOENT", path, errno)
		}
		var out fuse.OpenOut
		in := &fuse.OpenIn{InHeader: c.header(e.NodeId)}
		st := c.raw.Open(nil, in, &out)
		if e.IsDir() {
			st = c.raw.OpenDir(nil, in, &out)
		}
		if st != fuse.ENOENT {
			t.Errorf("open of the host's %s: %v, want ENOENT", path, st)
		}
	}
}

func TestUnknownCallerIsDenied(t *testing.T) {
	b := newFakeBooks(t)
	host := serve(t, b)
	c := host.as(goneTID)
	f := host.mustOpen("unified/io.stat", syscall.O_RDONLY)
	w := host.mustOpen("blkio/blkio.reset_stats", syscall.O_WRONLY)
	d, _ := host.opendir("blkio")
	root := fuse.InHeader{NodeId: fuse.FUSE_ROOT_ID, Caller: fuse.Caller{Pid: goneTID}}
	for what, do := range map[string]func() syscall.Errno{
		"lookup": func() syscall.Errno { _, e := c.lookup("blkio"); return e },
		"below": func() syscall.Errno {
			var o fuse.EntryOut
			h := c.header(d.node)
			return syscall.Errno(c.raw.Lookup(nil, &h, "docker", &o))
		},
		"getattr": func() syscall.Errno { _, e := c.getattr(f.node); return e },
		"root":    func() syscall.Errno { _, e := c.getattr(fuse.FUSE_ROOT_ID); return e },
		"dir":     func() syscall.Errno { _, e := c.getattr(d.node); return e },
		"open": func() syscall.Errno {
			return syscall.Errno(c.raw.Open(nil, &fuse.OpenIn{InHeader: c.header(f.node)}, &fuse.OpenOut{}))
		},
		"read":  func() syscall.Errno { _, e := c.pread(f, 10, 0); return e },
		"write": func() syscall.Errno { _, e := c.pwrite(w, "1"); return e },
		"opendir": func() syscall.Errno {
			return syscall.Errno(c.raw.OpenDir(nil, &fuse.OpenIn{InHeader: root}, &fuse.OpenOut{}))
		},
		"readdir": func() syscall.Errno { _, e := c.getdents(d, 100, 0); return e },
		"setattr": func() syscall.Errno {
			in := &fuse.SetAttrIn{}
			in.InHeader, in.Valid = c.header(w.node), fuse.FATTR_SIZE
			return syscall.Errno(c.raw.SetAttr(nil, in, &fuse.AttrOut{}))
		},
	} {
		if errno := do(); errno != syscall.EACCES {
			t.Errorf("%s: %v, want EACCES", what, errno)
		}
	}
	if len(b.reset) != 0 {
		t.Error("it reset the figures")
	}
}

func TestPassedDescriptorIsReadInTheReadersView(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "."), bytesOf(1111))
	b.set(b.id(t, "docker"), bytesOf(2222))
	host := serve(t, b)
	c := host.as(dockerTID)
	f := host.mustOpen("unified/io.stat", syscall.O_RDONLY)
	if text, _ := host.pread(f, 12, 0); text != "8:0 rbytes=1" {
		t.Fatalf("got %q", text)
	}
	if text, errno := c.pread(f, 100, 11); errno != syscall.EACCES {
		t.Errorf("the rest of someone else's rendering: %q, %v, want EACCES", text, errno)
	}
	if text, errno := c.pread(f, 15, 0); errno != 0 || text != "8:0 rbytes=2222" {
		t.Errorf("from the start: %q, %v", text, errno)
	}
	if text, errno := host.pread(f, 100, 11); errno != syscall.EACCES {
		t.Errorf("the host, of the container's rendering: %q, %v", text, errno)
	}
	p := host.mustOpen("pool", syscall.O_RDONLY)
	if text, errno := c.pread(p, 100, 0); errno != syscall.EACCES {
		t.Errorf("pool: %q, %v, want EACCES", text, errno)
	}
}

// go-fuse keeps the last entries it listed and repeats them after a seek.
func TestPassedDirectoryIsRefused(t *testing.T) {
	b := newFakeBooks(t)
	host := serve(t, b)
	d, errno := host.opendir("blkio")
	if errno != 0 {
		t.Fatal(errno)
	}
	all, errno := host.getdents(d, 8192, 0)
	if errno != 0 || len(all) < 3 {
		t.Fatal(len(all), errno)
	}
	for _, tid := range []uint32{dockerTID, siblingID} {
		c := host.as(tid)
		for off := range uint64(len(all)) {
			if got, errno := c.getdents(d, 8192, off); errno != syscall.EACCES {
				t.Errorf("offset %d: %v, %v, want EACCES", off, got, errno)
			}
			in := fuse.ReadIn{InHeader: c.header(d.node), Fh: d.fh, Offset: off}
			out := fuse.NewDirEntryList(make([]byte, 8192), off)
			if st := c.raw.ReadDirPlus(nil, &in, out); st != fuse.EACCES || len(out.Bytes()) != 0 {
				t.Errorf("readdirplus at %d: %v", off, st)
			}
		}
	}
	if again, errno := host.getdents(d, 8192, all[0].Off); errno != 0 || len(again) != len(all)-1 {
		t.Errorf("the opener, after a seek: %d entries, %v", len(again), errno)
	}
	plus, _ := host.opendir("blkio")
	in := fuse.ReadIn{InHeader: host.header(plus.node), Fh: plus.fh}
	out := fuse.NewDirEntryList(make([]byte, 8192), 0)
	if st := host.raw.ReadDirPlus(nil, &in, out); !st.Ok() || len(out.Bytes()) == 0 {
		t.Errorf("readdirplus by the opener: %v, %d bytes", st, len(out.Bytes()))
	}
}

func TestMigratedReaderGetsItsNewView(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker"), bytesOf(1))
	b.set(b.id(t, "other"), bytesOf(2))
	c := serve(t, b).as(dockerTID)
	f := c.mustOpen("unified/io.stat", syscall.O_RDONLY)
	b.setView(dockerTID, accounting.View{Root: "/other"})
	if text, errno := c.pread(f, 12, 0); errno != 0 || text != "8:0 rbytes=2" {
		t.Errorf("got %q, %v", text, errno)
	}
}

func TestInodeNumbersTellNothing(t *testing.T) {
	b := newFakeBooks(t)
	host := serve(t, b)
	e, _ := host.lookup("blkio/docker")
	mine, _ := host.as(dockerTID).lookup("blkio/abc")
	sibling := filepath.Join(b.root, "other/abc")
	if err := os.Mkdir(sibling, 0o755); err != nil {
		t.Fatal(err)
	}
	theirs, _ := host.as(siblingID).lookup("blkio/abc")
	if mine.Ino != theirs.Ino || mine.Ino == 0 {
		t.Errorf("one relative path, two inode numbers: %#x %#x", mine.Ino, theirs.Ino)
	}
	if e.Ino == b.id(t, "docker") || e.Ino>>63 != 1 || e.Ino == mine.Ino {
		t.Errorf("inode number %#x", e.Ino)
	}
	seen := map[uint64]string{}
	for _, dir := range []string{"/", "blkio", "unified", "blkio/docker", "unified/docker", "unified/docker/abc"} {
		entries, _ := host.ls(dir)
		for _, d := range entries {
			path := dir + "/" + d.Name
			if old, ok := seen[d.Ino]; ok {
				t.Errorf("%s and %s share an inode number", old, path)
			}
			seen[d.Ino] = path
			if e, errno := host.lookup(path); errno != 0 || e.Ino != d.Ino {
				t.Errorf("%s: listed as %#x, looked up as %#x, %v", path, d.Ino, e.Ino, errno)
			}
		}
	}
}
