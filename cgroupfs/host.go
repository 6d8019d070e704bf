package cgroupfs

import "strconv"

func renderPool(b Books, _ uint64, dst []byte) []byte {
	s := b.PoolStats()
	for _, line := range [...]struct {
		key   string
		value uint64
	}{
		{"reserve ", uint64(s.Reserve)},
		{"free ", uint64(s.Free)},
		{"in_use ", uint64(s.InUse)},
		{"max ", uint64(s.Max)},
		{"misses ", s.Misses},
		{"refills ", s.Refills},
		{"bytes ", s.Bytes},
		{"cpus ", uint64(s.CPUs)},
	} {
		dst = append(appendField(dst, line.key, line.value), '\n')
	}
	return dst
}

// renderDevices writes a line per backing mount, in the fields of mountinfo.
func renderDevices(b Books, _ uint64, dst []byte) []byte {
	for _, m := range b.Mounts() {
		dst = append(appendDevice(dst, m.Device), ' ')
		dst = append(appendEscaped(dst, m.FSType), ' ')
		dst = append(appendEscaped(dst, m.Source), ' ')
		dst = append(appendEscaped(dst, m.Path), '\n')
	}
	return dst
}

// renderRemoved writes a line per removed cgroup and device: path, id, unix
// time, and the line of io.stat, that of a device without I/O included.
func renderRemoved(b Books, _ uint64, dst []byte) []byte {
	removed := b.Removed()
	for i := range removed {
		r := &removed[i]
		dst = appendEscaped(dst, r.Path)
		dst = appendField(dst, " ", r.ID)
		dst = append(dst, ' ')
		dst = append(strconv.AppendInt(dst, r.Time.Unix(), 10), ' ')
		dst = appendIOStatLine(dst, r.Device, &r.Counters)
	}
	return dst
}

// versionRenderer writes what the command says of itself. Values are escaped as
// in mountinfo: a source path may hold a newline.
func versionRenderer(lines func() []KeyValue) func(Books, uint64, []byte) []byte {
	return func(_ Books, _ uint64, dst []byte) []byte {
		if lines == nil {
			return dst
		}
		for _, kv := range lines() {
			dst = append(append(dst, kv.Key...), ' ')
			dst = append(appendEscaped(dst, kv.Value), '\n')
		}
		return dst
	}
}
