package fs

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strconv"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

const (
	// maxWrite is the largest READ and WRITE: what the kernel allows without
	// a sysctl. Fewer, larger requests cost less.
	maxWrite = 1 << 20

	// maxBackground bounds readahead and asynchronous I/O in flight for the
	// whole mount. The kernel's 12 is soon used up by a few sequential
	// readers with 1 MiB of read-ahead each; 64 bounds the pages that they
	// pin to 64 MiB.
	maxBackground = 64

	// readAheadKB is the read-ahead of the mount, from 128: one full request.
	readAheadKB = maxWrite >> 10
)

// typeName is the type of our mounts, below fuse's.
const typeName = "blkfs"

// isOurs says whether the type of a mount is that of a blkfs.
func isOurs(fstype string) bool {
	ours := "fuse." + typeName
	return fstype == ours || strings.HasPrefix(fstype, ours+".")
}

// capabilities are those that go-fuse does not ask for by itself. The kernel
// grants what it knows.
const capabilities = fuse.CAP_ATOMIC_O_TRUNC | // open and truncate in one request
	fuse.CAP_DONT_MASK | // the umask applies only where there is no default ACL
	fuse.CAP_ASYNC_DIO | // direct I/O in parallel pieces
	fuse.CAP_READDIRPLUS_AUTO | // looks entries up only for who asks for them
	fuse.CAP_HANDLE_KILLPRIV_V2 | // else each write asks for security.capability first
	fuse.CAP_SETXATTR_EXT | // tells when an ACL must clear set-group-ID
	fuse.CAP_DIRECT_IO_ALLOW_MMAP // shared mappings with --cache=none (sqlite's WAL)

// Mount mounts the file system and serves it. When it returns, the mount
// answers; the FS then ends with it. After an error the FS can be closed, or
// mounted elsewhere.
func (f *FS) Mount(mountpoint string, o Options) (*Server, error) {
	path, err := f.preflight(mountpoint, o)
	if err != nil {
		return nil, err
	}
	opts, err := f.mountOptions(o)
	if err != nil {
		return nil, err
	}
	f.noatime = o.Flags&unix.MS_NOATIME != 0
	f.nodiratime = o.Flags&unix.MS_NODIRATIME != 0
	srv, err := fuse.NewServer(f.RawFileSystem(), path, opts)
	if err != nil {
		if m := topMount(path); m != nil && m.FSType == "fuse."+opts.Name {
			_ = unmount(path, opts.DirectMountStrict, true) // it stood, but did not get through INIT
		}
		return nil, fmt.Errorf("mount blkfs on %s: %w", path, err)
	}
	s := &Server{server: srv, path: path, direct: opts.DirectMountStrict, done: make(chan struct{})}
	if m := topMount(path); m != nil {
		s.mountID = m.ID
	}
	go s.serve()
	if err := srv.WaitMount(); err != nil {
		_ = s.LazyUnmount()
		return nil, fmt.Errorf("wait for the mount on %s: %w", path, err)
	}
	f.mounted(path)
	return s, nil
}

// mountOptions makes go-fuse's options of ours.
func (f *FS) mountOptions(o Options) (*fuse.MountOptions, error) {
	opts := &fuse.MountOptions{
		AllowOther: o.AllowOther, FsName: o.FSName,
		MaxWrite: maxWrite, MaxBackground: maxBackground,
		EnableLocks: true,
		// The kernel then checks ACLs too, which needs default_permissions.
		EnableAcl:         o.DefaultPermissions,
		ExtraCapabilities: capabilities,
		// Passthrough would hide I/O from us; export support would let NFS
		// ask for nodes that were forgotten.
		DisabledCapabilities: fuse.CAP_PASSTHROUGH,
		// Replies carry what pread returned; splicing would count what was
		// asked for, and costs two more system calls for a small read.
		DisableSplice: true,
		PanicHandler:  f.panicked,
		Logger:        log.New(&logWriter{f.log}, "", 0),
	}
	if f.cache == CacheWriteback {
		opts.ExtraCapabilities |= fuse.CAP_WRITEBACK_CACHE
	}
	if opts.FsName == "" {
		opts.FsName = f.source
	}
	opts.Name = typeName
	if o.Subtype != "" {
		opts.Name += "." + o.Subtype
	}
	if o.DefaultPermissions {
		opts.Options = append(opts.Options, "default_permissions")
	}
	if o.MaxRead != 0 {
		opts.Options = append(opts.Options, "max_read="+strconv.Itoa(o.MaxRead))
	}
	if f.privileged {
		opts.DirectMountStrict = true
		opts.DirectMountFlags = o.Flags
		if o.Flags == 0 {
			opts.DirectMountFlags = unix.MS_MGC_VAL // go-fuse takes 0 for "unset"
		}
		return opts, nil
	}
	flags, err := o.fusermountOptions()
	opts.Options = append(opts.Options, flags...)
	return opts, err
}

// mounted does what needs the mount to stand: it learns its device number,
// and raises its read-ahead.
func (f *FS) mounted(path string) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, unix.AT_STATX_DONT_SYNC, unix.STATX_MNT_ID, &st)
	if err != nil {
		f.log.Warn("cannot tell the mount's device number", "mountpoint", path, "err", err)
		return
	}
	f.ownDev.Store(uint64(st.Dev_major)<<32 | uint64(st.Dev_minor))
	bdi := fmt.Sprintf("/sys/class/bdi/%d:%d/read_ahead_kb", st.Dev_major, st.Dev_minor)
	if err := os.WriteFile(bdi, []byte(strconv.Itoa(readAheadKB)), 0); err != nil {
		f.log.Debug("read-ahead of the mount stays as it is", "file", bdi, "err", err)
	}
}

// logWriter takes go-fuse's log over.
type logWriter struct{ log *slog.Logger }

// Write logs one line. That an opcode is not implemented (STATX) go-fuse says
// once per mount, and nothing follows from it.
func (w *logWriter) Write(b []byte) (int, error) {
	level := slog.LevelWarn
	if strings.HasPrefix(string(b), "Unimplemented opcode") {
		level = slog.LevelDebug
	}
	w.log.Log(context.Background(), level, strings.TrimSpace(string(b)), "from", "go-fuse")
	return len(b), nil
}
