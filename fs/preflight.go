package fs

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/moby/sys/mountinfo"
	"golang.org/x/sys/unix"
)

// preflight finds out before mounting what would fail, hang or surprise, and
// says what to do about it. It returns the mountpoint without symbolic links.
func (f *FS) preflight(mountpoint string, o Options) (string, error) {
	path, err := checkMountpoint(mountpoint)
	if err != nil {
		return "", err
	}
	if err := checkNotMounted(path); err != nil {
		return "", err
	}
	if err := f.checkNotBelow(path); err != nil {
		return "", err
	}
	if err := checkFuse(); err != nil {
		return "", err
	}
	if unix.Geteuid() != 0 {
		return path, checkUser(path, o)
	}
	return path, nil
}

func checkMountpoint(mountpoint string) (string, error) {
	abs, err := filepath.Abs(mountpoint)
	if err != nil {
		return "", fmt.Errorf("resolve mountpoint %s: %w", mountpoint, err)
	}
	path, err := filepath.EvalSymlinks(abs)
	switch {
	case errors.Is(err, unix.ENOENT):
		return "", fmt.Errorf("mountpoint %s does not exist: create the directory first", abs)
	case errors.Is(err, unix.ENOTCONN):
		return "", fmt.Errorf("mountpoint %s is a dead FUSE mount: run 'umount %s' first", abs, abs)
	case errors.Is(err, unix.ENOTDIR):
		return "", fmt.Errorf("mountpoint %s is not a directory", abs)
	case err != nil:
		return "", fmt.Errorf("resolve mountpoint %s: %w", abs, err)
	}
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, unix.ENOTCONN):
		return "", fmt.Errorf("mountpoint %s is a dead FUSE mount: run 'umount %s' first", abs, abs)
	case err != nil:
		return "", fmt.Errorf("stat mountpoint %s: %w", abs, err)
	case !fi.IsDir():
		return "", fmt.Errorf("mountpoint %s is not a directory", abs)
	}
	return path, nil
}

// checkNotMounted refuses a second blkfs over the same point: the first would
// be hidden, and its counters with it.
func checkNotMounted(path string) error {
	if m := topMount(path); m != nil && isOurs(m.FSType) {
		return fmt.Errorf("mountpoint %s has a blkfs already, of %s: run 'blkfs umount %s' first", path, m.Source, path)
	}
	return nil
}

// topMount returns the mount that is seen at a mount point, or nil.
func topMount(path string) *mountinfo.Info {
	// A later line lies over an earlier one.
	mounts, err := mountinfo.GetMounts(func(i *mountinfo.Info) (skip, stop bool) { return i.Mountpoint != path, false })
	if err != nil || len(mounts) == 0 {
		return nil
	}
	return mounts[len(mounts)-1]
}

// checkNotBelow refuses a mountpoint strictly below the source: whoever looks
// it up through the mount waits for a server that waits for them.
//
// The way up from the mountpoint is compared with the source by inode, so that
// no other spelling gets past. Over the source itself is fine: it is open.
func (f *FS) checkNotBelow(path string) error {
	src, err := f.root.path()
	if err != nil {
		return fmt.Errorf("open source %s: %w", f.source, err)
	}
	defer src.close()
	var want unix.Statx_t
	if err := statxFD(src.fd, 0, unix.STATX_INO, &want); err != nil {
		return fmt.Errorf("stat source %s: %w", f.source, err)
	}
	for dir := path; dir != "/"; {
		dir = filepath.Dir(dir)
		var st unix.Statx_t
		if err := unix.Statx(unix.AT_FDCWD, dir, unix.AT_SYMLINK_NOFOLLOW, unix.STATX_INO, &st); err != nil {
			return fmt.Errorf("stat %s: %w", dir, err)
		}
		if st.Ino == want.Ino && st.Dev_major == want.Dev_major && st.Dev_minor == want.Dev_minor {
			return fmt.Errorf("mountpoint %s lies below its source %s, which would hang: "+
				"mount over the source itself, or outside it", path, f.source)
		}
	}
	return nil
}

func checkFuse() error {
	_, err := os.Stat("/dev/fuse")
	if errors.Is(err, unix.ENOENT) {
		return errors.New("no /dev/fuse: load the kernel's FUSE with 'modprobe fuse'; in a container, pass the device in (--device /dev/fuse)")
	}
	if err != nil {
		return fmt.Errorf("look at /dev/fuse: %w", err)
	}
	fd, err := unix.Open("/dev/fuse", unix.O_RDWR|unix.O_CLOEXEC, 0)
	switch err {
	case nil:
		_ = unix.Close(fd)
		return nil
	case unix.ENODEV, unix.ENXIO:
		return errors.New("/dev/fuse is there but the kernel has no FUSE: load it with 'modprobe fuse'")
	case unix.EPERM, unix.EACCES:
		return fmt.Errorf("no permission to open /dev/fuse (%w): run as root, or allow the device to this container", err)
	default:
		return fmt.Errorf("open /dev/fuse: %w", err)
	}
}

// checkUser checks what an ordinary user needs.
func checkUser(path string, o Options) error {
	if _, err := exec.LookPath("fusermount3"); err != nil {
		if _, err := exec.LookPath("fusermount"); err != nil {
			return errors.New("no permission to mount: run as root, or install fusermount3 (package fuse3) for mounts by ordinary users")
		}
	}
	if err := unix.Access(path, unix.W_OK); err != nil {
		return fmt.Errorf("no permission to mount over %s: it must be writable by you (%w)", path, err)
	}
	if o.AllowOther && !userAllowOther() {
		return errors.New("option allow_other: ordinary users may give it only where /etc/fuse.conf has the line user_allow_other")
	}
	return nil
}

func userAllowOther() bool {
	b, err := os.ReadFile("/etc/fuse.conf")
	if err != nil {
		return false
	}
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == "user_allow_other" {
			return true
		}
	}
	return false
}
