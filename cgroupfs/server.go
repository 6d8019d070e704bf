package cgroupfs

import (
	"context"
	"hash/maphash"
	"log/slog"
	"time"

	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// tree is one of the two mirrors of the cgroup hierarchy. Immutable.
type tree struct {
	name  string
	files table
}

// server is what all nodes share. Immutable, and so safe for concurrent use.
type server struct {
	books Books
	log   *slog.Logger
	trees []*tree
	host  table // beside the trees, in the host view only
	seed  maphash.Seed
	since unix.Timespec // the time of files that belong to no cgroup
}

func newServer(cfg Config) *server {
	log := cfg.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &server{
		books: cfg.Books,
		log:   log,
		trees: []*tree{
			{name: "blkio", files: blkioFiles()},
			{name: "unified", files: unifiedFiles()},
		},
		host:  hostFiles(cfg.Version),
		seed:  maphash.MakeSeed(),
		since: unix.NsecToTimespec(time.Now().UnixNano()),
	}
}

func (s *server) tree(name string) *tree {
	for _, t := range s.trees {
		if t.name == name {
			return t
		}
	}
	return nil
}

// place is where a node is: a directory of a tree, by its path relative to
// whoever looks ("/", "/a", "/a/b"), or, with the zero value, the root of the
// virtual directory.
type place struct {
	tree *tree
	path string
}

// child is the place of a directory below p.
func (p place) child(name string) place {
	if p.path == "/" {
		return place{tree: p.tree, path: "/" + name}
	}
	return place{tree: p.tree, path: p.path + "/" + name}
}

// viewer is who asks, as far as it decides what they see and may do.
type viewer struct {
	accounting.View
	uid uint32
}

// mayWrite says whether v may change anything: only root in the host view, so
// that a container cannot lift its own limits.
func (v viewer) mayWrite() bool { return v.Host && v.uid == 0 }

// viewer works out who issued the request of ctx. A caller that cannot be told
// is denied.
func (s *server) viewer(ctx context.Context) (viewer, error) {
	caller, ok := fuse.FromContext(ctx)
	if !ok {
		return viewer{}, errDenied
	}
	view, err := s.view(caller.Pid)
	return viewer{View: view, uid: caller.Uid}, err
}

func (s *server) view(tid uint32) (accounting.View, error) {
	view, err := s.books.View(tid)
	if err != nil {
		s.log.Debug("no view of the virtual directory for this caller", "tid", tid, "err", err)
		return accounting.View{}, errDenied
	}
	return view, nil
}

// resolve finds the cgroup that p is for a viewer. The root of the virtual
// directory is none: the zero cgroup.
func (s *server) resolve(v viewer, p place) (cgroup, error) {
	if p.tree == nil {
		return cgroup{changed: s.since}, nil
	}
	return findCgroup(s.books.CgroupRoot(), v.Root, p.path)
}
