// Package integration has the tests that mount for real, make real cgroups and
// run real containers. It has no code of its own.
//
// A test that lacks a tool or a right says what and skips, for an ordinary
// "go test"; with BLKFS_TEST_STRICT=1, as under make test, that is a failure.
package integration
