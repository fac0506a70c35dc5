package weakmap_test

import (
	"runtime"
	"testing"
	"time"

	"sessiond/internal/weakmap"
)

func TestEntriesGoWithTheirKeys(t *testing.T) {
	type object struct{ Text [64]byte }
	var m weakmap.Map[object, int]
	kept := new(object)
	m.Set(kept, 1)
	m.Set(kept, 2)
	for range 100 {
		m.Set(new(object), 3)
	}
	for deadline := time.Now().Add(10 * time.Second); m.Len() > 1; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d entries are left", m.Len())
		}
		runtime.GC()
	}
	if value, known := m.Get(kept); !known || value != 2 {
		t.Errorf("the value is %d, %v", value, known)
	}
	if m.Delete(kept); m.Len() != 0 {
		t.Error("the entry is still there")
	}
	if _, known := m.Get(kept); known {
		t.Error("the value is still known")
	}
}
