package accounting

import "errors"

// ErrInterrupted says that a request was given up while a policy held it.
var ErrInterrupted = errors.New("interrupted while a policy held the request")

// Policy may delay a request of a group before it is issued, as blk-throttle
// and BFQ do. Implementations are safe for concurrent use.
type Policy interface {
	// Admit returns when the request of size bytes may go. It returns
	// ErrInterrupted, soon, when cancel is closed.
	Admit(cgroup uint64, dev DeviceID, dir Direction, size int, cancel <-chan struct{}) error
}

// admit asks the policy, and counts the time spent waiting for it.
func (a *Accounting) admit(r *Request, dev *Device, size int, cancel <-chan struct{}) error {
	hot := r.hot
	hot.queued[r.dir].Add(1)
	start := a.now()
	err := a.policy.Admit(r.group.id.Load(), dev.id, r.dir, size, cancel)
	waited := uint64(a.now() - start)
	hot.queued[r.dir].Add(-1)
	hot.wait[r.dir].Add(waited)
	if r.dir == Write && r.sync {
		hot.syncWrite.wait.Add(waited)
	}
	return err
}
