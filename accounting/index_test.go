package accounting

import "testing"

// These tests put by hand what only a rare interleaving brings about.

func TestLateReferenceToAReusedBlockIsDropped(t *testing.T) {
	b := newTestBooks(t, Config{PoolReserve: 1, PoolMax: 1})
	o := b.mkdir("/a")
	b.do(o, Read, 1)
	k := groupKey{o.id, b.dev.index}
	g := b.find(k)
	b.rmdir("/a")
	b.Sweep()
	if b.pin(g, k, 0) {
		t.Error("a free block was pinned")
	}
	next := b.mkdir("/b")
	if next.id == o.id { // the test's file system may give the number again
		next = b.mkdir("/c")
	}
	b.do(next, Read, 2)
	if b.find(groupKey{next.id, b.dev.index}) != g {
		t.Fatal("the one block there is was not used again")
	}
	if b.pin(g, k, 0) {
		t.Error("the new group was pinned for the old one")
	}
	if n := b.layout.hot(g, 0).refs.Load(); n != 0 {
		t.Errorf("%d references left", n)
	}
	b.wantOwn(next.path, 2)
}

func TestGroupThatIsNotInTheIndexIsNotPinned(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	k := groupKey{o.id, b.dev.index}
	i, _ := b.pool.Get(0)
	g := b.group(i)
	g.init(i, k, b.dev.root, []byte("a"))
	g.state.Store(stateNew)
	if b.pin(g, k, 0) {
		t.Error("pinned before it was in the index: its maker may still come second")
	}
	if b.insert(g) != nil {
		t.Fatal("somebody else's group")
	}
	if !b.pin(g, k, 0) || g.state.Load() != stateLive {
		t.Error("in the index, and not pinned and live")
	}
	b.unpin(g, 0)
}

func TestSecondMakerGetsTheFirstOnesGroup(t *testing.T) {
	b := newTestBooks(t, Config{})
	o := b.mkdir("/a")
	k := groupKey{o.id, b.dev.index}
	first := b.create(k, b.dev.root, []byte("a"), 0)
	used := b.PoolStats().InUse
	second := b.create(k, b.dev.root, []byte("a"), 0)
	if first != second || b.PoolStats().InUse != used || b.dev.root.children.Load() != 1 {
		t.Errorf("%p and %p, %d blocks more, %d children", first, second, b.PoolStats().InUse-used, b.dev.root.children.Load())
	}
	b.unpin(first, 0)
	b.unpin(second, 0)
}

// Whoever looked at a chain before a change must fail to insert after it.
func TestEveryChangeOfAChainMovesItsHead(t *testing.T) {
	b := newTestBooks(t, Config{})
	b.Accounting.index.shift = 63 // two chains: all meet
	var groups []*group
	heads := map[uint64]bool{}
	k := func(n int) groupKey { return groupKey{uint64(n)<<1 | 1<<40, 77} }
	head := b.Accounting.index.head(k(0))
	for n := 0; len(groups) < 3; n++ {
		if b.Accounting.index.head(k(n)) != head {
			continue
		}
		i, _ := b.pool.Get(0)
		g := b.group(i)
		g.init(i, k(n), nil, nil)
		heads[head.Load()] = true
		if b.insert(g) != nil || heads[head.Load()] {
			t.Fatal("an insertion left the head as it was once")
		}
		groups = append(groups, g)
	}
	for _, n := range []int{1, 0, 2} { // in the middle, at the end, at the head
		heads[head.Load()] = true
		b.unlink(groups[n])
		if heads[head.Load()] {
			t.Fatalf("removal of %d left the head as it was once", n)
		}
		if b.find(groups[n].key()) != nil {
			t.Errorf("%d is still found", n)
		}
	}
}
