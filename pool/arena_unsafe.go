package pool

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// arena is an anonymous mapping divided into equal elements. Memory outside
// the populated range is address space only.
type arena struct {
	mem  []byte
	elem int
}

func newArena(n, elem int) (arena, error) {
	mem, err := unix.Mmap(-1, 0, n*elem, unix.PROT_READ|unix.PROT_WRITE,
		unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		return arena{}, err
	}
	// Huge pages would populate memory that no figure of ours shows. A kernel
	// built without them says EINVAL, which is as good.
	_ = unix.Madvise(mem, unix.MADV_NOHUGEPAGE)
	return arena{mem: mem, elem: elem}, nil
}

func (a *arena) close() error { return unix.Munmap(a.mem) }

func (a *arena) at(i int) unsafe.Pointer { return unsafe.Pointer(&a.mem[i*a.elem]) }

// populate faults in the pages of n elements from first on, so that nobody who
// uses them later does.
func (a *arena) populate(first, n int) error {
	const page = 4096 // a smaller step than the machine's page is harmless
	from := first * a.elem &^ (unix.Getpagesize() - 1)
	mem := a.mem[from : (first+n)*a.elem]
	err := unix.Madvise(mem, unix.MADV_POPULATE_WRITE)
	if errors.Is(err, unix.EINVAL) { // before Linux 5.14
		for off := 0; off < len(mem); off += page {
			// An atomic add of 0 writes the page and changes nothing, even
			// where the page holds the end of an element in use.
			(*atomic.Uint32)(unsafe.Pointer(&mem[off])).Add(0)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("populate %d bytes: %w", len(mem), err)
	}
	return nil
}

// Block returns the memory of block i, which stays valid until Close.
func (p *Pool) Block(i Index) unsafe.Pointer { return p.blocks.at(int(i)) }

func (p *Pool) bytes(i Index) []byte {
	return unsafe.Slice((*byte)(p.Block(i)), p.cfg.Size)
}

const linkSize = 4

func (p *Pool) link(i Index) *uint32 { return (*uint32)(p.links.at(int(i))) }
