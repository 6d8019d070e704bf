package accounting

import (
	"fmt"

	"github.com/containerd/cgroups/v3"
	"golang.org/x/sys/unix"
)

// Hierarchy says which of the host's cgroup hierarchies counts.
type Hierarchy string

// The hierarchies. Auto is the one that carries the block I/O controller: v1
// where blkio is mounted, else v2.
const (
	HierarchyAuto Hierarchy = "auto"
	HierarchyV1   Hierarchy = "v1"
	HierarchyV2   Hierarchy = "v2"
)

// Where the hierarchies are mounted, by the convention that systemd, runc and
// containerd keep.
const (
	unifiedRoot = "/sys/fs/cgroup"         // a host with v2 alone
	hybridRoot  = "/sys/fs/cgroup/unified" // v2 on a hybrid host
	blkioRoot   = "/sys/fs/cgroup/blkio"   // v1
)

// resolve turns HierarchyAuto into what the host has, and returns the directory
// of the hierarchy's root. The error says what is missing.
func (h Hierarchy) resolve() (Hierarchy, string, error) {
	v1 := isMounted(blkioRoot, unix.CGROUP_SUPER_MAGIC)
	v2 := ""
	switch cgroups.Mode() {
	case cgroups.Unified:
		v2 = unifiedRoot
	case cgroups.Hybrid:
		v2 = hybridRoot
	}
	switch h {
	case HierarchyAuto, "":
		if v1 {
			return HierarchyV1, blkioRoot, nil
		}
		if v2 != "" {
			return HierarchyV2, v2, nil
		}
		return "", "", fmt.Errorf("no cgroup hierarchy to count by: neither %s (v1) nor cgroup2 on %s is mounted", blkioRoot, unifiedRoot)
	case HierarchyV1:
		if !v1 {
			return "", "", fmt.Errorf("hierarchy v1: the blkio controller is not mounted on %s; use v2 or auto", blkioRoot)
		}
		return HierarchyV1, blkioRoot, nil
	case HierarchyV2:
		if v2 == "" {
			return "", "", fmt.Errorf("hierarchy v2: no cgroup2 on %s or %s; use v1 or auto", unifiedRoot, hybridRoot)
		}
		return HierarchyV2, v2, nil
	}
	return "", "", fmt.Errorf("hierarchy %q: must be auto, v1 or v2", string(h))
}

func isMounted(dir string, magic int64) bool {
	var st unix.Statfs_t
	return unix.Statfs(dir, &st) == nil && st.Type == magic
}

// Hierarchy returns which hierarchy counts: HierarchyV1 or HierarchyV2.
func (a *Accounting) Hierarchy() Hierarchy { return a.ident.hierarchy }

// CgroupRoot returns the directory where the hierarchy that counts is mounted.
func (a *Accounting) CgroupRoot() string { return a.ident.root }
