package fs

import (
	"sync"
	"testing"
)

func TestTableIdsAreNotUsedAgain(t *testing.T) {
	var tab table[int]
	seen := map[uint64]bool{}
	for i := range 3 * chunkSize {
		id, err := tab.reserve()
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 && id != rootID {
			t.Errorf("the first id is %d, want the root's", id)
		}
		if seen[id] || inStats(id) {
			t.Fatalf("id %#x came again, or is the virtual tree's", id)
		}
		seen[id] = true
		if tab.get(id) != nil {
			t.Errorf("id %#x has a value before it is published", id)
		}
		v := i
		tab.publish(id, &v)
		if got := tab.get(id); got != &v {
			t.Fatalf("id %#x: got %v", id, got)
		}
		if i%3 != 0 { // slots are used again
			if tab.remove(id) != &v || tab.get(id) != nil || tab.remove(id) != nil {
				t.Fatalf("id %#x is not gone once", id)
			}
		}
	}
	if int(tab.used) != chunkSize+1 {
		t.Errorf("%d slots are used for %d values", tab.used, chunkSize)
	}
	n := 0
	tab.each(func(uint64, *int) { n++ })
	if n != chunkSize {
		t.Errorf("each visits %d values, want %d", n, chunkSize)
	}
}

func TestTableOfUnknownIds(t *testing.T) {
	var tab table[int]
	for _, id := range []uint64{0, 1, 1 << 31, 1<<32 - 1, 1 << 63, ^uint64(0)} {
		if tab.get(id) != nil || tab.remove(id) != nil {
			t.Errorf("id %#x is there", id)
		}
	}
}

func TestTableConcurrently(t *testing.T) {
	var tab table[uint64]
	var wg sync.WaitGroup
	ids := make(chan uint64, 64)
	for range 4 {
		wg.Add(2)
		go func() {
			defer wg.Done()
			for range 5000 {
				id, err := tab.reserve()
				if err != nil {
					t.Error(err)
					return
				}
				tab.publish(id, &id)
				if v := tab.get(id); v == nil || *v != id {
					t.Errorf("id %#x: got %v", id, v)
				}
				ids <- id
			}
		}()
		go func() {
			defer wg.Done()
			for range 5000 {
				id := <-ids
				if v := tab.remove(id); v == nil || *v != id {
					t.Errorf("id %#x: removed %v", id, v)
				}
				if tab.get(id) != nil {
					t.Errorf("id %#x is there after it was removed", id)
				}
			}
		}()
	}
	wg.Wait()
}
