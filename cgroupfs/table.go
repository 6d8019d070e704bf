package cgroupfs

import "slices"

// file is one row of a table: a virtual file. Immutable.
type file struct {
	name string
	mode uint32

	// render appends the file's text to dst and returns it; nil: the file cannot
	// be read. It holds no lock, uses no fmt, and creates no group. cgroup is 0
	// for files beside the trees.
	render func(b Books, cgroup uint64, dst []byte) []byte

	// write does what the text says, all or nothing; nil: the file cannot be
	// written. Who may write is checked before. The text may not be kept.
	write func(b Books, cgroup uint64, text []byte) error
}

// table has the files of every cgroup directory of a tree, or of the root.
type table []file

func (t table) find(name string) *file {
	for i := range t {
		if t[i].name == name {
			return &t[i]
		}
	}
	return nil
}

// blkioFiles are the cgroup v1 names. blkio.throttle.* are blk-throttle's, the
// others were CFQ's (now bfq's) and are still what readers look for first.
// Without _recursive a file is about the cgroup alone, since its last
// reset_stats; blkfs.* are about the cgroup alone too, and know no reset.
func blkioFiles() table {
	return slices.Concat(
		v1Files("blkio.throttle.io_service_bytes", rwstat(serviceBytes)),
		v1Files("blkio.throttle.io_serviced", rwstat(serviced)),
		v1Files("blkio.io_service_bytes", rwstat(serviceBytes)),
		v1Files("blkio.io_serviced", rwstat(serviced)),
		v1Files("blkio.io_service_time", rwstat(serviceTime)),
		v1Files("blkio.io_wait_time", rwstat(waitTime)),
		v1Files("blkio.io_merged", rwstat(merged)),
		v1Files("blkio.io_queued", rwstat(queued)),
		v1Files("blkio.time", scalar(milliseconds)),
		v1Files("blkio.sectors", scalar(sectors)),
		table{{name: "blkio.reset_stats", mode: 0o200, write: resetStats}},
		blkfsFiles(Books.Own),
	)
}

// unifiedFiles are the cgroup v2 names; all figures, blkfs.* included, are of
// the cgroup and all below it.
func unifiedFiles() table {
	return slices.Concat(
		table{statFile("io.stat", Books.Tree, appendIOStat)},
		blkfsFiles(Books.Tree),
	)
}

// blkfsFiles are the figures that the kernel has no file for.
func blkfsFiles(from source) table {
	return table{
		statFile("blkfs.errors", from, appendErrors),
		statFile("blkfs.flushed", from, appendFlushed),
		statFile("blkfs.latency", from, appendLatency),
		statFile("blkfs.ops", from, appendOps),
	}
}

// hostFiles are the files beside the trees.
func hostFiles(version func() []KeyValue) table {
	return table{
		{name: "devices", mode: 0o444, render: renderDevices},
		{name: "pool", mode: 0o444, render: renderPool},
		{name: "removed", mode: 0o444, render: renderRemoved},
		{name: "version", mode: 0o444, render: versionRenderer(version)},
	}
}
