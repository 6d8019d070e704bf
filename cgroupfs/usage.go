package cgroupfs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Usage is what one cgroup did, over all devices: the reader's side of the
// files of this package. It is plain data.
type Usage struct {
	Cgroup          string `json:"cgroup"`
	ReadBytes       uint64 `json:"read_bytes"`
	WriteBytes      uint64 `json:"write_bytes"`
	DiscardBytes    uint64 `json:"discard_bytes"`
	ReadRequests    uint64 `json:"read_requests"`
	WriteRequests   uint64 `json:"write_requests"`
	DiscardRequests uint64 `json:"discard_requests"`
	ReadErrors      uint64 `json:"read_errors"`
	WriteErrors     uint64 `json:"write_errors"`
	ReadTime        uint64 `json:"read_time_ns"`  // at the backing files
	WriteTime       uint64 `json:"write_time_ns"` // likewise
}

// Add adds o's figures to u's.
func (u *Usage) Add(o Usage) { u.combine(o, func(a, b uint64) uint64 { return a + b }) }

// lessUpTo takes o's figures off u's, down to 0.
func (u *Usage) lessUpTo(o Usage) { u.combine(o, func(a, b uint64) uint64 { return a - min(a, b) }) }

func (u *Usage) combine(o Usage, f func(a, b uint64) uint64) {
	mine, others := u.figures(), o.figures()
	for i := range mine {
		*mine[i] = f(*mine[i], *others[i])
	}
}

func (u *Usage) figures() [10]*uint64 {
	return [...]*uint64{
		&u.ReadBytes, &u.WriteBytes, &u.DiscardBytes, &u.ReadRequests, &u.WriteRequests,
		&u.DiscardRequests, &u.ReadErrors, &u.WriteErrors, &u.ReadTime, &u.WriteTime,
	}
}

// Idle says whether there is nothing to tell.
func (u *Usage) Idle() bool {
	for _, f := range u.figures() {
		if *f != 0 {
			return false
		}
	}
	return true
}

// MeanRead is the mean service time of a read, 0 if there was none.
func (u *Usage) MeanRead() time.Duration { return mean(u.ReadTime, u.ReadRequests) }

// MeanWrite is the mean service time of a write, 0 if there was none.
func (u *Usage) MeanWrite() time.Duration { return mean(u.WriteTime, u.WriteRequests) }

func mean(ns, n uint64) time.Duration {
	if n == 0 {
		return 0
	}
	return time.Duration(ns / n)
}

// PastName stands, in what ReadUsage returns, for what the own figures do not
// show any more: what removed cgroups did, and what was before a reset. No
// cgroup's path is like it: those begin with "/".
const PastName = "(removed or reset)"

// ReadUsage reads the virtual directory dir, such as /mnt/.blkfs: the own
// figures of cgroup and of every cgroup below it, in the order of a walk, then
// those of the past. While I/O goes on, the figures are of slightly different
// moments; those of the past are then too low, never too high.
func ReadUsage(dir, cgroup string) ([]Usage, error) {
	base := filepath.Join(dir, "blkio")
	top := filepath.Join(base, cgroup)
	// The total comes first: what is done meanwhile is then not taken for
	// something of the past.
	past, err := readOne(top, "_recursive", filepath.Join(dir, "unified", cgroup))
	if err != nil {
		return nil, err
	}
	past.Cgroup = PastName
	var all []Usage
	err = filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path != top {
			return nil // removed meanwhile
		}
		if err != nil || !d.IsDir() {
			return err
		}
		u, err := readOne(path, "", path)
		if errors.Is(err, fs.ErrNotExist) && path != top {
			return fs.SkipDir
		}
		if err != nil {
			return err
		}
		u.Cgroup = "/" + strings.TrimPrefix(strings.TrimPrefix(path, base), "/")
		all = append(all, u)
		past.lessUpTo(u)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return append(all, past), nil
}

// readOne reads the figures of one cgroup; suffix is "" or "_recursive". The
// errors, which have no such suffix, are those of the directory errors: the
// tree of v1 has a cgroup's own, that of v2 the hierarchical ones.
func readOne(dir, suffix, errors string) (Usage, error) {
	var u Usage
	var none uint64
	for _, f := range []struct {
		file string
		into map[string]*uint64
	}{
		{"blkio.io_service_bytes" + suffix, map[string]*uint64{"Read": &u.ReadBytes, "Write": &u.WriteBytes, "Discard": &u.DiscardBytes}},
		{"blkio.io_serviced" + suffix, map[string]*uint64{"Read": &u.ReadRequests, "Write": &u.WriteRequests, "Discard": &u.DiscardRequests}},
		{"blkio.io_service_time" + suffix, map[string]*uint64{"Read": &u.ReadTime, "Write": &u.WriteTime, "Discard": &none}},
	} {
		if err := sumFile(filepath.Join(dir, f.file), f.into); err != nil {
			return Usage{}, err
		}
	}
	into := map[string]*uint64{"read": &u.ReadErrors, "write": &u.WriteErrors}
	if err := sumFile(filepath.Join(errors, "blkfs.errors"), into); err != nil {
		return Usage{}, err
	}
	return u, nil
}

// sumFile adds up lines of MAJ:MIN KEY N, by key, over the devices.
func sumFile(path string, into map[string]*uint64) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	for line := range bytes.Lines(text) {
		fields := bytes.Fields(line)
		if len(fields) != 3 {
			continue // the total
		}
		sum, known := into[string(fields[1])]
		if !known {
			continue
		}
		n, err := strconv.ParseUint(string(fields[2]), 10, 64)
		if err != nil {
			return fmt.Errorf("%s: %q: %w", path, bytes.TrimSpace(line), err)
		}
		*sum += n
	}
	return nil
}
