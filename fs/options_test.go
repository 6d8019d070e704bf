package fs

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestParseOptions(t *testing.T) {
	for _, tc := range []struct {
		name string
		opts []string
		root bool
		want Options
		err  string // a part of it
	}{
		{name: "root's defaults", root: true, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV, AllowOther: true, DefaultPermissions: true}},
		{name: "a user's defaults", want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV}},
		{name: "empty", opts: []string{""}, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV}},
		{name: "flags", opts: []string{"ro,noatime", "noexec"}, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_RDONLY | unix.MS_NOATIME | unix.MS_NOEXEC}},
		{name: "later wins", opts: []string{"ro,rw,noatime,atime"}, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV}},
		{name: "suid and dev", opts: []string{"suid,dev"}, want: Options{}},
		{name: "atime kinds exclude each other", opts: []string{"noatime,strictatime"}, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV | unix.MS_STRICTATIME}},
		{name: "values", opts: []string{`fsname=a\,b\\c=d,subtype=x,max_read=65536`}, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV, FSName: `a,b\c=d`, Subtype: "x", MaxRead: 65536}},
		{name: "root alone", opts: []string{"noallow_other,nodefault_permissions"}, root: true, want: Options{Flags: unix.MS_NOSUID | unix.MS_NODEV}},
		{name: "everybody without checks", opts: []string{"nodefault_permissions"}, root: true, err: "what root may"},
		{name: "unknown", opts: []string{"ro,nosuch"}, err: `"nosuch"`},
		{name: "unknown with a value", opts: []string{"blksize=1"}, err: `"blksize=1"`},
		{name: "allow_root", opts: []string{"allow_root"}, err: `"allow_root"`},
		{name: "flag with a value", opts: []string{"ro=1"}, err: `"ro=1"`},
		{name: "value missing", opts: []string{"fsname"}, err: "needs a value"},
		{name: "subtype with a slash", opts: []string{"subtype=a/b"}, err: "plain word"},
		{name: "max_read too small", opts: []string{"max_read=1"}, err: "at least"},
		{name: "max_read no number", opts: []string{"max_read=x"}, err: "at least"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := parseOptions(tc.opts, tc.root)
			if tc.err != "" {
				if err == nil || !strings.Contains(err.Error(), tc.err) {
					t.Fatalf("got %v, want an error with %q", err, tc.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestFusermountOptions(t *testing.T) {
	o, err := parseOptions([]string{"ro,noatime,nodiratime,dirsync"}, false)
	if err != nil {
		t.Fatal(err)
	}
	got, err := o.fusermountOptions()
	if err != nil || strings.Join(got, ",") != "ro,dirsync,noatime" {
		t.Errorf("got %v, %v", got, err)
	}
	for _, opt := range []string{"suid", "dev", "lazytime", "strictatime"} {
		o, err := parseOptions([]string{opt}, false)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := o.fusermountOptions(); err == nil || !strings.Contains(err.Error(), `"`+opt+`"`) {
			t.Errorf("%s: got %v, want an error that names it", opt, err)
		}
	}
}

func FuzzParseOptions(f *testing.F) {
	f.Add(`ro,fsname=a\,b,subtype=x,max_read=4096`)
	f.Fuzz(func(t *testing.T, s string) {
		o, err := parseOptions([]string{s}, true)
		if err != nil {
			return
		}
		if o.AllowOther && !o.DefaultPermissions {
			t.Errorf("%q: everybody without checks", s)
		}
	})
}
