package accounting

import (
	"os"
	"testing"
)

func TestParseCgroupFile(t *testing.T) {
	const hybrid = "9:name=systemd:/x\n7:blkio:/docker/ab:c\n2:cpu,cpuacct:/\n0::/user.slice/s\n"
	for _, x := range []struct {
		name, text string
		h          Hierarchy
		want       string
		ok         bool
	}{
		{"v1", hybrid, HierarchyV1, "/docker/ab:c", true},
		{"v2", hybrid, HierarchyV2, "/user.slice/s", true},
		{"v1 among others", "3:memory,blkio:/a\n", HierarchyV1, "/a", true},
		{"v1 absent", "0::/a\n", HierarchyV1, "", false},
		{"similar name", "3:xblkio:/a\n", HierarchyV1, "", false},
		{"root", "0::/\n", HierarchyV2, "/", true},
		{"named as if removed", "0::/a (deleted)\n", HierarchyV2, "/a (deleted)", true},
		{"outside our namespace", "0::/../other\n", HierarchyV2, "/../other", true},
		{"named like outside", "0::/..a\n", HierarchyV2, "/..a", true},
		{"cut short", "0::/ab", HierarchyV2, "", false},
		{"empty", "", HierarchyV2, "", false},
		{"rubbish", "::\n\n0:\n", HierarchyV2, "", false},
	} {
		got, ok := parseCgroupFile([]byte(x.text), x.h)
		if ok != x.ok || got.String() != x.want {
			t.Errorf("%s: %q, %v; want %q, %v", x.name, got, ok, x.want, x.ok)
		}
	}
}

func FuzzParseCgroupFile(f *testing.F) {
	f.Add([]byte("7:blkio:/a\n0::/b\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, h := range []Hierarchy{HierarchyV1, HierarchyV2} {
			p, ok := parseCgroupFile(append([]byte(nil), text...), h)
			if !ok {
				continue
			}
			if p.b[0] != '/' || cap(p.b) <= len(p.b) {
				t.Fatalf("path %q with capacity %d", p.b, cap(p.b))
			}
			for !p.isRoot() { // parents end at the root
				next := p.parent()
				if len(next.b) >= len(p.b) {
					t.Fatalf("parent of %q is %q", p.b, next.b)
				}
				p = next
			}
		}
	})
}

func TestPathParents(t *testing.T) {
	var buf pathBuffer
	p, _ := buf.set("/a/bc/d")
	for _, want := range []string{"/a/bc", "/a", "/", "/"} {
		p = p.parent()
		if p.String() != want {
			t.Fatalf("parent %q, want %q", p, want)
		}
	}
}

func TestNamespaceDepth(t *testing.T) {
	for _, x := range []struct {
		outside, inside string
		depth           int
	}{
		{"/", "/", 0},
		{"/", "/..", 1},
		{"/", "/../../..", 3},
		{"/sys/blkfs", "/../../sys/blkfs", 2}, // ours and the namespace meet at the root
		{"/a/b/blkfs", "/../../b/blkfs", 3},   // they meet at /a
		{"/a/b/blkfs", "/blkfs", 2},           // we are below the namespace's root
		{"/a/b/blkfs", "/", 3},                // we are its root
		{"/kube/pod", "/../../x/../../..", 6}, // not a path of the kernel's; no panic
	} {
		if got := namespaceDepth(x.outside, x.inside); got != x.depth {
			t.Errorf("namespaceDepth(%q, %q) = %d, want %d", x.outside, x.inside, got, x.depth)
		}
	}
}

func TestFirstComponents(t *testing.T) {
	for _, x := range []struct {
		path  string
		n     int
		first string
		ok    bool
	}{
		{"/a/b/c", 2, "/a/b", true},
		{"/a/b/c", 3, "/a/b/c", true},
		{"/a/b/c", 0, "/", true},
		{"/a", 2, "/a", false},
		{"/", 1, "/", false},
		{"/a", -1, "/", false},
	} {
		first, ok := firstComponents(x.path, x.n)
		if first != x.first || ok != x.ok {
			t.Errorf("firstComponents(%q, %d) = %q, %v", x.path, x.n, first, ok)
		}
	}
}

// The host's own hierarchies: what this process is in must be found, on each
// that the host has.
func TestIdentifyOnThisHost(t *testing.T) {
	found := false
	for _, h := range []Hierarchy{HierarchyV1, HierarchyV2} {
		hierarchy, root, err := h.resolve()
		if err != nil {
			continue
		}
		found = true
		id, err := newIdentifier(hierarchy, root)
		if err != nil {
			t.Fatal(err)
		}
		var buf pathBuffer
		cg, path, ok := id.identify(uint32(os.Getpid()), &buf)
		if !ok || cg == 0 || cg != id.idOf(path) {
			t.Errorf("%s: cgroup %d at %q, ok %v", h, cg, path, ok)
		}
		if q := id.quick(uint32(os.Getpid())); id.pidfd && q != cg {
			t.Errorf("%s: PIDFD_GET_INFO says %d, /proc says %d", h, q, cg)
		}
		if _, _, ok := id.identify(1<<30, &buf); ok {
			t.Errorf("%s: a thread that does not exist has a cgroup", h)
		}
		if n := testing.AllocsPerRun(100, func() { id.identify(uint32(os.Getpid()), &buf) }); n != 0 {
			t.Errorf("%s: identify allocates %v times", h, n)
		}
		if err := id.close(); err != nil {
			t.Error(err)
		}
	}
	if !found {
		t.Skip("no cgroup hierarchy is mounted")
	}
}

func TestUnknownHierarchyIsRefused(t *testing.T) {
	if _, err := New(Config{Hierarchy: "v3"}); err == nil {
		t.Error("hierarchy v3 was accepted")
	}
}
