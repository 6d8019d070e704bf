package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"blkfs/accounting"
	"blkfs/cgroupfs"
	"blkfs/fs"
)

// mountFlags are the flags of blkfs mount.
type mountFlags struct {
	cache       string
	hierarchy   string
	transport   string
	statsDir    string
	poolReserve int
	poolMax     int
	options     []string
	logLevel    string
	logFile     string
	grace       time.Duration
	foreground  bool
}

func mountCommand() *cobra.Command {
	var fl mountFlags
	cmd := &cobra.Command{
		Use:   "mount [flags] SOURCE MOUNTPOINT",
		Short: "Mount SOURCE on MOUNTPOINT and account its I/O",
		Long: `Mount SOURCE on MOUNTPOINT and account its I/O. The command returns when the
mount serves. MOUNTPOINT may be SOURCE itself, but not below it. The figures are
in MOUNTPOINT/.blkfs; "blkfs stat MOUNTPOINT" prints them as a table.`,
		Example: `  blkfs mount /srv/data /mnt/data
  blkfs mount /srv/data /srv/data                 # over itself
  blkfs mount --cache=none -o noatime /srv /mnt   # every request is counted`,
		Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			return runMount(fl, args[0], args[1])
		},
	}
	f := cmd.Flags()
	f.StringVar(&fl.cache, "cache", "auto", "page cache: auto (what misses it is counted), none (every request is), writeback")
	f.StringVar(&fl.hierarchy, "hierarchy", "auto", "cgroup hierarchy that counts: auto, v1, v2")
	f.StringVar(&fl.transport, "transport", "auto", "how requests reach the daemon: auto, classic (/dev/fuse)")
	f.StringVar(&fl.statsDir, "stats-dir", fs.DefaultStatsName, `name of the virtual directory below MOUNTPOINT; "" for none`)
	f.IntVar(&fl.poolReserve, "pool-reserve", 64, "groups kept ready for cgroups that have done no I/O yet")
	f.IntVar(&fl.poolMax, "pool-max", 16384, "most groups; beyond it new cgroups are charged to their ancestors")
	f.StringArrayVarP(&fl.options, "options", "o", nil, "standard mount options, such as ro,noatime,fsname=NAME")
	f.StringVar(&fl.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&fl.logFile, "log-file", "", "append the log to this file (default: standard error with -f, else none)")
	f.DurationVar(&fl.grace, "grace", 5*time.Second, "on SIGTERM, how long to wait for open files before the mount is detached lazily")
	f.BoolVarP(&fl.foreground, "foreground", "f", false, "stay in the foreground")
	return cmd
}

func runMount(fl mountFlags, source, mountpoint string) error {
	var err error
	if source, err = filepath.Abs(source); err != nil {
		return err
	}
	if mountpoint, err = filepath.Abs(mountpoint); err != nil {
		return err
	}
	if fl.foreground {
		return serve(fl, source, mountpoint, func() error { return nil })
	}
	d, ok := asDaemon()
	if !ok {
		return startDaemon()
	}
	if err := serve(fl, source, mountpoint, d.serves); err != nil {
		return d.failed(err)
	}
	return nil
}

// serve mounts, calls ready when the mount answers, and returns when it is gone.
func serve(fl mountFlags, source, mountpoint string, ready func() error) (err error) {
	opts, err := fl.check()
	if err != nil {
		return err
	}
	log, closeLog, err := openLog(fl)
	if err != nil {
		return err
	}
	defer closeLog()
	books, err := accounting.New(accounting.Config{
		Hierarchy:   accounting.Hierarchy(fl.hierarchy),
		PoolReserve: fl.poolReserve,
		PoolMax:     fl.poolMax,
		Log:         log,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, books.Close()) }()

	cfg := fs.Config{Source: source, Accounting: books, Cache: fs.CacheMode(fl.cache), Log: log}
	if fl.statsDir != "" {
		cfg.StatsName = fl.statsDir
		cfg.Stats = cgroupfs.New(cgroupfs.Config{Books: books, Log: log, Version: func() []cgroupfs.KeyValue {
			return versionLines(fl, source, books)
		}})
	}
	passthrough, err := fs.New(cfg)
	if err != nil {
		return err
	}
	server, err := passthrough.Mount(mountpoint, opts)
	if err != nil {
		passthrough.Close()
		return err
	}
	log.Info("mounted", "source", source, "mountpoint", mountpoint, "hierarchy", books.Hierarchy(),
		"identity", books.IdentityMethod(), "cache", fl.cache, "pid", os.Getpid())
	warnings(log, books)
	if err := ready(); err != nil {
		log.Error("the command that started this daemon is gone", "error", err)
	}
	waitForEnd(log, server, fl.grace)
	log.Info("unmounted", "mountpoint", mountpoint)
	return nil
}

// check refuses what no part further down would, and parses the mount options.
func (fl mountFlags) check() (fs.Options, error) {
	switch fs.CacheMode(fl.cache) {
	case fs.CacheAuto, fs.CacheNone, fs.CacheWriteback:
	default:
		return fs.Options{}, fmt.Errorf("--cache=%s: must be auto, none or writeback", fl.cache)
	}
	if fl.transport != "auto" && fl.transport != "classic" {
		return fs.Options{}, fmt.Errorf("--transport=%s: must be auto or classic", fl.transport)
	}
	if fl.poolReserve < 1 || fl.poolMax < fl.poolReserve {
		return fs.Options{}, fmt.Errorf("--pool-reserve=%d --pool-max=%d: the reserve must be at least 1, and the maximum not below it", fl.poolReserve, fl.poolMax)
	}
	return fs.ParseOptions(fl.options)
}

// versionLines are the lines of the file version.
func versionLines(fl mountFlags, source string, books *accounting.Accounting) []cgroupfs.KeyValue {
	return []cgroupfs.KeyValue{
		{Key: "version", Value: versionString()},
		{Key: "engine", Value: "daemon"},
		{Key: "transport", Value: "classic"},
		{Key: "cache", Value: fl.cache},
		{Key: "hierarchy", Value: string(books.Hierarchy())},
		{Key: "identity", Value: books.IdentityMethod()},
		{Key: "unknown_callers", Value: strconv.FormatUint(books.UnknownCallers(), 10)},
		{Key: "pid", Value: strconv.Itoa(os.Getpid())},
		{Key: "source", Value: source},
	}
}

// warnings says what makes figures less than they could be.
func warnings(log *slog.Logger, books *accounting.Accounting) {
	if !books.SeesAllCallers() {
		log.Warn("this daemon runs in a pid namespace of its own: callers outside it have no pid here, " +
			"and their I/O is charged to the root cgroup; run blkfs in the host's pid namespace (docker run --pid=host)")
	}
}

// openLog opens the log. A daemon without --log-file has none once it serves:
// until then its standard error is its starter's, for what matters.
func openLog(fl mountFlags) (*slog.Logger, func(), error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(fl.logLevel)); err != nil {
		return nil, nil, fmt.Errorf("--log-level=%s: must be debug, info, warn or error", fl.logLevel)
	}
	out, closeLog := os.Stderr, func() {}
	if fl.logFile == "" && !fl.foreground {
		level = max(level, slog.LevelWarn)
	}
	if fl.logFile != "" {
		f, err := os.OpenFile(fl.logFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, nil, fmt.Errorf("--log-file: %w", err)
		}
		out, closeLog = f, func() { _ = f.Close() } // nobody is left to be told
	}
	return slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{Level: level})), closeLog, nil
}
