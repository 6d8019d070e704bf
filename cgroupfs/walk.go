package cgroupfs

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup is a live cgroup, as its directory on cgroupfs tells. The zero id is
// no cgroup.
type cgroup struct {
	id      uint64 // inode number of the directory: the kernel's cgroup id
	changed unix.Timespec
}

// findCgroup returns the cgroup that lies at the paths, one below the other,
// under the cgroupfs directory root. errAbsent if there is none.
func findCgroup(root string, paths ...string) (cgroup, error) {
	fd, err := openCgroup(root, paths...)
	if err != nil {
		return cgroup{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return cgroup{}, fmt.Errorf("stat cgroup %q: %w", paths, err)
	}
	return cgroup{id: st.Ino, changed: st.Mtim}, nil
}

// subCgroups lists the names of the cgroups directly below such a directory.
func subCgroups(root string, paths ...string) ([]string, error) {
	fd, err := openCgroup(root, paths...)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	dirFD, err := openat(fd, ".", unix.O_RDONLY|unix.O_DIRECTORY)
	if err != nil {
		return nil, absent(err)
	}
	dir := os.NewFile(uintptr(dirFD), "cgroup")
	defer dir.Close()
	entries, err := dir.ReadDir(-1)
	if err != nil {
		return nil, absent(err)
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// openCgroup walks to a directory one component at a time, never through a
// symbolic link and never up, and returns an O_PATH descriptor. Only root
// itself, which is ours and not a viewer's, is opened by path.
func openCgroup(root string, paths ...string) (int, error) {
	fd, err := openat(unix.AT_FDCWD, root, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return -1, fmt.Errorf("open cgroup root %q: %w", root, err)
	}
	for _, path := range paths {
		for name := range strings.SplitSeq(path, "/") {
			if name == "" {
				continue
			}
			next, err := step(fd, name)
			unix.Close(fd)
			if err != nil {
				return -1, absent(err)
			}
			fd = next
		}
	}
	return fd, nil
}

func step(fd int, name string) (int, error) {
	if name == "." || name == ".." {
		return -1, errAbsent
	}
	return openat(fd, name, unix.O_PATH|unix.O_DIRECTORY|unix.O_NOFOLLOW)
}

func openat(dir int, name string, flags int) (int, error) {
	for {
		fd, err := unix.Openat(dir, name, flags|unix.O_CLOEXEC, 0)
		if err != unix.EINTR {
			return fd, err
		}
	}
}

// absent makes errAbsent of the errors that say that there is no such cgroup: no
// such name, a file or a link of that name, or a directory removed under us.
func absent(err error) error {
	for _, gone := range []error{unix.ENOENT, unix.ENOTDIR, unix.ELOOP, unix.ENODEV} {
		if errors.Is(err, gone) {
			return errAbsent
		}
	}
	return err
}
