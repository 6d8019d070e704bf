package fs

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"
)

// ErrBusy says that a mount has open files, or working directories in it.
var ErrBusy = errors.New("the mount is busy")

// Server is a mounted file system. Safe for concurrent use.
type Server struct {
	server *fuse.Server
	path   string
	direct bool // mounted by ourselves, not by fusermount3
	done   chan struct{}

	mountID int // as in mountinfo; 0: unknown
}

func (s *Server) serve() {
	defer close(s.done)
	s.server.Serve()
}

// Mountpoint is where it is mounted, without symbolic links.
func (s *Server) Mountpoint() string { return s.path }

// Done is closed when the mount is gone, whoever took it away, and the last
// request is answered.
func (s *Server) Done() <-chan struct{} { return s.done }

// Wait waits for Done.
func (s *Server) Wait() { <-s.done }

// Unmount takes the mount away and waits for Done. ErrBusy: files are open.
func (s *Server) Unmount() error {
	if s.gone() {
		return nil
	}
	if err := s.unmount(false); err != nil {
		return err
	}
	s.Wait()
	return nil
}

// LazyUnmount takes the mount out of sight at once; it is Done when the last
// file in it is closed.
func (s *Server) LazyUnmount() error {
	if s.gone() {
		return nil
	}
	return s.unmount(true)
}

// unmount takes away what is mounted at the path if that is us.
func (s *Server) unmount(lazy bool) error {
	if m := topMount(s.path); m != nil && s.mountID != 0 && m.ID != s.mountID {
		return fmt.Errorf("unmount %s: another mount, of type %s, lies over it", s.path, m.FSType)
	}
	return unmount(s.path, s.direct, lazy)
}

func (s *Server) gone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// Unmount takes a mount of a blkfs away that another process serves.
func Unmount(path string, lazy bool) error {
	// A dead mount cannot be looked at; then path has to be spelled as it was mounted.
	if resolved, err := filepath.EvalSymlinks(path); err == nil {
		path = resolved
	}
	m := topMount(path)
	if m == nil {
		return fmt.Errorf("%s is not a mount point", path)
	}
	if !isOurs(m.FSType) {
		return fmt.Errorf("%s is a mount of type %s, not a blkfs", path, m.FSType)
	}
	return unmount(path, unix.Geteuid() == 0, lazy)
}

func unmount(path string, direct, lazy bool) error {
	if !direct {
		return fusermountUnmount(path, lazy)
	}
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	err := unix.Unmount(path, flags)
	if err == unix.EBUSY {
		return fmt.Errorf("unmount %s: %w", path, ErrBusy)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

func fusermountUnmount(path string, lazy bool) error {
	bin := "fusermount3"
	if _, err := exec.LookPath(bin); err != nil {
		bin = "fusermount"
	}
	args := []string{"-u", path}
	if lazy {
		args = []string{"-u", "-z", path}
	}
	out, err := exec.Command(bin, args...).CombinedOutput()
	if err == nil {
		return nil
	}
	said := strings.TrimSpace(string(out))
	if strings.Contains(strings.ToLower(said), "busy") {
		return fmt.Errorf("unmount %s: %w", path, ErrBusy)
	}
	return fmt.Errorf("unmount %s: %w: %s", path, err, said)
}
