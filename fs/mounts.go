package fs

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// mount is one backing mount: the source's, or one below it.
type mount struct {
	id  uint64 // STATX_MNT_ID
	dev *accounting.Device

	// handles says that nodes of this mount can be opened by handle: it has
	// handles, they survive without a descriptor, and we may.
	handles bool

	// fd is a real descriptor of the mount, which open_by_handle_at wants;
	// -1 where handles is false. It keeps a submount busy, as the O_PATH
	// descriptors of its nodes do.
	fd int
}

// mounts has the backing mounts met so far, and numbers their devices.
// Safe for concurrent use.
type mounts struct {
	acct   *accounting.Accounting
	procFD int

	byID sync.Map // uint64 → *mount; read on every lookup

	mu   sync.Mutex // guards what follows, and the making of mounts
	all  []*mount
	devs atomic.Pointer[map[uint64]uint64] // st_dev → index; copied on write
}

// of returns the mount that a descriptor just looked at lies on.
func (m *mounts) of(fd int, st *unix.Statx_t) (*mount, error) {
	if v, ok := m.byID.Load(st.Mnt_id); ok {
		return v.(*mount), nil
	}
	return m.meet(fd, st)
}

// meet makes the mount of a descriptor known. It reads mountinfo, and only
// here: a new mount id shows up once.
func (m *mounts) meet(fd int, st *unix.Statx_t) (*mount, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v, ok := m.byID.Load(st.Mnt_id); ok {
		return v.(*mount), nil
	}
	info := mountOf(st)
	dev, err := m.acct.Device(info)
	if err != nil {
		return nil, fmt.Errorf("account for the mount at %s: %w", info.Path, err)
	}
	mt := &mount{id: st.Mnt_id, dev: dev, fd: -1}
	// FUSE names nodes by numbers that their server may use again as soon as
	// nobody holds them, so its handles say nothing without a descriptor.
	if !strings.HasPrefix(info.FSType, "fuse") {
		mt.fd, mt.handles = m.probe(fd, st)
	}
	m.byID.Store(mt.id, mt)
	m.all = append(m.all, mt)
	return mt, nil
}

// mountOf reads the mount's line of mountinfo. A mount that is not there
// (detached, or another namespace's) is known by what statx told.
func mountOf(st *unix.Statx_t) accounting.Mount {
	info := accounting.Mount{
		ID:     st.Mnt_id,
		Device: accounting.DeviceID{Major: st.Dev_major, Minor: st.Dev_minor},
		FSType: "unknown", Source: "none", Path: "/",
	}
	lines, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) {
		return uint64(i.ID) != st.Mnt_id, uint64(i.ID) == st.Mnt_id
	})
	if err != nil || len(lines) == 0 {
		return info
	}
	l := lines[0]
	info.Device = accounting.DeviceID{Major: uint32(l.Major), Minor: uint32(l.Minor)}
	info.FSType, info.Source, info.Path = l.FSType, l.Source, l.Mountpoint
	return info
}

// probe opens a real descriptor of the mount and tries whether a handle leads
// back through it to the file it was taken from.
func (m *mounts) probe(fd int, st *unix.Statx_t) (mountFD int, ok bool) {
	flags := unix.O_RDONLY | unix.O_CLOEXEC
	switch st.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		flags |= unix.O_DIRECTORY
	case unix.S_IFREG: // a bind mount of a single file
	default:
		return -1, false
	}
	var h handleBuf
	if nameToHandle(fd, &h) != nil {
		return -1, false
	}
	mountFD, err := unix.Openat(m.procFD, fdName(fd), flags, 0)
	if err != nil {
		return -1, false
	}
	again, err := openByHandle(mountFD, &h, unix.O_PATH)
	if err != nil {
		_ = unix.Close(mountFD)
		return -1, false
	}
	_ = unix.Close(again)
	return mountFD, true
}

// ino returns a number for an inode that is unique over all devices below the
// source: the mount shows one st_dev for all of them. The first device, the
// root's, keeps its numbers; the others get their index into the top bits, or
// a hash where the number needs those bits itself. Bit 63 is left to the
// virtual tree.
func (m *mounts) ino(major, minor uint32, ino uint64) uint64 {
	dev := uint64(major)<<32 | uint64(minor)
	i, ok := (*m.devs.Load())[dev]
	if !ok {
		i = m.addDev(dev)
	}
	switch {
	case i == 0:
		return ino
	case ino>>48 == 0 && i < 1<<14:
		return i<<48 | ino
	default:
		// splitmix64's finalizer.
		h := ino + i*0x9e3779b97f4a7c15
		h = (h ^ h>>30) * 0xbf58476d1ce4e5b9
		h = (h ^ h>>27) * 0x94d049bb133111eb
		return (h^h>>31)&^(1<<63) | 1<<62
	}
}

func (m *mounts) addDev(dev uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	old := *m.devs.Load()
	if i, ok := old[dev]; ok {
		return i
	}
	devs := make(map[uint64]uint64, len(old)+1)
	for d, i := range old {
		devs[d] = i
	}
	devs[dev] = uint64(len(old))
	m.devs.Store(&devs)
	return devs[dev]
}

// close closes the mounts' descriptors.
func (m *mounts) close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, mt := range m.all {
		if mt.fd >= 0 {
			_ = unix.Close(mt.fd)
		}
	}
	m.all = nil
}
