package cgroupfs

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
)

func TestErrno(t *testing.T) {
	for _, tc := range []struct {
		err    error
		want   syscall.Errno
		logged bool
	}{
		{nil, 0, false},
		{errAbsent, syscall.ENOENT, false},
		{errDenied, syscall.EACCES, false},
		{fmt.Errorf("parse: %w", errMalformed), syscall.EINVAL, false},
		{syscall.ENAMETOOLONG, syscall.ENAMETOOLONG, false},
		{fmt.Errorf("open: %w", syscall.EMFILE), syscall.EMFILE, true},
		{errors.New("trouble"), syscall.EIO, true},
	} {
		var log bytes.Buffer
		srv := newServer(Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if got := srv.errno(tc.err); got != tc.want {
			t.Errorf("%v: %v, want %v", tc.err, got, tc.want)
		}
		if tc.logged != (tc.err != nil && strings.Contains(log.String(), tc.err.Error())) {
			t.Errorf("%v: logged %q", tc.err, log.String())
		}
		want := tc.want
		if want == syscall.ENOENT {
			want = syscall.ENODEV
		}
		if got := srv.errnoOpen(tc.err); got != want {
			t.Errorf("%v on an open file: %v, want %v", tc.err, got, want)
		}
	}
}
