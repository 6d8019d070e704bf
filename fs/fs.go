package fs

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// CacheMode says what the kernel may keep of file data.
type CacheMode string

// The cache modes. With auto the page cache works, and what misses it comes to
// us, each write(2) as it happens. With none every READ and WRITE does. With
// writeback the kernel gathers writes, and flushes them in nobody's name.
const (
	CacheAuto      CacheMode = "auto" // also the zero value's meaning
	CacheNone      CacheMode = "none"
	CacheWriteback CacheMode = "writeback"
)

// Config configures New.
type Config struct {
	// Source is the directory that is served. New opens it, so that mounting
	// over it later hides it from others only.
	Source string

	// Accounting is told of every request. Required; the caller closes it,
	// after the FS.
	Accounting *accounting.Accounting

	// Cache is CacheAuto when empty.
	Cache CacheMode

	// Stats is a virtual tree that answers to StatsName in the root of the
	// mount, without being listed there; nil: there is none. StatsName is
	// DefaultStatsName when empty.
	Stats     fuse.RawFileSystem
	StatsName string

	// EntryTimeout and AttrTimeout are for how long the kernel may trust a
	// name or attributes without asking. 0: one second; negative: not at all.
	EntryTimeout, AttrTimeout time.Duration

	// Log is slog.Default() when nil.
	Log *slog.Logger
}

// DefaultStatsName is the name of the virtual tree in the root of a mount.
const DefaultStatsName = ".blkfs"

// rootID is the node id of the root (fuse.FUSE_ROOT_ID).
const rootID = fuse.FUSE_ROOT_ID

// ownDevUnknown is FS.ownDev before the mount; no device has this number.
const ownDevUnknown = ^uint64(0)

// FS is the passthrough over one directory. Its methods are the operations of
// fuse.RawFileSystem, safe for concurrent use; RawFileSystem returns it with
// the virtual tree joined to it.
type FS struct {
	source string
	acct   *accounting.Accounting
	cache  CacheMode
	stats  fuse.RawFileSystem
	log    *slog.Logger

	entryTimeout, attrTimeout time.Duration

	// hidden is the name in the root that belongs to the virtual tree.
	hidden string

	// procFD is /proc/self/fd, held so that neither a chroot nor a mount over
	// /proc changes what reopen leads to.
	procFD int
	// privileged says that the daemon may take on its callers' credentials.
	privileged bool

	root    *node
	mounts  mounts
	nodes   nodes
	files   table[file]
	locks   lockTable
	callers callers

	// ownDev is the st_dev of our own mount, which must not be entered from
	// below the source.
	ownDev atomic.Uint64
	// noatime and nodiratime: reading leaves the source's access times alone.
	// Set before the mount serves.
	noatime, nodiratime bool

	closeOnce sync.Once
}

var (
	_ fuse.RawFileSystem = (*FS)(nil)
	_ fuse.RawFileSystem = (*router)(nil)
	_ fuse.ReadResult    = (*readResult)(nil)
)

// New opens cfg.Source. Close the FS, or mount it: it closes itself when
// unmounted.
func New(cfg Config) (*FS, error) {
	if cfg.Accounting == nil {
		return nil, errors.New("no accounting given")
	}
	f := &FS{
		source: cfg.Source, acct: cfg.Accounting, cache: cfg.Cache, stats: cfg.Stats, log: cfg.Log,
		entryTimeout: timeout(cfg.EntryTimeout), attrTimeout: timeout(cfg.AttrTimeout),
		privileged: unix.Geteuid() == 0,
	}
	if f.log == nil {
		f.log = slog.Default()
	}
	switch f.cache {
	case "":
		f.cache = CacheAuto
	case CacheAuto, CacheNone, CacheWriteback:
	default:
		return nil, fmt.Errorf("unknown cache mode %q: use auto, none or writeback", f.cache)
	}
	if f.stats != nil {
		f.hidden = cfg.StatsName
		if f.hidden == "" {
			f.hidden = DefaultStatsName
		}
		if err := checkName(f.hidden); err != nil {
			return nil, fmt.Errorf("the name of the virtual directory, %q, is not a file name", f.hidden)
		}
	}
	f.ownDev.Store(ownDevUnknown)
	if err := f.open(); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

// timeout resolves the zero and the negative meaning of a timeout.
func timeout(d time.Duration) time.Duration {
	switch {
	case d == 0:
		return time.Second
	case d < 0:
		return 0
	}
	return d
}

// open opens /proc/self/fd and the source, and makes the root node.
func (f *FS) open() error {
	f.procFD = -1
	abs, err := filepath.Abs(f.source)
	if err != nil {
		return fmt.Errorf("resolve source %s: %w", f.source, err)
	}
	f.source = abs
	f.procFD, err = unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/self/fd: %w; is /proc mounted?", err)
	}
	f.mounts.acct, f.mounts.procFD = f.acct, f.procFD
	f.mounts.devs.Store(&map[uint64]uint64{})
	f.nodes.byKey = map[string]*node{}
	f.nodes.budget = fdBudget()
	f.locks.init()
	f.callers.init(f)
	fd, err := openSource(f.source)
	if err != nil {
		return err
	}
	f.root, err = f.rootNode(fd)
	return err
}

