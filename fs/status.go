package fs

import (
	"bytes"
	"os"
	"strconv"
)

// groupsOf reads a thread's supplementary groups; none when the thread is gone
// or out of sight.
func groupsOf(tid uint32) []uint32 { return parseGroups(readStatus(tid)) }

// hasCapability says whether a thread has a capability in effect; it is false
// when the thread is gone or out of sight.
func hasCapability(tid uint32, capability uint) bool {
	field := bytes.TrimSpace(statusField(readStatus(tid), "CapEff"))
	caps, err := strconv.ParseUint(string(field), 16, 64)
	return err == nil && caps>>capability&1 != 0
}

// readStatus reads /proc/TID/status, which a TID has although it is not
// listed there.
func readStatus(tid uint32) []byte {
	if tid == 0 {
		return nil
	}
	b, err := os.ReadFile("/proc/" + strconv.FormatUint(uint64(tid), 10) + "/status")
	if err != nil {
		return nil
	}
	return b
}

// statusField returns the rest of a line of /proc/TID/status.
func statusField(status []byte, name string) []byte {
	_, line, ok := bytes.Cut(status, []byte("\n"+name+":"))
	if !ok {
		return nil
	}
	line, _, _ = bytes.Cut(line, []byte("\n"))
	return line
}

// parseGroups finds the groups in /proc/TID/status.
func parseGroups(status []byte) []uint32 {
	var groups []uint32
	for _, field := range bytes.Fields(statusField(status, "Groups")) {
		g, err := strconv.ParseUint(string(field), 10, 32)
		if err != nil {
			return nil
		}
		groups = append(groups, uint32(g))
	}
	return groups
}
