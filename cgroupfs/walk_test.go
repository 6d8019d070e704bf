package cgroupfs

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"blkfs/accounting"
)

// hostileRoot is a fake cgroupfs with what must never be walked through.
func hostileRoot(t *testing.T) *fakeBooks {
	t.Helper()
	b := newFakeBooks(t)
	for link, target := range map[string]string{
		"docker/link": "../other", "docker/self": ".", "docker/abs": "/",
	} {
		if err := os.Symlink(target, filepath.Join(b.root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(b.root, "docker/cgroup.procs"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return b
}

func TestFindCgroup(t *testing.T) {
	b := hostileRoot(t)
	for _, tc := range []struct{ view, path, want string }{
		{"/", "/", "."},
		{"/", "/docker", "docker"},
		{"/", "/docker/abc", "docker/abc"},
		{"/docker", "/", "docker"},
		{"/docker", "/abc/deep", "docker/abc/deep"},
		{"/docker/abc", "/deep", "docker/abc/deep"},
	} {
		cg, err := findCgroup(b.root, tc.view, tc.path)
		if err != nil || cg.id != b.id(t, tc.want) {
			t.Errorf("%s under %s: id %d, %v; want %d", tc.path, tc.view, cg.id, err, b.id(t, tc.want))
		}
	}
	for _, tc := range []struct{ view, path string }{
		{"/", "/nothing"},
		{"/", "/docker/link"},
		{"/", "/docker/link/secret"},
		{"/", "/docker/self"},
		{"/", "/docker/abs"},
		{"/", "/docker/cgroup.procs"},
		{"/", "/docker/cgroup.procs/x"},
		{"/docker", "/.."},
		{"/docker", "/../other"},
		{"/docker", "/./abc"},
		{"/docker/../other", "/secret"},
		{"/docker/link", "/secret"},
	} {
		if cg, err := findCgroup(b.root, tc.view, tc.path); !errors.Is(err, errAbsent) {
			t.Errorf("%s under %s: id %d, %v; want errAbsent", tc.path, tc.view, cg.id, err)
		}
	}
}

func TestMissingCgroupRootIsNotAnAbsentCgroup(t *testing.T) {
	if _, err := findCgroup("/no/such/cgroupfs", "/"); err == nil || errors.Is(err, errAbsent) || !strings.Contains(err.Error(), "/no/such/cgroupfs") {
		t.Errorf("got %v", err)
	}
}

func TestSubCgroups(t *testing.T) {
	b := hostileRoot(t)
	names, err := subCgroups(b.root, "/", "/docker")
	if err != nil || !slices.Equal(names, []string{"abc"}) {
		t.Errorf("got %q, %v: want the directory alone, no links, no files", names, err)
	}
}

func TestLookupRefusesWhatIsNoCgroup(t *testing.T) {
	c := serve(t, hostileRoot(t))
	for _, path := range []string{"blkio/docker/link", "blkio/docker/cgroup.procs", "blkio/none", "unified/docker/..", "unified/.", ".", "other"} {
		if _, errno := c.lookup(path); errno != syscall.ENOENT {
			t.Errorf("lookup %s: %v, want ENOENT", path, errno)
		}
	}
	if _, errno := c.lookup("blkio/" + strings.Repeat("x", 300)); errno != syscall.ENAMETOOLONG {
		t.Errorf("a long name: %v", errno)
	}
}

// A cgroup of a file's name is shadowed, and listed once.
func TestShadowedCgroup(t *testing.T) {
	b := newFakeBooks(t)
	if err := os.Mkdir(filepath.Join(b.root, "docker/io.stat"), 0o755); err != nil {
		t.Fatal(err)
	}
	c := serve(t, b)
	if dirs, _ := c.mustLs("unified/docker"); slices.Contains(dirs, "io.stat") {
		t.Errorf("listed twice: %q", dirs)
	}
	if got := c.mustCat("unified/docker/io.stat"); got != "" {
		t.Errorf("got %q", got)
	}
	if dirs, _ := c.mustLs("blkio/docker"); !slices.Contains(dirs, "io.stat") {
		t.Errorf("blkio has no file of that name, so must list the cgroup: %q", dirs)
	}
}

func TestFiguresFollowTheInodeNumber(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker/abc/deep"), []accounting.DeviceStat{traffic(8, 0, 512, 0, 0)})
	c := serve(t, b)
	if got := c.mustCat("blkio/docker/abc/deep/blkio.sectors"); got != "8:0 1\n" {
		t.Errorf("got %q", got)
	}
	if got := c.mustCat("blkio/docker/abc/blkio.sectors"); got != "" {
		t.Errorf("its parent: got %q", got)
	}
}

func TestRemovedCgroup(t *testing.T) {
	b := newFakeBooks(t)
	b.set(b.id(t, "docker/abc/deep"), richStats())
	c := serve(t, b)
	const path = "unified/docker/abc/deep"
	dir, errno := c.lookup(path)
	if errno != 0 {
		t.Fatal(errno)
	}
	f := c.mustOpen(path+"/io.stat", syscall.O_RDONLY)
	if text, errno := c.pread(f, 4, 0); errno != 0 || text != "8:0 " {
		t.Fatalf("got %q, %v", text, errno)
	}
	w := c.mustOpen("blkio/docker/abc/deep/blkio.reset_stats", syscall.O_WRONLY)

	old := filepath.Join(b.root, "docker/abc/deep")
	if err := os.Rename(old, filepath.Join(b.root, "elsewhere")); err != nil { // keeps its inode number busy
		t.Fatal(err)
	}
	check := func(when string, lookup syscall.Errno) {
		t.Helper()
		if _, errno := c.lookup(path); errno != lookup {
			t.Errorf("%s: lookup %v, want %v", when, errno, lookup)
		}
		if _, errno := c.getattr(dir.NodeId); errno != lookup {
			t.Errorf("%s: getattr %v, want %v", when, errno, lookup)
		}
		if a, errno := c.getattr(f.node); errno != 0 || a.Mode != 0o100444 {
			t.Errorf("%s: fstat of an old descriptor: %+v, %v", when, a, errno)
		}
		if lookup != 0 {
			if _, errno := c.as(siblingID).getattr(f.node); errno != lookup {
				t.Errorf("%s: fstat in another view: %v", when, errno)
			}
		}
		for _, off := range []int{0, 4} {
			if text, errno := c.pread(f, 4, off); errno != syscall.ENODEV {
				t.Errorf("%s: read of an old descriptor at %d: %q, %v", when, off, text, errno)
			}
		}
		if _, errno := c.pwrite(w, "1"); errno != syscall.ENODEV || len(b.reset) != 0 {
			t.Errorf("%s: write to an old descriptor: %v", when, errno)
		}
	}
	check("removed", syscall.ENOENT)
	if err := os.Mkdir(old, 0o755); err != nil {
		t.Fatal(err)
	}
	check("made anew", 0)
	if got := c.mustCat(path + "/io.stat"); got != "" {
		t.Errorf("a new cgroup of an old name shows %q", got)
	}
}