// fdBudget is how many O_PATH descriptors nodes may keep: a third of what we
// may open (Go raises the soft limit to the hard one at start), so that open
// files have the rest.
func fdBudget() int64 {
	var lim unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &lim) != nil {
		return 256
	}
	return int64(min(lim.Cur/3, 1<<20))
}

// openSource opens the source directory with O_PATH, and says plainly why not.
func openSource(path string) (int, error) {
	fd, err := unix.Open(path, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
	case unix.ENOENT:
		return -1, fmt.Errorf("source %s does not exist: create the directory first", path)
	case unix.ENOTDIR:
		return -1, fmt.Errorf("source %s is not a directory: blkfs serves directories only", path)
	case unix.ENOTCONN:
		return -1, fmt.Errorf("source %s is a dead FUSE mount: run 'umount %s' first", path, path)
	default:
		return -1, fmt.Errorf("open source %s: %w", path, err)
	}
	if err := unix.Faccessat(unix.AT_FDCWD, path, unix.R_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
		_ = unix.Close(fd)
		return -1, fmt.Errorf("source %s may not be read by this user: %w", path, err)
	}
	return fd, nil
}

func (f *FS) rootNode(fd int) (*node, error) {
	var st unix.Statx_t
	if err := statxFD(fd, 0, statxMask, &st); err != nil {
		_ = unix.Close(fd)
		return nil, fmt.Errorf("stat source %s: %w", f.source, err)
	}
	mt, err := f.mounts.of(fd, &st)
	if err != nil {
		_ = unix.Close(fd)
		return nil, err
	}
	f.mounts.ino(st.Dev_major, st.Dev_minor, st.Ino) // the root's device is the first
	return f.nodes.acquire(fd, &st, mt)
}

// Close closes every descriptor. No operation may run or come after. It may be
// called again.
func (f *FS) Close() {
	f.closeOnce.Do(func() {
		f.files.each(func(id uint64, _ *file) {
			if o := f.files.remove(id); o != nil {
				_ = unix.Close(o.fd)
			}
		})
		f.locks.close()
		f.callers.close()
		f.nodes.close()
		f.mounts.close()
		if f.procFD >= 0 {
			_ = unix.Close(f.procFD)
		}
	})
}

// RawFileSystem is what a transport serves: the passthrough, and the virtual
// tree if there is one.
func (f *FS) RawFileSystem() fuse.RawFileSystem {
	if f.stats == nil {
		return f
	}
	return &router{main: f, stats: f.stats, name: f.hidden}
}

// String names the file system type.
func (f *FS) String() string { return "blkfs" }

// SetDebug does nothing: requests are not logged.
func (f *FS) SetDebug(bool) {}

// Init is called when the connection to the kernel stands.
func (f *FS) Init(*fuse.Server) {}

// OnUnmount closes the FS, after the last request.
func (f *FS) OnUnmount() { f.Close() }

// panicked makes EIO of a panic, for the one request that met it.
func (f *FS) panicked(v any) fuse.Status {
	f.log.Error("panic in a request handler", "panic", v, "stack", string(debug.Stack()))
	return fuse.EIO
}

// done counts an operation that has run, and makes the reply's status. n is
// the node it was about; nil (none was found) counts at the root's device.
func (f *FS) done(n *node, h *fuse.InHeader, op accounting.Op, err error) fuse.Status {
	if n == nil {
		n = f.root
	}
	f.acct.CountOp(n.mount.dev, accounting.Caller{TID: h.Pid, Slot: h.Pid}, op, err != nil)
	return status(err)
}

// doneFile is done for an operation on an open file, whose opener is charged
// where the caller is unknown.
func (f *FS) doneFile(o *file, h *fuse.InHeader, op accounting.Op, err error) fuse.Status {
	if o == nil {
		return f.done(nil, h, op, err)
	}
	f.acct.CountOp(o.dev, accounting.Caller{TID: h.Pid, Slot: h.Pid, Opener: &o.owner}, op, err != nil)
	return status(err)
}
