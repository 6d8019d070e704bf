package accounting

import "time"

// Direction is what a request does to the device, as the kernel's rwstat
// distinguishes it (block/blk-cgroup-rwstat.h).
type Direction uint8

// The directions of a request.
const (
	Read Direction = iota
	Write
	Discard
	numDirections
)

// String returns the direction's name as rwstat files spell it.
func (d Direction) String() string {
	return [...]string{"Read", "Write", "Discard"}[d]
}

// Latency histograms have one bucket per power of two, from 2^minLatencyBits
// ns (about 1 µs) to 2^(minLatencyBits+LatencyBuckets-2) ns (about 1,100 s),
// and a last one without bound.
const (
	minLatencyBits = 10
	LatencyBuckets = 32
)

// LatencyBound returns the upper bound of bucket i, inclusive, in ns. The last
// bucket, LatencyBuckets-1, has none: ok is false.
func LatencyBound(i int) (bound time.Duration, ok bool) {
	if i >= LatencyBuckets-1 {
		return 0, false
	}
	return 1 << (minLatencyBits + i), true
}

// RWStat is one figure of a group as the kernel splits it: by direction, and
// by sync against async. Units are those of the figure: bytes, requests, ns.
type RWStat struct {
	By   [numDirections]uint64
	Sync uint64 // of the total; reads always, writes when the caller waits for the disk
}

// Total is the figure over all directions.
func (s *RWStat) Total() uint64 { return s.By[Read] + s.By[Write] + s.By[Discard] }

// Async is what of the total nobody waits for.
func (s *RWStat) Async() uint64 { return s.Total() - s.Sync }

func (s *RWStat) add(o *RWStat) {
	for d := range s.By {
		s.By[d] += o.By[d]
	}
	s.Sync += o.Sync
}

// sub takes o off, and stops at 0: o is a baseline of the same monotonic
// figure, taken earlier.
func (s *RWStat) sub(o *RWStat) {
	for d := range s.By {
		s.By[d] -= min(o.By[d], s.By[d])
	}
	s.Sync -= min(o.Sync, s.Sync)
}

// OpCount is how often an operation was asked for, and how often it failed.
type OpCount struct {
	Count, Errors uint64
}

// Counters are the figures of one group at one moment, or a sum of such. All
// are monotonic but InFlight and Queued. The zero value is empty. It is plain
// data: not for concurrent use.
type Counters struct {
	Bytes       RWStat // really transferred, by requests that succeeded
	Requests    RWStat // that succeeded; those of 0 bytes included
	ServiceTime RWStat // ns at the backing file, of requests that succeeded
	WaitTime    RWStat // ns in a policy
	Errors      [numDirections]uint64

	FlushedBytes    uint64 // of Bytes, what page-cache flushes wrote
	FlushedRequests uint64 // of Requests, likewise

	InFlight uint64                // at the backing file now
	Queued   [numDirections]uint64 // waiting in a policy now

	Latency [2][LatencyBuckets]uint64 // by Read and Write; not cumulative
	Ops     [NumOps]OpCount
}

// Add adds o to c.
func (c *Counters) Add(o *Counters) {
	c.Bytes.add(&o.Bytes)
	c.Requests.add(&o.Requests)
	c.ServiceTime.add(&o.ServiceTime)
	c.WaitTime.add(&o.WaitTime)
	for d := range c.Errors {
		c.Errors[d] += o.Errors[d]
		c.Queued[d] += o.Queued[d]
	}
	c.FlushedBytes += o.FlushedBytes
	c.FlushedRequests += o.FlushedRequests
	c.InFlight += o.InFlight
	for d := range c.Latency {
		for i := range c.Latency[d] {
			c.Latency[d][i] += o.Latency[d][i]
		}
	}
	for i := range c.Ops {
		c.Ops[i].Count += o.Ops[i].Count
		c.Ops[i].Errors += o.Ops[i].Errors
	}
}

// HasIO says whether any read, write or discard succeeded: the kernel leaves
// devices without out of io.stat.
func (c *Counters) HasIO() bool { return c.Requests.Total() != 0 }
