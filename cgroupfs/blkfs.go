package cgroupfs

import (
	"strconv"

	"blkfs/accounting"
)

// appendErrors is blkfs.errors: two lines per device that the cgroup has a group
// on. A failed discard counts with the writes: it is what a program asked to be
// changed, and every error shows somewhere.
func appendErrors(dst []byte, stats []accounting.DeviceStat) []byte {
	for i := range stats {
		e := &stats[i].Errors
		dst = appendField(appendDevice(dst, stats[i].Device), " read ", e[accounting.Read])
		dst = append(dst, '\n')
		dst = appendField(appendDevice(dst, stats[i].Device), " write ", e[accounting.Write]+e[accounting.Discard])
		dst = append(dst, '\n')
	}
	return dst
}

// appendFlushed is blkfs.flushed: a line per device that page-cache flushes
// wrote to.
func appendFlushed(dst []byte, stats []accounting.DeviceStat) []byte {
	for i := range stats {
		s := &stats[i]
		if s.FlushedBytes == 0 && s.FlushedRequests == 0 {
			continue
		}
		dst = appendField(appendDevice(dst, s.Device), " ", s.FlushedBytes)
		dst = append(appendField(dst, " ", s.FlushedRequests), '\n')
	}
	return dst
}

// appendLatency is blkfs.latency: a cumulative histogram for reads, then one for
// writes, per device that has a sample in either.
func appendLatency(dst []byte, stats []accounting.DeviceStat) []byte {
	for i := range stats {
		s := &stats[i]
		if s.Latency == (accounting.Counters{}).Latency {
			continue
		}
		dst = appendHistogram(dst, s.Device, " read ", &s.Latency[accounting.Read])
		dst = appendHistogram(dst, s.Device, " write ", &s.Latency[accounting.Write])
	}
	return dst
}

func appendHistogram(dst []byte, dev accounting.DeviceID, dir string, buckets *[accounting.LatencyBuckets]uint64) []byte {
	var sum uint64
	for i, n := range buckets {
		sum += n
		dst = append(appendDevice(dst, dev), dir...)
		if bound, ok := accounting.LatencyBound(i); ok {
			dst = strconv.AppendInt(dst, bound.Nanoseconds(), 10)
		} else {
			dst = append(dst, "+Inf"...)
		}
		dst = append(appendField(dst, " ", sum), '\n')
	}
	return dst
}

// appendOps is blkfs.ops: a line per device and operation that was asked for.
func appendOps(dst []byte, stats []accounting.DeviceStat) []byte {
	for i := range stats {
		for op, n := range stats[i].Ops {
			if n.Count == 0 {
				continue
			}
			dst = append(appendDevice(dst, stats[i].Device), ' ')
			dst = append(dst, accounting.Op(op).String()...)
			dst = appendField(dst, " ", n.Count)
			dst = append(appendField(dst, " ", n.Errors), '\n')
		}
	}
	return dst
}
