package cgroupfs

import (
	"strings"
	"syscall"
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// client speaks to the virtual directory as the kernel would, for one caller.
type client struct {
	tb  testing.TB
	raw fuse.RawFileSystem
	tid uint32
	uid uint32
}

// serve returns a virtual directory and a client in the host view.
func serve(tb testing.TB, b Books) *client {
	tb.Helper()
	return &client{tb: tb, raw: New(Config{Books: b}), tid: hostTID}
}

// as is the same virtual directory as someone else sees it.
func (c *client) as(tid uint32) *client { return &client{tb: c.tb, raw: c.raw, tid: tid} }

func (c *client) user(uid uint32) *client {
	return &client{tb: c.tb, raw: c.raw, tid: c.tid, uid: uid}
}

func (c *client) header(node uint64) fuse.InHeader {
	return fuse.InHeader{
		NodeId: node,
		Caller: fuse.Caller{Pid: c.tid, Owner: fuse.Owner{Uid: c.uid}},
	}
}

// lookup walks from the root. An errno of 0 is success.
func (c *client) lookup(path string) (fuse.EntryOut, syscall.Errno) {
	out := fuse.EntryOut{NodeId: fuse.FUSE_ROOT_ID}
	for name := range strings.SplitSeq(path, "/") {
		if name == "" {
			continue
		}
		h := c.header(out.NodeId)
		out = fuse.EntryOut{}
		if st := c.raw.Lookup(nil, &h, name, &out); !st.Ok() {
			return out, syscall.Errno(st)
		}
	}
	return out, 0
}

func (c *client) getattr(node uint64) (fuse.Attr, syscall.Errno) {
	var out fuse.AttrOut
	st := c.raw.GetAttr(nil, &fuse.GetAttrIn{InHeader: c.header(node)}, &out)
	return out.Attr, syscall.Errno(st)
}

// fd is an open file or directory.
type fd struct{ node, fh uint64 }

func (c *client) open(path string, flags uint32) (fd, syscall.Errno) {
	e, errno := c.lookup(path)
	if errno != 0 {
		return fd{}, errno
	}
	var out fuse.OpenOut
	st := c.raw.Open(nil, &fuse.OpenIn{InHeader: c.header(e.NodeId), Flags: flags}, &out)
	if st.Ok() && out.OpenFlags != fuse.FOPEN_DIRECT_IO {
		c.tb.Errorf("open %s: flags %#x, want direct I/O", path, out.OpenFlags)
	}
	return fd{e.NodeId, out.Fh}, syscall.Errno(st)
}

func (c *client) mustOpen(path string, flags uint32) fd {
	c.tb.Helper()
	f, errno := c.open(path, flags)
	if errno != 0 {
		c.tb.Fatalf("open %s: %v", path, errno)
	}
	return f
}

func (c *client) pread(f fd, size int, off int) (string, syscall.Errno) {
	in := fuse.ReadIn{InHeader: c.header(f.node), Fh: f.fh, Offset: uint64(off), Size: uint32(size), ReadFlags: fuse.READ_LOCKOWNER}
	buf := make([]byte, size)
	res, st := c.raw.Read(nil, &in, buf)
	if !st.Ok() {
		return "", syscall.Errno(st)
	}
	text, st := res.Bytes(buf)
	return string(text), syscall.Errno(st)
}

func (c *client) pwrite(f fd, text string) (uint32, syscall.Errno) {
	n, st := c.raw.Write(nil, &fuse.WriteIn{InHeader: c.header(f.node), Fh: f.fh}, []byte(text))
	return n, syscall.Errno(st)
}

// cat reads a whole file.
func (c *client) cat(path string) (string, syscall.Errno) {
	f, errno := c.open(path, syscall.O_RDONLY)
	if errno != 0 {
		return "", errno
	}
	defer c.raw.Release(nil, &fuse.ReleaseIn{InHeader: c.header(f.node), Fh: f.fh})
	var text string
	for {
		part, errno := c.pread(f, 4096, len(text))
		if errno != 0 || part == "" {
			return text, errno
		}
		text += part
	}
}

func (c *client) mustCat(path string) string {
	c.tb.Helper()
	text, errno := c.cat(path)
	if errno != 0 {
		c.tb.Fatalf("cat %s: %v", path, errno)
	}
	return text
}

func (c *client) opendir(path string) (fd, syscall.Errno) {
	e, errno := c.lookup(path)
	if errno != 0 {
		return fd{}, errno
	}
	var out fuse.OpenOut
	st := c.raw.OpenDir(nil, &fuse.OpenIn{InHeader: c.header(e.NodeId)}, &out)
	return fd{e.NodeId, out.Fh}, syscall.Errno(st)
}

// getdents reads one buffer of a directory.
func (c *client) getdents(f fd, size int, off uint64) ([]fuse.DirEntry, syscall.Errno) {
	in := fuse.ReadIn{InHeader: c.header(f.node), Fh: f.fh, Offset: off, Size: uint32(size)}
	out := fuse.NewDirEntryList(make([]byte, size), off)
	if st := c.raw.ReadDir(nil, &in, out); !st.Ok() {
		return nil, syscall.Errno(st)
	}
	entries, err := fuse.ParseDirEntries(out.Bytes())
	if err != nil {
		c.tb.Fatal(err)
	}
	return entries, 0
}

// ls lists a directory through a small buffer.
func (c *client) ls(path string) (entries []fuse.DirEntry, errno syscall.Errno) {
	f, errno := c.opendir(path)
	if errno != 0 {
		return nil, errno
	}
	defer c.raw.ReleaseDir(&fuse.ReleaseIn{InHeader: c.header(f.node), Fh: f.fh})
	var off uint64
	for {
		part, errno := c.getdents(f, 200, off)
		if errno != 0 || len(part) == 0 {
			return entries, errno
		}
		entries = append(entries, part...)
		off = part[len(part)-1].Off
	}
}

func (c *client) mustLs(path string) (dirs, files []string) {
	c.tb.Helper()
	entries, errno := c.ls(path)
	if errno != 0 {
		c.tb.Fatalf("ls %s: %v", path, errno)
	}
	for _, e := range entries {
		if e.Mode&syscall.S_IFMT == syscall.S_IFDIR {
			dirs = append(dirs, e.Name)
		} else {
			files = append(files, e.Name)
		}
	}
	return dirs, files
}
