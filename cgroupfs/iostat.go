package cgroupfs

import "blkfs/accounting"

// appendIOStat is io.stat: one line per device with I/O, nothing without
// (block/blk-cgroup.c, blkcg_print_one_stat).
func appendIOStat(dst []byte, stats []accounting.DeviceStat) []byte {
	for i := range stats {
		if stats[i].HasIO() {
			dst = appendIOStatLine(dst, stats[i].Device, &stats[i].Counters)
		}
	}
	return dst
}

func appendIOStatLine(dst []byte, dev accounting.DeviceID, c *accounting.Counters) []byte {
	dst = appendDevice(dst, dev)
	dst = appendField(dst, " rbytes=", c.Bytes.By[accounting.Read])
	dst = appendField(dst, " wbytes=", c.Bytes.By[accounting.Write])
	dst = appendField(dst, " rios=", c.Requests.By[accounting.Read])
	dst = appendField(dst, " wios=", c.Requests.By[accounting.Write])
	dst = appendField(dst, " dbytes=", c.Bytes.By[accounting.Discard])
	dst = appendField(dst, " dios=", c.Requests.By[accounting.Discard])
	return append(dst, '\n')
}
