package accounting

// Op is an operation other than reading and writing data, counted by name.
type Op uint8

// The operations, in the order in which blkfs.ops lists them.
const (
	OpLookup Op = iota
	OpGetattr
	OpSetattr
	OpAccess
	OpReadlink
	OpSymlink
	OpMknod
	OpMkdir
	OpUnlink
	OpRmdir
	OpRename
	OpLink
	OpOpen
	OpCreate
	OpTmpfile
	OpRelease
	OpFlush
	OpFsync
	OpFallocate
	OpLseek
	OpLock
	OpIoctl
	OpOpendir
	OpReaddir
	OpReleasedir
	OpFsyncdir
	OpStatfs
	OpGetxattr
	OpSetxattr
	OpListxattr
	OpRemovexattr
	NumOps
)

var opNames = [NumOps]string{
	"lookup", "getattr", "setattr", "access", "readlink", "symlink", "mknod", "mkdir", "unlink",
	"rmdir", "rename", "link", "open", "create", "tmpfile", "release", "flush", "fsync",
	"fallocate", "lseek", "lock", "ioctl", "opendir", "readdir", "releasedir", "fsyncdir",
	"statfs", "getxattr", "setxattr", "listxattr", "removexattr",
}

// String returns the operation's name as blkfs.ops spells it.
func (o Op) String() string { return opNames[o] }
