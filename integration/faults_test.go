package integration

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	gofs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/fs"
)

// brokenFile is a file of a failing disk: its second page cannot be read, and
// nothing can be written.
type brokenFile struct{ gofs.Inode }

var (
	_ gofs.NodeOpener    = (*brokenFile)(nil)
	_ gofs.NodeReader    = (*brokenFile)(nil)
	_ gofs.NodeWriter    = (*brokenFile)(nil)
	_ gofs.NodeGetattrer = (*brokenFile)(nil)
)

func (*brokenFile) Open(context.Context, uint32) (gofs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_DIRECT_IO, 0
}

func (*brokenFile) Getattr(_ context.Context, _ gofs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = 0o644, 8192
	return 0
}

func (*brokenFile) Read(_ context.Context, _ gofs.FileHandle, buf []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	if off >= 4096 {
		return nil, syscall.EIO
	}
	return fuse.ReadResultData(buf[:min(len(buf), int(4096-off))]), 0
}

func (*brokenFile) Write(context.Context, gofs.FileHandle, []byte, int64) (uint32, syscall.Errno) {
	return 0, syscall.EDQUOT
}

// failingSource mounts a file system, of the test's own, whose file fails.
func failingSource(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	root := &gofs.Inode{}
	server, err := gofs.Mount(dir, root, &gofs.Options{
		MountOptions: fuse.MountOptions{DirectMountStrict: true, DisabledCapabilities: fuse.CAP_PASSTHROUGH},
		OnAdd: func(ctx context.Context) {
			file := root.NewPersistentInode(ctx, &brokenFile{}, gofs.StableAttr{Mode: syscall.S_IFREG})
			root.AddChild("broken", file, false)
		},
	})
	if err != nil {
		t.Fatal("mount the failing source: ", err)
	}
	t.Cleanup(func() {
		if err := server.Unmount(); err != nil {
			t.Error("unmount the failing source: ", err)
		}
	})
	return dir
}

// What the source answers reaches the caller unchanged and counts as an error;
// what succeeds beside it counts as ever.
func TestSourceThatFails(t *testing.T) {
	needRoot(t)
	m := mount(t, mountConfig{source: failingSource(t), cache: fs.CacheNone, beside: true})
	c := newCgroup(t)
	w := c.start()
	file := filepath.Join(m.dir, "broken")
	if a := w.do(order{Do: "read", Path: file, Bytes: 8192, Chunk: 4096}); a.Errno != syscall.EIO || a.Bytes != 4096 {
		t.Errorf("reading: %+v, want EIO after 4096 bytes", a)
	}
	if a := w.do(order{Do: "write", Path: file, Bytes: 10}); a.Errno != syscall.EDQUOT {
		t.Errorf("writing: %+v, want EDQUOT", a)
	}
	if got, want := m.v1Stat(t, c.path), (ioStat{rbytes: 4096, rios: 1}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	errors := readFile(t, m.stats, "blkio", c.path, "blkfs.errors")
	if sumLine(t, errors, "read") != 1 || sumLine(t, errors, "write") != 1 {
		t.Errorf("blkfs.errors: %q, want one failed read and one failed write", errors)
	}
}

func TestUmountLeavesOtherMountsAlone(t *testing.T) {
	needRoot(t)
	dir := failingSource(t) // a FUSE mount, but not a blkfs
	if out, code := blkfs(t, "umount", dir); code == 0 || !strings.Contains(out, "not a blkfs") || !isMounted(dir) {
		t.Errorf("umount of another FUSE mount: exit code %d, %q, still mounted: %v", code, out, isMounted(dir))
	}
}

func TestStatFileIsNotForWriting(t *testing.T) {
	m := mount(t, mountConfig{})
	for _, name := range []string{"blkio/blkio.io_serviced", "unified/io.stat", "pool"} {
		if _, err := os.OpenFile(filepath.Join(m.stats, name), os.O_WRONLY, 0); !os.IsPermission(err) {
			t.Errorf("%s: %v, want EACCES", name, err)
		}
	}
	if err := os.Mkdir(filepath.Join(m.stats, "blkio", "new"), 0o755); !os.IsPermission(err) {
		t.Errorf("mkdir: %v, want EPERM", err)
	}
	if err := os.Mkdir(m.stats, 0o755); !os.IsExist(err) {
		t.Errorf("mkdir of the virtual directory: %v, want EEXIST", err)
	}
	writeFile(t, filepath.Join(m.dir, "f"), "x")
	for what, f := range map[string]func(from, to string) error{"rename": os.Rename, "link": os.Link} {
		err := f(filepath.Join(m.dir, "f"), filepath.Join(m.stats, "blkio", "f"))
		if le, ok := err.(*os.LinkError); !ok || le.Err != syscall.EXDEV {
			t.Errorf("%s into the virtual directory: %v, want EXDEV", what, err)
		}
	}
}
