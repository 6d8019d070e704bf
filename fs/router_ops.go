package fs

import "github.com/hanwen/go-fuse/v2/fuse"

// The operations of the router that concern one node, and return no other.

// GetAttr reads attributes.
func (r *router) GetAttr(cancel <-chan struct{}, in *fuse.GetAttrIn, out *fuse.AttrOut) fuse.Status {
	return r.to(&in.NodeId).GetAttr(cancel, in, out)
}

// SetAttr changes attributes.
func (r *router) SetAttr(cancel <-chan struct{}, in *fuse.SetAttrIn, out *fuse.AttrOut) fuse.Status {
	return r.to(&in.NodeId).SetAttr(cancel, in, out)
}

// Statx reads attributes.
func (r *router) Statx(cancel <-chan struct{}, in *fuse.StatxIn, out *fuse.StatxOut) fuse.Status {
	return r.to(&in.NodeId).Statx(cancel, in, out)
}

// Readlink reads a symbolic link.
func (r *router) Readlink(cancel <-chan struct{}, h *fuse.InHeader) ([]byte, fuse.Status) {
	return r.to(&h.NodeId).Readlink(cancel, h)
}

// Access checks permissions.
func (r *router) Access(cancel <-chan struct{}, in *fuse.AccessIn) fuse.Status {
	return r.to(&in.NodeId).Access(cancel, in)
}

// GetXAttr reads an extended attribute.
func (r *router) GetXAttr(cancel <-chan struct{}, h *fuse.InHeader, attr string, dest []byte) (uint32, fuse.Status) {
	return r.to(&h.NodeId).GetXAttr(cancel, h, attr, dest)
}

// ListXAttr lists extended attributes.
func (r *router) ListXAttr(cancel <-chan struct{}, h *fuse.InHeader, dest []byte) (uint32, fuse.Status) {
	return r.to(&h.NodeId).ListXAttr(cancel, h, dest)
}

// SetXAttr writes an extended attribute.
func (r *router) SetXAttr(cancel <-chan struct{}, in *fuse.SetXAttrIn, attr string, data []byte) fuse.Status {
	return r.to(&in.NodeId).SetXAttr(cancel, in, attr, data)
}

// RemoveXAttr removes an extended attribute.
func (r *router) RemoveXAttr(cancel <-chan struct{}, h *fuse.InHeader, attr string) fuse.Status {
	return r.to(&h.NodeId).RemoveXAttr(cancel, h, attr)
}

// Open opens a file.
func (r *router) Open(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return r.to(&in.NodeId).Open(cancel, in, out)
}

// Read reads from an open file.
func (r *router) Read(cancel <-chan struct{}, in *fuse.ReadIn, buf []byte) (fuse.ReadResult, fuse.Status) {
	return r.to(&in.NodeId).Read(cancel, in, buf)
}

// Lseek finds data and holes.
func (r *router) Lseek(cancel <-chan struct{}, in *fuse.LseekIn, out *fuse.LseekOut) fuse.Status {
	return r.to(&in.NodeId).Lseek(cancel, in, out)
}

// GetLk asks for a lock.
func (r *router) GetLk(cancel <-chan struct{}, in *fuse.LkIn, out *fuse.LkOut) fuse.Status {
	return r.to(&in.NodeId).GetLk(cancel, in, out)
}

// SetLk takes a lock.
func (r *router) SetLk(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	return r.to(&in.NodeId).SetLk(cancel, in)
}

// SetLkw waits for a lock.
func (r *router) SetLkw(cancel <-chan struct{}, in *fuse.LkIn) fuse.Status {
	return r.to(&in.NodeId).SetLkw(cancel, in)
}

// Release closes an open file.
func (r *router) Release(cancel <-chan struct{}, in *fuse.ReleaseIn) {
	r.to(&in.NodeId).Release(cancel, in)
}

// Write writes to an open file.
func (r *router) Write(cancel <-chan struct{}, in *fuse.WriteIn, data []byte) (uint32, fuse.Status) {
	return r.to(&in.NodeId).Write(cancel, in, data)
}

// Writev writes to an open file.
func (r *router) Writev(cancel <-chan struct{}, in *fuse.WriteIn, data [][]byte) (uint32, fuse.Status) {
	return r.to(&in.NodeId).Writev(cancel, in, data)
}

// Ioctl passes an ioctl on.
func (r *router) Ioctl(cancel <-chan struct{}, in *fuse.IoctlIn, inbuf []byte, out *fuse.IoctlOut, outbuf []byte) fuse.Status {
	return r.to(&in.NodeId).Ioctl(cancel, in, inbuf, out, outbuf)
}

// Flush is called at every close.
func (r *router) Flush(cancel <-chan struct{}, in *fuse.FlushIn) fuse.Status {
	return r.to(&in.NodeId).Flush(cancel, in)
}

// Fsync waits for data.
func (r *router) Fsync(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return r.to(&in.NodeId).Fsync(cancel, in)
}

// Fallocate allocates or frees a range.
func (r *router) Fallocate(cancel <-chan struct{}, in *fuse.FallocateIn) fuse.Status {
	return r.to(&in.NodeId).Fallocate(cancel, in)
}

// OpenDir opens a directory.
func (r *router) OpenDir(cancel <-chan struct{}, in *fuse.OpenIn, out *fuse.OpenOut) fuse.Status {
	return r.to(&in.NodeId).OpenDir(cancel, in, out)
}

// ReadDir lists a directory.
func (r *router) ReadDir(cancel <-chan struct{}, in *fuse.ReadIn, out *fuse.DirEntryList) fuse.Status {
	return r.to(&in.NodeId).ReadDir(cancel, in, out)
}

// FsyncDir waits for entries.
func (r *router) FsyncDir(cancel <-chan struct{}, in *fuse.FsyncIn) fuse.Status {
	return r.to(&in.NodeId).FsyncDir(cancel, in)
}

// StatFs tells about the file system.
func (r *router) StatFs(cancel <-chan struct{}, h *fuse.InHeader, out *fuse.StatfsOut) fuse.Status {
	return r.to(&h.NodeId).StatFs(cancel, h, out)
}

// ReleaseDir closes an open directory.
func (r *router) ReleaseDir(in *fuse.ReleaseIn) { r.to(&in.NodeId).ReleaseDir(in) }
