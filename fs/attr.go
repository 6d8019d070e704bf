package fs

import (
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sys/unix"

	"blkfs/accounting"
)

// statxMask is what is asked of statx(2) for attributes and identity.
const statxMask = unix.STATX_BASIC_STATS | unix.STATX_MNT_ID

// fillAttr makes FUSE attributes of statx's.
func (f *FS) fillAttr(a *fuse.Attr, st *unix.Statx_t) {
	a.Ino = f.mounts.ino(st.Dev_major, st.Dev_minor, st.Ino)
	a.Size = st.Size
	a.Blocks = st.Blocks
	a.Atime, a.Atimensec = uint64(st.Atime.Sec), st.Atime.Nsec
	a.Mtime, a.Mtimensec = uint64(st.Mtime.Sec), st.Mtime.Nsec
	a.Ctime, a.Ctimensec = uint64(st.Ctime.Sec), st.Ctime.Nsec
	a.Mode = uint32(st.Mode)
	a.Nlink = st.Nlink
	a.Uid, a.Gid = st.Uid, st.Gid
	a.Rdev = uint32(unix.Mkdev(st.Rdev_major, st.Rdev_minor))
	a.Blksize = st.Blksize
}

// statOf stats an open file where the request names one, else the node.
func (f *FS) statOf(n *node, o *file, st *unix.Statx_t) error {
	p, err := f.pathOf(n, o)
	if err != nil {
		return err
	}
	defer p.close()
	return statxFD(p.fd, 0, statxMask, st)
}

// GetAttr is stat(2) of a node or an open file.
func (f *FS) GetAttr(_ <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		var o *file
		if in.Flags()&fuse.FUSE_GETATTR_FH != 0 {
			o = f.files.get(in.Fh())
		}
		err = f.getattr(n, o, out)
	}
	return f.done(n, &in.InHeader, accounting.OpGetattr, err)
}

func (f *FS) getattr(n *node, o *file, out *fuse.AttrOut) error {
	var st unix.Statx_t
	if err := f.statOf(n, o, &st); err != nil {
		return err
	}
	out.SetTimeout(f.attrTimeout)
	f.fillAttr(&out.Attr, &st)
	return nil
}

// Statx is statx(2). go-fuse 2.12 does not dispatch it from /dev/fuse yet (the
// kernel asks once, for birth times, and does without from then on); other
// transports may.
func (f *FS) Statx(_ <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	n, err := f.node(in.NodeId)
	if err == nil {
		err = f.statx(n, in, out)
	}
	return f.done(n, &in.InHeader, accounting.OpGetattr, err)
}

func (f *FS) statx(n *node, in *fuse.StatxIn, out *fuse.StatxOut) error {
	var o *file
	if in.GetattrFlags&fuse.FUSE_GETATTR_FH != 0 {
		o = f.files.get(in.Fh)
	}
	p, err := f.pathOf(n, o)
	if err != nil {
		return err
	}
	defer p.close()
	var st unix.Statx_t
	if err := statxFD(p.fd, int(in.SxFlags)&(unix.AT_STATX_FORCE_SYNC|unix.AT_STATX_DONT_SYNC), in.SxMask|unix.STATX_BASIC_STATS, &st); err != nil {
		return err
	}
	st.Ino = f.mounts.ino(st.Dev_major, st.Dev_minor, st.Ino)
	out.FromStatx(&st)
	out.SetTimeout(f.attrTimeout)
	return nil
}
