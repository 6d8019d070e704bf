package cgroupfs

import (
	"strconv"

	"blkfs/accounting"
)

// source takes a cgroup's figures from the books.
type source func(b Books, cgroup uint64) []accounting.DeviceStat

// format appends figures to dst as a file shows them.
type format func(dst []byte, stats []accounting.DeviceStat) []byte

// statFile is the row of a file that shows figures from a source in a format.
func statFile(name string, from source, as format) file {
	return file{
		name: name,
		mode: 0o444,
		render: func(b Books, cgroup uint64, dst []byte) []byte {
			return as(dst, from(b, cgroup))
		},
	}
}

// v1Files are the rows of a cgroup v1 file and its _recursive twin.
func v1Files(name string, as format) table {
	return table{
		statFile(name, Books.OwnSinceReset, as),
		statFile(name+"_recursive", Books.Tree, as),
	}
}

func appendDevice(dst []byte, d accounting.DeviceID) []byte {
	dst = strconv.AppendUint(dst, uint64(d.Major), 10)
	dst = append(dst, ':')
	return strconv.AppendUint(dst, uint64(d.Minor), 10)
}

// appendField appends text and a number.
func appendField(dst []byte, text string, n uint64) []byte {
	dst = append(dst, text...)
	return strconv.AppendUint(dst, n, 10)
}
