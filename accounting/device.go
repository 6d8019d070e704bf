package accounting

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// DeviceID is the device number of a backing mount, as /proc/self/mountinfo
// shows it.
type DeviceID struct{ Major, Minor uint32 }

// Append appends MAJ:MIN to b.
func (d DeviceID) Append(b []byte) []byte {
	b = strconv.AppendUint(b, uint64(d.Major), 10)
	b = append(b, ':')
	return strconv.AppendUint(b, uint64(d.Minor), 10)
}

// String formats the number as MAJ:MIN.
func (d DeviceID) String() string { return string(d.Append(nil)) }

// Compare orders numbers by major, then minor, as stat files do.
func (d DeviceID) Compare(o DeviceID) int {
	return cmp.Or(cmp.Compare(d.Major, o.Major), cmp.Compare(d.Minor, o.Minor))
}

// Mount is one backing mount, as in /proc/self/mountinfo.
type Mount struct {
	ID     uint64 // STATX_MNT_ID
	Device DeviceID
	FSType string
	Source string
	Path   string // where it is mounted
}

// Device is a backing device. It has a root group with memory of its own from
// the moment it is made. Immutable.
type Device struct {
	id    DeviceID
	index uint32
	root  *group
}

// ID returns the device's number.
func (d *Device) ID() DeviceID { return d.id }

// Device returns the device of a backing mount, and makes it, with its root
// group, when it is new. It may wait for memory: it is for the lookup of a
// directory on a mount not seen before, not for the I/O path.
func (a *Accounting) Device(m Mount) (*Device, error) {
	a.devMu.Lock()
	defer a.devMu.Unlock()
	devs := *a.devices.Load()
	for _, d := range devs[1:] {
		if d.id == m.Device {
			a.mounts[m.ID] = m
			return d, nil
		}
	}
	if len(devs) > maxDevices {
		return nil, fmt.Errorf("device %s: this mount has %d devices already, the most there may be", m.Device, maxDevices)
	}
	i, err := a.pool.Alloc()
	if err != nil {
		return nil, fmt.Errorf("device %s: make its root group: %w", m.Device, err)
	}
	d := &Device{id: m.Device, index: uint32(len(devs)), root: a.group(i)}
	d.root.init(i, groupKey{a.rootID, d.index}, nil, nil)
	d.root.state.Store(stateLive)
	if a.insert(d.root) != nil {
		return nil, errors.New("a device's root group exists before the device") // cannot happen: indexes are never reused
	}
	next := append(slices.Clone(devs), d)
	a.devices.Store(&next)
	a.mounts[m.ID] = m
	return d, nil
}

// Mounts returns the backing mounts met, sorted by MAJ:MIN, then by path.
func (a *Accounting) Mounts() []Mount {
	a.devMu.Lock()
	defer a.devMu.Unlock()
	ms := make([]Mount, 0, len(a.mounts))
	for _, m := range a.mounts {
		ms = append(ms, m)
	}
	slices.SortFunc(ms, func(x, y Mount) int {
		return cmp.Or(x.Device.Compare(y.Device), cmp.Compare(x.Path, y.Path), cmp.Compare(x.ID, y.ID))
	})
	return ms
}

// sortedDevices returns the devices in the order of stat files.
func (a *Accounting) sortedDevices() []*Device {
	devs := slices.Clone((*a.devices.Load())[1:])
	slices.SortFunc(devs, func(x, y *Device) int { return x.id.Compare(y.id) })
	return devs
}
