package fs

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Options are the mount options, as -o gives them. The zero value is what an
// ordinary user's mount has; DefaultOptions is the start for ParseOptions.
type Options struct {
	// Flags are mount(2) flags (MS_RDONLY, …).
	Flags uintptr

	// FSName is the source shown in mountinfo; empty: the source's path.
	FSName string

	// Subtype makes the type shown there "fuse.blkfs.SUBTYPE"; empty:
	// fuse.blkfs. A blkfs is known by its type.
	Subtype string

	// AllowOther lets other users than the one who mounts in.
	AllowOther bool

	// DefaultPermissions has the kernel check modes, owners and ACLs.
	DefaultPermissions bool

	// MaxRead bounds READ requests, in bytes; 0: as large as they get.
	MaxRead int
}

// defaultFlags are what fusermount sets, too: a mount of unknown files gives
// nobody rights.
const defaultFlags = unix.MS_NOSUID | unix.MS_NODEV

// flagOptions are the options that set or clear mount flags.
var flagOptions = map[string]struct{ set, clear uintptr }{
	"ro":          {set: unix.MS_RDONLY},
	"rw":          {clear: unix.MS_RDONLY},
	"nosuid":      {set: unix.MS_NOSUID},
	"suid":        {clear: unix.MS_NOSUID},
	"nodev":       {set: unix.MS_NODEV},
	"dev":         {clear: unix.MS_NODEV},
	"noexec":      {set: unix.MS_NOEXEC},
	"exec":        {clear: unix.MS_NOEXEC},
	"sync":        {set: unix.MS_SYNCHRONOUS},
	"async":       {clear: unix.MS_SYNCHRONOUS},
	"dirsync":     {set: unix.MS_DIRSYNC},
	"noatime":     {set: unix.MS_NOATIME, clear: unix.MS_RELATIME | unix.MS_STRICTATIME},
	"atime":       {clear: unix.MS_NOATIME},
	"nodiratime":  {set: unix.MS_NODIRATIME},
	"diratime":    {clear: unix.MS_NODIRATIME},
	"relatime":    {set: unix.MS_RELATIME, clear: unix.MS_NOATIME | unix.MS_STRICTATIME},
	"norelatime":  {clear: unix.MS_RELATIME},
	"strictatime": {set: unix.MS_STRICTATIME, clear: unix.MS_NOATIME | unix.MS_RELATIME},
	"lazytime":    {set: unix.MS_LAZYTIME},
	"nolazytime":  {clear: unix.MS_LAZYTIME},
	"defaults":    {},
}

// DefaultOptions are the options of a mount for which none are given. root's
// mounts are for everyone, and the kernel checks permissions.
func DefaultOptions(root bool) Options {
	return Options{Flags: defaultFlags, AllowOther: root, DefaultPermissions: root}
}

// ParseOptions reads -o options, each of which may be a list with commas
// (`\,` is a comma within a value), over the DefaultOptions of who we are.
// Later ones win. An option that is not known is an error that names it.
func ParseOptions(opts []string) (Options, error) {
	return parseOptions(opts, unix.Geteuid() == 0)
}

func parseOptions(opts []string, root bool) (Options, error) {
	o := DefaultOptions(root)
	for _, list := range opts {
		for _, opt := range splitOptions(list) {
			if err := o.set(opt); err != nil {
				return Options{}, err
			}
		}
	}
	if root && o.AllowOther && !o.DefaultPermissions {
		return Options{}, fmt.Errorf("nodefault_permissions with allow_other would let every user do " +
			"what root may: give noallow_other too, or neither")
	}
	return o, nil
}

// splitOptions splits at commas that no backslash stands before.
func splitOptions(list string) []string {
	var opts []string
	var opt strings.Builder
	for i := 0; i < len(list); i++ {
		switch {
		case list[i] == '\\' && i+1 < len(list) && (list[i+1] == ',' || list[i+1] == '\\'):
			i++
			opt.WriteByte(list[i])
		case list[i] == ',':
			opts = append(opts, opt.String())
			opt.Reset()
		default:
			opt.WriteByte(list[i])
		}
	}
	return append(opts, opt.String())
}

func (o *Options) set(opt string) error {
	if f, ok := flagOptions[opt]; ok {
		o.Flags = o.Flags&^f.clear | f.set
		return nil
	}
	name, value, hasValue := strings.Cut(opt, "=")
	if hasValue {
		return o.setValue(opt, name, value)
	}
	switch opt {
	case "":
	case "allow_other":
		o.AllowOther = true
	case "noallow_other":
		o.AllowOther = false
	case "default_permissions":
		o.DefaultPermissions = true
	case "nodefault_permissions":
		o.DefaultPermissions = false
	case "fsname", "subtype", "max_read":
		return fmt.Errorf("mount option %q needs a value", opt)
	default:
		return fmt.Errorf("unknown mount option %q", opt)
	}
	return nil
}

func (o *Options) setValue(opt, name, value string) error {
	switch name {
	case "fsname":
		o.FSName = value
	case "subtype":
		if value == "" || strings.ContainsAny(value, "/,\x00") {
			return fmt.Errorf("mount option %q: a subtype is a plain word", opt)
		}
		o.Subtype = value
	case "max_read":
		n, err := strconv.ParseUint(value, 10, 31)
		if err != nil || n < 4096 {
			return fmt.Errorf("mount option %q: wants a number of bytes, at least 4096", opt)
		}
		o.MaxRead = int(n)
	default:
		return fmt.Errorf("unknown mount option %q", opt)
	}
	return nil
}

// fusermountOptions spells the flags for fusermount3, which adds nosuid and
// nodev by itself and does not let an ordinary user take them off. It does not
// know every flag: those it would refuse are an error that names them.
// (nodiratime it does not know either, but that one is up to us.)
func (o *Options) fusermountOptions() ([]string, error) {
	var opts []string
	for _, f := range []struct {
		flag uintptr
		name string
	}{
		{unix.MS_RDONLY, "ro"},
		{unix.MS_NOEXEC, "noexec"},
		{unix.MS_SYNCHRONOUS, "sync"},
		{unix.MS_DIRSYNC, "dirsync"},
		{unix.MS_NOATIME, "noatime"},
	} {
		if o.Flags&f.flag != 0 {
			opts = append(opts, f.name)
		}
	}
	for _, f := range []struct {
		bad  bool
		name string
	}{
		{o.Flags&unix.MS_NOSUID == 0, "suid"},
		{o.Flags&unix.MS_NODEV == 0, "dev"},
		{o.Flags&unix.MS_LAZYTIME != 0, "lazytime"},
		{o.Flags&unix.MS_STRICTATIME != 0, "strictatime"},
	} {
		if f.bad {
			return nil, fmt.Errorf("mount option %q: only root may mount with it", f.name)
		}
	}
	return opts, nil
}
