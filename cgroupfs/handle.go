package cgroupfs

import (
	"context"
	"sync/atomic"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"

	"blkfs/accounting"
)

// handle is an open file. Safe for concurrent use.
type handle struct {
	node   *fileNode
	opener accounting.View
	cgroup uint64 // the cgroup that the file was about when it was opened

	last atomic.Pointer[rendering]
}

// rendering is the text that one view was shown. Immutable, so that it can be
// read while the next one replaces it.
type rendering struct {
	view accounting.View
	text []byte
}

// seen is fileNode.seen for a descriptor that is already open, and so may have
// been handed to someone else or may have outlived its cgroup, even if there is
// another of the same name by now.
func (h *handle) seen(ctx context.Context) (viewer, cgroup, error) {
	v, cg, err := h.node.seen(ctx)
	switch {
	case err != nil && h.node.at.tree == nil:
		return v, cg, errDenied // pool, devices, …: never gone, but not for this viewer
	case err == nil && v.View == h.opener && cg.id != h.cgroup:
		return v, cg, errAbsent
	}
	return v, cg, err
}

// Read renders anew at offset 0 and continues that rendering further on, however
// small the buffer. A caller of another view gets a rendering of its own, from
// the start only: to continue someone else's is refused.
func (h *handle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	v, cg, err := h.seen(ctx)
	if err != nil {
		return nil, h.node.srv.errnoOpen(err)
	}
	r := h.last.Load()
	switch {
	case off == 0 || r == nil:
		r = &rendering{view: v.View, text: h.node.file.render(h.node.srv.books, cg.id, nil)}
		h.last.Store(r)
	case r.view != v.View:
		return nil, h.node.srv.errnoOpen(errDenied)
	}
	from := min(uint64(off), uint64(len(r.text)))
	to := min(from+uint64(len(dest)), uint64(len(r.text)))
	return fuse.ReadResultData(r.text[from:to]), 0
}

// Write hands the text to the table's row. One write is one command, as in
// cgroupfs: the offset means nothing. Who writes is checked, not who opened.
func (h *handle) Write(ctx context.Context, data []byte, _ int64) (uint32, syscall.Errno) {
	v, cg, err := h.seen(ctx)
	if err != nil {
		return 0, h.node.srv.errnoOpen(err)
	}
	if h.node.file.write == nil || !v.mayWrite() {
		return 0, h.node.srv.errnoOpen(errDenied)
	}
	if err := h.node.file.write(h.node.srv.books, cg.id, data); err != nil {
		return 0, h.node.srv.errno(err)
	}
	return uint32(len(data)), 0
}
