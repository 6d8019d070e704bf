package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"blkfs/fs"
)

func umountCommand() *cobra.Command {
	var lazy bool
	var statsDir string
	cmd := &cobra.Command{
		Use:   "umount [flags] MOUNTPOINT",
		Short: "Unmount a blkfs mount and wait for its daemon to end",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return umount(args[0], statsDir, lazy)
		},
	}
	cmd.Flags().BoolVarP(&lazy, "lazy", "l", false, "detach now; files that are open go on being served until they are closed")
	cmd.Flags().StringVar(&statsDir, "stats-dir", fs.DefaultStatsName, "name of the virtual directory, where the daemon's pid is read")
	return cmd
}

func umount(mountpoint, statsDir string, lazy bool) error {
	mountpoint, err := filepath.Abs(mountpoint)
	if err != nil {
		return err
	}
	pidfd := daemonOf(filepath.Join(mountpoint, statsDir, "version"))
	if pidfd >= 0 {
		defer unix.Close(pidfd)
	}
	if err := fs.Unmount(mountpoint, lazy); err != nil {
		return err
	}
	if pidfd >= 0 && !lazy {
		// Readable when the process has ended.
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		if _, err := poll(fds, 10*time.Second); err != nil {
			return fmt.Errorf("%s is unmounted, but its daemon has not ended: %w", mountpoint, err)
		}
	}
	return nil
}

// daemonOf returns a pidfd of the daemon that serves a mount, -1 if it cannot be
// told: then nobody waits for its end.
func daemonOf(versionFile string) int {
	b, err := os.ReadFile(versionFile)
	if err != nil {
		return -1
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "pid "); ok {
			pid, err := strconv.Atoi(v)
			if err != nil {
				return -1
			}
			fd, err := unix.PidfdOpen(pid, 0)
			if err != nil {
				return -1
			}
			return fd
		}
	}
	return -1
}

// poll is poll(2) with a deadline that is an error, and EINTR retried.
func poll(fds []unix.PollFd, timeout time.Duration) (int, error) {
	deadline := time.Now().Add(timeout)
	for {
		n, err := unix.Poll(fds, int(time.Until(deadline).Milliseconds()))
		switch {
		case err == unix.EINTR:
		case err != nil:
			return 0, err
		case n == 0:
			return 0, os.ErrDeadlineExceeded
		default:
			return n, nil
		}
	}
}
