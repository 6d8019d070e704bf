package cgroupfs

import (
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

const resetPath = "blkio/docker/blkio.reset_stats"

func TestResetStats(t *testing.T) {
	b := newFakeBooks(t)
	c := serve(t, b)
	f := c.mustOpen(resetPath, syscall.O_WRONLY|syscall.O_TRUNC)
	var want []uint64
	for _, text := range []string{"1", "1\n", "0", "+7\n", "0x1F", "017", "18446744073709551615"} {
		n, errno := c.pwrite(f, text)
		want = append(want, b.id(t, "docker"))
		if errno != 0 || int(n) != len(text) || !slices.Equal(b.reset, want) {
			t.Errorf("write %q: %d, %v, reset %v", text, n, errno, b.reset)
		}
	}
	for _, text := range []string{"", "\n", "-1", "x", "1 2", " 1", "1\n\n", "1_0", "08", "0x", "0b1", "0o7", "++1", "+-1", "18446744073709551616", "1\x00"} {
		if n, errno := c.pwrite(f, text); errno != syscall.EINVAL || n != 0 {
			t.Errorf("write %q: %d, %v, want EINVAL", text, n, errno)
		}
	}
	if !slices.Equal(b.reset, want) {
		t.Errorf("a refused write changed something: %v", b.reset)
	}
}

func TestWhoMayWrite(t *testing.T) {
	b := newFakeBooks(t)
	root := serve(t, b)
	f := root.mustOpen(resetPath, syscall.O_WRONLY)
	const inContainer = "blkio/blkio.reset_stats"
	for name, c := range map[string]*client{"user": root.user(1000), "container": root.as(dockerTID)} {
		path := resetPath
		if name == "container" {
			path = inContainer
		}
		for _, flags := range []uint32{syscall.O_WRONLY, syscall.O_RDWR, syscall.O_WRONLY | syscall.O_TRUNC} {
			if _, errno := c.open(path, flags); errno != syscall.EACCES {
				t.Errorf("%s: open %#o: %v, want EACCES", name, flags, errno)
			}
		}
		if errno := truncate(c, path, 0, fuse.FATTR_SIZE); errno != syscall.EACCES {
			t.Errorf("%s: truncate: %v, want EACCES", name, errno)
		}
	}
	if _, errno := root.user(1000).pwrite(f, "1"); errno != syscall.EACCES {
		t.Errorf("a descriptor passed to a user: %v, want EACCES", errno)
	}
	p := root.mustOpen(inContainer, syscall.O_WRONLY) // exists for both views
	if _, errno := root.as(dockerTID).pwrite(p, "1"); errno != syscall.EACCES {
		t.Errorf("a descriptor passed to a container: %v, want EACCES", errno)
	}
	if len(b.reset) != 0 {
		t.Errorf("reset %v", b.reset)
	}
}

func TestOpenModes(t *testing.T) {
	c := serve(t, newFakeBooks(t))
	for _, tc := range []struct {
		path  string
		flags uint32
		want  syscall.Errno
	}{
		{"unified/io.stat", syscall.O_RDONLY, 0},
		{"unified/io.stat", syscall.O_WRONLY, syscall.EACCES},
		{"unified/io.stat", syscall.O_RDWR, syscall.EACCES},
		{"unified/io.stat", syscall.O_RDONLY | syscall.O_TRUNC, syscall.EACCES},
		{"pool", syscall.O_RDONLY, 0},
		{"pool", syscall.O_WRONLY, syscall.EACCES},
		{resetPath, syscall.O_WRONLY, 0},
		{resetPath, syscall.O_WRONLY | syscall.O_APPEND, 0},
		{resetPath, syscall.O_RDONLY, syscall.EACCES},
		{resetPath, syscall.O_RDWR, syscall.EACCES},
	} {
		if _, errno := c.open(tc.path, tc.flags); errno != tc.want {
			t.Errorf("open %s %#o: %v, want %v", tc.path, tc.flags, errno, tc.want)
		}
	}
}

func truncate(c *client, path string, size uint64, valid uint32) syscall.Errno {
	e, errno := c.lookup(path)
	if errno != 0 {
		return errno
	}
	in := &fuse.SetAttrIn{}
	in.InHeader, in.Valid, in.Size = c.header(e.NodeId), valid, size
	var out fuse.AttrOut
	st := c.raw.SetAttr(nil, in, &out)
	if st.Ok() && (out.Ino != e.Ino || out.Mode != e.Mode) {
		c.tb.Errorf("setattr %s answers %+v", path, out.Attr)
	}
	return syscall.Errno(st)
}

func TestSetattr(t *testing.T) {
	c := serve(t, newFakeBooks(t))
	for _, tc := range []struct {
		path  string
		size  uint64
		valid uint32
		want  syscall.Errno
	}{
		{resetPath, 0, fuse.FATTR_SIZE, 0},
		{resetPath, 0, fuse.FATTR_SIZE | fuse.FATTR_LOCKOWNER | fuse.FATTR_MTIME | fuse.FATTR_CTIME, 0},
		{resetPath, 1, fuse.FATTR_SIZE, syscall.EPERM},
		{resetPath, 0, fuse.FATTR_MODE, syscall.EPERM},
		{resetPath, 0, fuse.FATTR_SIZE | fuse.FATTR_UID, syscall.EPERM},
		{resetPath, 0, fuse.FATTR_MTIME, syscall.EPERM},
		{"unified/io.stat", 0, fuse.FATTR_SIZE, syscall.EACCES},
		{"unified/io.stat", 0, fuse.FATTR_MODE, syscall.EPERM},
		{"pool", 0, fuse.FATTR_SIZE, syscall.EACCES},
		{"unified", 0, fuse.FATTR_MODE, syscall.EPERM},
		{"/", 0, fuse.FATTR_MODE, syscall.EPERM},
	} {
		if errno := truncate(c, tc.path, tc.size, tc.valid); errno != tc.want {
			t.Errorf("setattr %s size %d valid %#x: %v, want %v", tc.path, tc.size, tc.valid, errno, tc.want)
		}
	}
}

func TestNothingCanBeMadeOrRemoved(t *testing.T) {
	b := newFakeBooks(t)
	c := serve(t, b)
	for _, path := range []string{"/", "blkio", "unified/docker"} {
		e, _ := c.lookup(path)
		h := c.header(e.NodeId)
		other, _ := c.lookup("blkio/other")
		file, _ := c.lookup("unified/io.stat")
		var out fuse.EntryOut
		for what, st := range map[string]fuse.Status{
			"mkdir":       c.raw.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, "new", &out),
			"mknod":       c.raw.Mknod(nil, &fuse.MknodIn{InHeader: h}, "new", &out),
			"symlink":     c.raw.Symlink(nil, &h, "/etc", "new", &out),
			"link":        c.raw.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: file.NodeId}, "new", &out),
			"unlink":      c.raw.Unlink(nil, &h, "io.stat"),
			"rmdir":       c.raw.Rmdir(nil, &h, "abc"),
			"rename":      c.raw.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: other.NodeId}, "abc", "new"),
			"setxattr":    c.raw.SetXAttr(nil, &fuse.SetXAttrIn{InHeader: h}, "user.x", nil) ^ fuse.ENOTSUP ^ fuse.EPERM,
			"removexattr": c.raw.RemoveXAttr(nil, &h, "user.x") ^ fuse.ENOTSUP ^ fuse.EPERM,
			"create":      c.raw.Create(nil, &fuse.CreateIn{InHeader: h}, "new", &fuse.CreateOut{}) ^ fuse.EACCES ^ fuse.EPERM,
		} {
			if st != fuse.EPERM {
				t.Errorf("%s in %s: %v", what, path, st)
			}
		}
	}
	if dirs, _ := c.mustLs("unified/docker"); !slices.Equal(dirs, []string{"abc"}) {
		t.Errorf("now has %q", dirs)
	}
}

var integer = regexp.MustCompile(`^\+?(0[xX][0-9a-fA-F]+|0[0-7]*|[1-9][0-9]*)\n?$`)

func FuzzParseUint(f *testing.F) {
	for _, s := range []string{"1", "1\n", "0x10", "010", "08", "-1", "18446744073709551616", "1_0", "0x_1", "+", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := parseUint(text)
		want, ok := new(big.Int).SetString(strings.Trim(text, "+\n"), 0)
		if !integer.MatchString(text) || !ok || !want.IsUint64() {
			if err == nil || !errors.Is(err, errMalformed) {
				t.Errorf("%q: %d, %v, want errMalformed", text, got, err)
			}
			return
		}
		if err != nil || got != want.Uint64() {
			t.Errorf("%q: %d, %v, want %v", text, got, err, want)
		}
	})
}
