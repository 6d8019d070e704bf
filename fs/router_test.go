package fs

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// fakeTree is a virtual tree that remembers which ids it was asked for.
type fakeTree struct {
	fuse.RawFileSystem
	ids     []uint64
	forgets map[uint64]uint64
	entries int // in its root
}

func newFake() *fakeTree {
	return &fakeTree{RawFileSystem: fuse.NewDefaultRawFileSystem(), forgets: map[uint64]uint64{}, entries: 10}
}

func (t *fakeTree) saw(ids ...uint64) { t.ids = append(t.ids, ids...) }

func (t *fakeTree) Lookup(_ <-chan struct{}, h *fuse.InHeader, _ string, out *fuse.EntryOut) fuse.Status {
	t.saw(h.NodeId)
	out.NodeId = 7
	return fuse.OK
}

func (t *fakeTree) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	t.saw(in.NodeId)
	out.Ino, out.Mode = 99, unix.S_IFDIR|0o555
	return fuse.OK
}

func (t *fakeTree) Forget(id, n uint64) { t.forgets[id] += n }

func (t *fakeTree) Rename(_ <-chan struct{}, in *fuse.RenameIn, _, _ string) fuse.Status {
	t.saw(in.NodeId, in.Newdir)
	return fuse.EPERM
}

func (t *fakeTree) Link(_ <-chan struct{}, in *fuse.LinkIn, _ string, _ *fuse.EntryOut) fuse.Status {
	t.saw(in.NodeId, in.Oldnodeid)
	return fuse.EPERM
}

func (t *fakeTree) CopyFileRange(_ <-chan struct{}, in *fuse.CopyFileRangeIn) (uint32, fuse.Status) {
	t.saw(in.NodeId, in.NodeIdOut)
	return 0, fuse.EPERM
}

func (t *fakeTree) ReadDir(_ <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	t.saw(in.NodeId)
	for i := in.Offset; i < uint64(t.entries); i++ {
		if !out.AddDirEntry(fuse.DirEntry{Name: string(rune('a' + i%26)), Ino: 100 + i, Off: i + 1, Mode: unix.S_IFREG}) {
			break
		}
	}
	return fuse.OK
}

func (t *fakeTree) last(tb testing.TB, want ...uint64) {
	tb.Helper()
	got := t.ids
	t.ids = nil
	if len(got) != len(want) {
		tb.Errorf("the virtual tree saw %v, want %v", got, want)
		return
	}
	for i := range got {
		if got[i] != want[i] {
			tb.Errorf("the virtual tree saw %v, want %v", got, want)
		}
	}
}

func newRouter(t *testing.T) (*router, *fakeTree, string) {
	fake := newFake()
	f, dir := newFS(t, Config{Stats: fake})
	return f.RawFileSystem().(*router), fake, dir
}

func TestRouterTranslatesIds(t *testing.T) {
	r, fake, _ := newRouter(t)
	h := header(rootID)
	var e fuse.EntryOut
	if st := r.Lookup(nil, &h, ".blkfs", &e); !st.Ok() || e.NodeId != statsBit|1 || e.Ino != 99 {
		t.Fatalf("lookup of the virtual root: %v, %+v", st, e)
	}
	fake.last(t, 1)

	h = header(e.NodeId)
	if st := r.Lookup(nil, &h, "x", &e); !st.Ok() || e.NodeId != statsBit|7 {
		t.Errorf("lookup below it: %v, node %#x", st, e.NodeId)
	}
	fake.last(t, 1)

	h = header(statsBit | 7)
	if st := r.Lookup(nil, &h, ".blkfs", &e); !st.Ok() || e.NodeId != statsBit|7 {
		t.Errorf("the name deeper down is not special: %v, node %#x", st, e.NodeId)
	}
	fake.last(t, 7)

	if st := r.Rename(nil, &fuse.RenameIn{InHeader: header(statsBit | 7), Newdir: statsBit | 1}, "a", "b"); st != fuse.EPERM {
		t.Errorf("rename within the tree: %v", st)
	}
	fake.last(t, 7, 1)
	if st := r.Link(nil, &fuse.LinkIn{InHeader: header(statsBit | 7), Oldnodeid: statsBit | 9}, "b", &e); st != fuse.EPERM {
		t.Errorf("link within the tree: %v", st)
	}
	fake.last(t, 7, 9)
	if _, st := r.CopyFileRange(nil, &fuse.CopyFileRangeIn{InHeader: header(statsBit | 7), NodeIdOut: statsBit | 9}); st != fuse.EPERM {
		t.Errorf("copy within the tree: %v", st)
	}
	fake.last(t, 7, 9)
}

