package cgroupfs

import (
	"log/slog"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/accounting"
	"blkfs/pool"
)

// Books is what the virtual directory needs of *accounting.Accounting. It must
// be safe for concurrent use, create no group, and take no lock that the I/O
// path takes.
type Books interface {
	// Own, OwnSinceReset and Tree return figures per device, sorted by MAJ:MIN.
	Own(cgroup uint64) []accounting.DeviceStat
	OwnSinceReset(cgroup uint64) []accounting.DeviceStat
	Tree(cgroup uint64) []accounting.DeviceStat
	Reset(cgroup uint64)

	Removed() []accounting.Removed
	Mounts() []accounting.Mount
	PoolStats() pool.Stats

	CgroupRoot() string
	View(tid uint32) (accounting.View, error)
}

// KeyValue is one line of the file version.
type KeyValue struct{ Key, Value string }

// Config configures New.
type Config struct {
	Books   Books             // required
	Version func() []KeyValue // lines of the file version, in order; nil: an empty file
	Log     *slog.Logger      // nil: nothing is logged
}

// New returns the virtual directory. It is safe for concurrent use, needs no
// Close, sends no notifications, and keeps no descriptor open. Entries and
// attributes have zero timeouts and absent names are ENOENT (never node id 0),
// so the kernel caches none of it.
func New(cfg Config) fuse.RawFileSystem {
	srv := newServer(cfg)
	root := &rootNode{srv: srv}
	attr := srv.stable(fuse.S_IFDIR, place{}, "")
	var zero time.Duration
	raw := fs.NewNodeFS(root, &fs.Options{
		EntryTimeout: &zero,
		AttrTimeout:  &zero,
		// NegativeTimeout stays nil: go-fuse then answers a plain ENOENT, which
		// the kernel does not cache, instead of success with node id 0, which a
		// router that translates ids could mistake for a node.
		NullPermissions: true, // every mode is set on purpose
		RootStableAttr:  &attr,
		Logger:          slog.NewLogLogger(srv.log.Handler(), slog.LevelWarn),
	})
	return &guard{RawFileSystem: raw, srv: srv}
}
