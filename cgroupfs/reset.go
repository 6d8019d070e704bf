package cgroupfs

import (
	"fmt"
	"strconv"
	"strings"
)

// resetStats is a write to blkio.reset_stats: the cgroup's own v1 figures start
// again from 0 (block/blk-cgroup.c, blkcg_reset_stats, which ignores the value).
func resetStats(b Books, cgroup uint64, text []byte) error {
	if _, err := parseUint(string(text)); err != nil {
		return fmt.Errorf("parse blkio.reset_stats: %w", err)
	}
	b.Reset(cgroup)
	return nil
}

// parseUint reads an unsigned 64-bit number as kstrtoull with base 0 does
// (lib/kstrtox.c), which parses writes to the kernel's own file: decimal, 0x
// hexadecimal or 0 octal, an optional plus sign, one optional newline at the
// end. Any failure is errMalformed.
func parseUint(text string) (uint64, error) {
	s := strings.TrimPrefix(strings.TrimSuffix(text, "\n"), "+")
	base := 10
	switch {
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X"):
		base, s = 16, s[2:]
	case len(s) > 1 && s[0] == '0':
		base = 8
	}
	n, err := strconv.ParseUint(s, base, 64)
	if err != nil {
		return 0, fmt.Errorf("%w: %q", errMalformed, text)
	}
	return n, nil
}