func TestRouterForgets(t *testing.T) {
	r, fake, _ := newRouter(t)
	r.Forget(statsBit|7, 3)
	r.Forget(statsBit|rootID, 5) // was never looked up in its own tree
	r.Forget(rootID, 5)
	if len(fake.forgets) != 1 || fake.forgets[7] != 3 {
		t.Errorf("forgotten: %v", fake.forgets)
	}
}

func TestRouterCrossesNoTrees(t *testing.T) {
	r, fake, _ := newRouter(t)
	var e fuse.EntryOut
	for _, ids := range [][2]uint64{{1, statsBit | 7}, {statsBit | 7, 1}} {
		if st := r.Rename(nil, &fuse.RenameIn{InHeader: header(ids[0]), Newdir: ids[1]}, "a", "b"); st != fuse.EXDEV {
			t.Errorf("rename: %v", st)
		}
		if st := r.Link(nil, &fuse.LinkIn{InHeader: header(ids[0]), Oldnodeid: ids[1]}, "a", &e); st != fuse.EXDEV {
			t.Errorf("link: %v", st)
		}
		if _, st := r.CopyFileRange(nil, &fuse.CopyFileRangeIn{InHeader: header(ids[0]), NodeIdOut: ids[1]}); st != fuse.EXDEV {
			t.Errorf("copy_file_range: %v", st)
		}
	}
	fake.last(t)
}

func TestRouterKeepsItsName(t *testing.T) {
	r, _, dir := newRouter(t)
	write(t, dir+"/.blkfs", "shadowed")
	write(t, dir+"/other", "")
	var e fuse.EntryOut
	var c fuse.CreateOut
	h := header(rootID)
	const name = ".blkfs"
	exist := fuse.Status(unix.EEXIST)
	for what, got := range map[string][2]fuse.Status{
		"mknod":       {r.Mknod(nil, &fuse.MknodIn{InHeader: h}, name, &e), exist},
		"mkdir":       {r.Mkdir(nil, &fuse.MkdirIn{InHeader: h}, name, &e), exist},
		"symlink":     {r.Symlink(nil, &h, "x", name, &e), exist},
		"create":      {r.Create(nil, &fuse.CreateIn{InHeader: h}, name, &c), exist},
		"link":        {r.Link(nil, &fuse.LinkIn{InHeader: h, Oldnodeid: rootID}, name, &e), exist},
		"rename onto": {r.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: rootID}, "other", name), exist},
		"rename from": {r.Rename(nil, &fuse.RenameIn{InHeader: h, Newdir: rootID}, name, "x"), fuse.EBUSY},
		"unlink":      {r.Unlink(nil, &h, name), fuse.EBUSY},
		"rmdir":       {r.Rmdir(nil, &h, name), fuse.EBUSY},
	} {
		if got[0] != got[1] {
			t.Errorf("%s: %v, want %v", what, got[0], got[1])
		}
	}
	var open fuse.OpenOut
	if st := r.OpenDir(nil, &fuse.OpenIn{InHeader: h}, &open); !st.Ok() {
		t.Fatal(st)
	}
	list := fuse.NewDirEntryList(make([]byte, 8192), 0)
	if st := r.ReadDir(nil, &fuse.ReadIn{InHeader: h, Fh: open.Fh, Size: 8192}, list); !st.Ok() {
		t.Fatal(st)
	}
	entries, err := fuse.ParseDirEntries(list.Bytes())
	if err != nil || len(entries) != 3 { // ., .., other
		t.Errorf("listed: %v, %v", entries, err)
	}
}

func TestRouterListsTheVirtualTreePlain(t *testing.T) {
	r, fake, _ := newRouter(t)
	fake.entries = 500
	var off uint64
	for total := 0; total < fake.entries; {
		const size = 4096
		list := fuse.NewDirEntryList(make([]byte, size), off)
		in := fuse.ReadIn{InHeader: header(statsBit | 7), Offset: off, Size: size}
		if st := r.ReadDirPlus(nil, &in, list); !st.Ok() {
			t.Fatal(st)
		}
		entries, outs, err := fuse.ParseDirLookupEntries(list.Bytes())
		if err != nil || len(entries) == 0 {
			t.Fatalf("after %d entries: %v, %v", total, entries, err)
		}
		for i, e := range entries {
			if outs[i].NodeId != 0 || e.Ino != 100+uint64(total) || e.Off != uint64(total)+1 {
				t.Fatalf("entry %d: %+v, node id %d", total, e, outs[i].NodeId)
			}
			total++
		}
		off = entries[len(entries)-1].Off
	}
}
