package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"blkfs/fs"
)

// startDaemon runs this command again in a session of its own and returns when
// that mount serves, or with the reason why it does not.
func startDaemon() error {
	exe, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find this program, to run it as a daemon: %w (use -f)", err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		return err
	}
	defer r.Close()
	cmd := exec.Command(exe, os.Args[1:]...)
	cmd.Env = append(os.Environ(), readyVariable+"=3") // the first of ExtraFiles
	cmd.Stderr = os.Stderr
	cmd.ExtraFiles = []*os.File{w}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return errors.Join(fmt.Errorf("start the daemon: %w", err), w.Close())
	}
	_ = w.Close() // the daemon has its own; ours would keep the pipe open
	said, err := io.ReadAll(r)
	if err != nil {
		return fmt.Errorf("wait for the daemon: %w", err)
	}
	if string(said) == servesNow {
		return cmd.Process.Release()
	}
	err = cmd.Wait()
	if len(said) > 0 {
		return errors.New(strings.TrimPrefix(string(said), failedPrefix))
	}
	return fmt.Errorf("the daemon ended before the mount served: %w", err)
}

// readyVariable tells a daemon the descriptor of the pipe to its starter.
const readyVariable = "BLKFS_READY_FD"

// What the daemon says on the pipe before it closes it.
const (
	servesNow    = "serves\n"
	failedPrefix = "failed: "
)

// daemon is the started side of startDaemon.
type daemon struct{ ready *os.File }

// asDaemon says whether startDaemon started this process.
func asDaemon() (d daemon, ok bool) {
	fd, err := strconv.Atoi(os.Getenv(readyVariable))
	if err != nil {
		return daemon{}, false
	}
	_ = os.Unsetenv(readyVariable) // not for those that this process may start
	unix.CloseOnExec(fd)
	return daemon{ready: os.NewFile(uintptr(fd), "ready")}, true
}

// serves lets go of the starter: its directory, its terminal, its standard files.
func (d daemon) serves() error {
	if err := os.Chdir("/"); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	for fd := range 3 {
		if err := unix.Dup3(int(null.Fd()), fd, 0); err != nil {
			return err
		}
	}
	_, err = io.WriteString(d.ready, servesNow)
	return errors.Join(err, d.ready.Close())
}

// errTold is an error that the user was told already.
var errTold = errors.New("told")

// failed leaves it to the starter to tell the user what went wrong.
func (d daemon) failed(err error) error {
	defer d.ready.Close()
	if _, werr := io.WriteString(d.ready, failedPrefix+err.Error()); werr != nil {
		return err
	}
	return errTold
}

// waitForEnd returns when the mount is gone: somebody unmounted it, or a signal
// told us to. Files that are still open are given a grace period; then the mount
// is detached, and serves those who have it open until they close.
func waitForEnd(log *slog.Logger, server *fs.Server, grace time.Duration) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP) // a terminal that closes is no reason for a dead mount
	defer signal.Stop(signals)
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		server.Wait()
	}()
	select {
	case <-gone:
		return
	case s := <-signals:
		log.Info("unmounting", "signal", s.String())
	}
	deadline := time.After(grace)
	for {
		err := server.Unmount()
		if err == nil {
			<-gone
			return
		}
		select {
		case <-gone:
			return
		case <-time.After(100 * time.Millisecond):
			continue
		case <-signals:
			log.Info("second signal: not waiting any longer")
		case <-deadline:
		}
		log.Warn("files are still open: detaching the mount lazily; it serves them until they are closed", "grace", grace, "error", err)
		if err := server.LazyUnmount(); err != nil {
			log.Error("lazy unmount", "error", err)
		}
		break
	}
	select {
	case <-gone:
	case <-signals:
		log.Warn("signal while files are open: leaving them behind; their users get ENOTCONN")
	}
}
