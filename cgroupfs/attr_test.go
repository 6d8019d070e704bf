package cgroupfs

import (
	"testing"

	"github.com/hanwen/go-fuse/v2/fuse"
)

func TestStableAttr(t *testing.T) {
	srv := newServer(Config{})
	again := newServer(Config{})
	blkio, unified := srv.tree("blkio"), srv.tree("unified")
	seen := map[uint64]bool{}
	for _, id := range []struct {
		p    place
		file string
	}{
		{place{}, ""},
		{place{}, "a"},
		{place{tree: blkio, path: "/"}, ""},
		{place{tree: unified, path: "/"}, ""},
		{place{tree: blkio, path: "/a"}, ""},
		{place{tree: blkio, path: "/"}, "a"},
		{place{tree: blkio, path: "/a"}, "b"},
		{place{tree: blkio, path: "/ab"}, ""},
		{place{tree: unified, path: "/ab"}, ""},
	} {
		a := srv.stable(fuse.S_IFREG, id.p, id.file)
		if seen[a.Ino] {
			t.Errorf("%+v shares its inode number %#x", id, a.Ino)
		}
		seen[a.Ino] = true
		if a != srv.stable(fuse.S_IFREG, id.p, id.file) {
			t.Errorf("%+v: not stable", id)
		}
		// The inode number can be worked out, so that two of them can be made
		// to collide; the generation, which keeps the nodes apart, cannot.
		if b := again.stable(fuse.S_IFREG, id.p, id.file); b.Ino != a.Ino || b.Gen == a.Gen {
			t.Errorf("%+v: %+v, in another daemon %+v", id, a, b)
		}
	}
}
