package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"blkfs/cgroupfs"
	"blkfs/fs"
)

func statCommand() *cobra.Command {
	var asJSON, all, exact bool
	var order, statsDir string
	cmd := &cobra.Command{
		Use:   "stat [flags] MOUNTPOINT [CGROUP]",
		Short: "Print which cgroups did how much I/O",
		Long: `Print which cgroups did how much I/O through a mount: for each cgroup its own
figures, not those of the cgroups below it. With CGROUP, print that cgroup and
those below it. What removed cgroups did, or what was before somebody wrote to
blkio.reset_stats, is in a line of its own.`,
		Args: cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			by, ok := orders[order]
			if !ok {
				return fmt.Errorf("--sort=%s: must be one of %s", order, orderNames())
			}
			cgroup := "/"
			if len(args) == 2 {
				cgroup = filepath.Clean("/" + args[1])
			}
			usages, err := cgroupfs.ReadUsage(filepath.Join(args[0], statsDir), cgroup)
			if errors.Is(err, unix.ENOTCONN) {
				return fmt.Errorf("%q is a dead mount, its daemon is gone: run \"blkfs umount\" on it", args[0])
			}
			if err != nil {
				return fmt.Errorf("%w (is %q a blkfs mount, and --stats-dir the name it was mounted with?)", err, args[0])
			}
			if !all {
				usages = slices.DeleteFunc(usages, func(u cgroupfs.Usage) bool { return u.Idle() })
			}
			slices.SortStableFunc(usages, by)
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), usages)
			}
			return writeTable(cmd.OutOrStdout(), usages, exact)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&asJSON, "json", false, "print JSON: bytes, requests and ns")
	f.BoolVarP(&exact, "bytes", "b", false, "print exact bytes, not KiB, MiB, …")
	f.BoolVarP(&all, "all", "a", false, "print cgroups without I/O too")
	f.StringVar(&order, "sort", "bytes", "sort by "+orderNames())
	f.StringVar(&statsDir, "stats-dir", fs.DefaultStatsName, "name of the virtual directory")
	return cmd
}

// orders are what a table can be sorted by; the most comes first.
var orders = map[string]func(x, y cgroupfs.Usage) int{
	"bytes": func(x, y cgroupfs.Usage) int {
		return cmp.Compare(y.ReadBytes+y.WriteBytes, x.ReadBytes+x.WriteBytes)
	},
	"read":  func(x, y cgroupfs.Usage) int { return cmp.Compare(y.ReadBytes, x.ReadBytes) },
	"write": func(x, y cgroupfs.Usage) int { return cmp.Compare(y.WriteBytes, x.WriteBytes) },
	"requests": func(x, y cgroupfs.Usage) int {
		return cmp.Compare(y.ReadRequests+y.WriteRequests, x.ReadRequests+x.WriteRequests)
	},
	"errors": func(x, y cgroupfs.Usage) int {
		return cmp.Compare(y.ReadErrors+y.WriteErrors, x.ReadErrors+x.WriteErrors)
	},
	"latency": func(x, y cgroupfs.Usage) int {
		return cmp.Compare(max(y.MeanRead(), y.MeanWrite()), max(x.MeanRead(), x.MeanWrite()))
	},
	"cgroup": func(x, y cgroupfs.Usage) int { return strings.Compare(x.Cgroup, y.Cgroup) },
}

func orderNames() string {
	names := make([]string, 0, len(orders))
	for n := range orders {
		names = append(names, n)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// usageJSON adds what can be worked out, so that a script need not.
type usageJSON struct {
	cgroupfs.Usage
	MeanReadNS  int64 `json:"mean_read_ns"`
	MeanWriteNS int64 `json:"mean_write_ns"`
}

func writeJSON(w io.Writer, usages []cgroupfs.Usage) error {
	out := make([]usageJSON, 0, len(usages))
	for _, u := range usages {
		out = append(out, usageJSON{u, u.MeanRead().Nanoseconds(), u.MeanWrite().Nanoseconds()})
	}
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	return enc.Encode(out)
}

func writeTable(w io.Writer, usages []cgroupfs.Usage, exact bool) error {
	if len(usages) == 0 {
		_, err := fmt.Fprintln(w, "No I/O yet.")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "READ\tREADS\tREAD LATENCY\tWRITTEN\tWRITES\tWRITE LATENCY\tERRORS\t  CGROUP")
	size := bytesText
	if exact {
		size = func(n uint64) string { return strconv.FormatUint(n, 10) }
	}
	var total cgroupfs.Usage
	for _, u := range usages {
		writeRow(t, u, u.Cgroup, size)
		total.Add(u)
	}
	if len(usages) > 1 {
		writeRow(t, total, "total", size)
	}
	return t.Flush()
}

// writeRow prints one line. The name comes last: the only column of any width,
// and the only one whose text is not ours.
func writeRow(w io.Writer, u cgroupfs.Usage, name string, size func(uint64) string) {
	fmt.Fprintf(w, "%s\t%d\t%s\t%s\t%d\t%s\t%d\t  %s\n",
		size(u.ReadBytes), u.ReadRequests, latencyText(u.MeanRead()),
		size(u.WriteBytes), u.WriteRequests, latencyText(u.MeanWrite()),
		u.ReadErrors+u.WriteErrors, printable(name))
}

// bytesText is exact where a person can still read it, else rounded to three digits.
func bytesText(n uint64) string {
	const units = "KMGTPE"
	if n < 10_000 {
		return fmt.Sprintf("%d B", n)
	}
	f, unit := float64(n), -1
	for f >= 999.5 && unit < len(units)-1 {
		f /= 1024
		unit++
	}
	return fmt.Sprintf("%.3g %ciB", f, units[unit])
}

func latencyText(d time.Duration) string {
	switch {
	case d == 0:
		return "-"
	case d < time.Microsecond:
		return fmt.Sprintf("%d ns", d.Nanoseconds())
	case d < time.Millisecond:
		return fmt.Sprintf("%.1f µs", float64(d)/float64(time.Microsecond))
	case d < time.Second:
		return fmt.Sprintf("%.1f ms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%.2f s", d.Seconds())
}

// printable keeps a cgroup's name from moving the cursor: any byte but / may be in it.
func printable(name string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
}
