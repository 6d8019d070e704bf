package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// observer counts the READ and WRITE requests that the kernel sends over one
// FUSE connection, by the kernel's own tracepoints: how many requests a system
// call becomes is the kernel's choice, and this knows without asking blkfs.
type observer struct {
	instance   string
	connection uint32
}

const tracefs = "/sys/kernel/tracing"

func observe(t *testing.T, mountpoint string) *observer {
	t.Helper()
	if _, err := os.Stat(tracefs + "/events"); err != nil {
		err := unix.Mount("tracefs", tracefs, "tracefs", 0, "")
		need(t, err == nil, "tracefs")
		t.Cleanup(func() { _ = unix.Unmount(tracefs, 0) })
	}
	_, err := os.Stat(tracefs + "/events/fuse/fuse_request_send")
	need(t, err == nil, "the tracepoint fuse:fuse_request_send (Linux 6.11)")
	var st unix.Stat_t
	if err := unix.Stat(mountpoint, &st); err != nil {
		t.Fatal(err)
	}
	o := &observer{
		instance:   filepath.Join(tracefs, "instances", fmt.Sprintf("blkfs-test-%d", os.Getpid())),
		connection: unix.Minor(st.Dev),
	}
	if err := os.Mkdir(o.instance, 0o755); err != nil {
		t.Fatal("make a trace instance: ", err)
	}
	t.Cleanup(func() {
		if err := os.Remove(o.instance); err != nil {
			t.Error(err)
		}
	})
	writeFile(t, o.instance+"/buffer_size_kb", "8192")
	writeFile(t, o.instance+"/events/fuse/fuse_request_send/enable", "1")
	t.Cleanup(func() { writeFile(t, o.instance+"/events/fuse/fuse_request_send/enable", "0") })
	return o
}

// requests returns how many READ and WRITE requests there were since the last call.
func (o *observer) requests(t *testing.T) (reads, writes uint64) {
	t.Helper()
	trace := readFile(t, o.instance, "trace")
	if strings.Contains(trace, "LOST") {
		t.Fatal("the trace lost events")
	}
	mine := fmt.Sprintf(" connection %d ", o.connection)
	for line := range strings.Lines(trace) {
		if !strings.Contains(line, mine) {
			continue
		}
		switch {
		case strings.Contains(line, "FUSE_READ)"):
			reads++
		case strings.Contains(line, "FUSE_WRITE)"):
			writes++
		}
	}
	writeFile(t, o.instance+"/trace", "")
	return reads, writes
}
