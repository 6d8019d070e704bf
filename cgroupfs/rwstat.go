package cgroupfs

import "blkfs/accounting"

// figure picks one figure of a group.
type figure func(c *accounting.Counters) accounting.RWStat

func serviceBytes(c *accounting.Counters) accounting.RWStat { return c.Bytes }
func serviced(c *accounting.Counters) accounting.RWStat     { return c.Requests }
func serviceTime(c *accounting.Counters) accounting.RWStat  { return c.ServiceTime }
func waitTime(c *accounting.Counters) accounting.RWStat     { return c.WaitTime }

// merged is 0: nothing merges requests.
func merged(*accounting.Counters) accounting.RWStat { return accounting.RWStat{} }

// queued is what waits now. The books do not tell waiting O_SYNC writes apart:
// reads show as Sync, writes and discards as Async.
func queued(c *accounting.Counters) accounting.RWStat {
	return accounting.RWStat{By: c.Queued, Sync: c.Queued[accounting.Read]}
}

// rwstat is the format of most v1 files: six lines per device and a total over
// devices, as blkcg_print_blkgs with blkg_prfill_rwstat prints it
// (block/blk-cgroup.c; __blkg_prfill_rwstat in block/blk-cgroup-rwstat.c). A
// device without I/O is left out, unless this very figure has something to show:
// a request that waits, or waited and failed.
func rwstat(pick figure) format {
	return func(dst []byte, stats []accounting.DeviceStat) []byte {
		var total uint64
		for i := range stats {
			s := pick(&stats[i].Counters)
			if s.Total() == 0 && !stats[i].HasIO() {
				continue
			}
			dst = appendRWStat(dst, stats[i].Device, &s)
			total += s.Total()
		}
		return append(appendField(dst, "Total ", total), '\n')
	}
}

func appendRWStat(dst []byte, dev accounting.DeviceID, s *accounting.RWStat) []byte {
	for _, line := range [...]struct {
		name  string
		value uint64
	}{
		{" Read ", s.By[accounting.Read]},
		{" Write ", s.By[accounting.Write]},
		{" Sync ", s.Sync},
		{" Async ", s.Async()},
		{" Discard ", s.By[accounting.Discard]},
		{" Total ", s.Total()},
	} {
		dst = appendField(appendDevice(dst, dev), line.name, line.value)
		dst = append(dst, '\n')
	}
	return dst
}

// scalar is the format of v1 files with one number per device and no total:
// blkg_prfill_stat, as CFQ used it (block/cfq-iosched.c until Linux 4.20).
func scalar(pick func(c *accounting.Counters) uint64) format {
	return func(dst []byte, stats []accounting.DeviceStat) []byte {
		for i := range stats {
			n := pick(&stats[i].Counters)
			if n == 0 && !stats[i].HasIO() {
				continue
			}
			dst = appendField(appendDevice(dst, stats[i].Device), " ", n)
			dst = append(dst, '\n')
		}
		return dst
	}
}

// milliseconds is blkio.time: time at the device, that is the backing file.
func milliseconds(c *accounting.Counters) uint64 { return c.ServiceTime.Total() / 1e6 }

// sectors is blkio.sectors, in units of 512 bytes, rounded down as a whole.
func sectors(c *accounting.Counters) uint64 { return c.Bytes.Total() / 512 }
