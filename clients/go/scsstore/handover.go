package scsstore

import "sync/atomic"

// handover brings what was encoded past scs, so that it need not be decoded again: scs carries nothing but the data from the
// store to the codec, and back. Who copies the data on its way decodes it. What was taken is forgotten; what nobody takes is
// forgotten once as many others have come as there are slots.
type handover[V any] struct {
	last  atomic.Uint32
	slots [64]atomic.Pointer[handed[V]]
}

type handed[V any] struct {
	// The data, known by its address.
	first *byte
	value V
}

// put gives the data with one more byte: where its value is.
func (h *handover[V]) put(data []byte, value V) []byte {
	slot := h.last.Add(1) % uint32(len(h.slots))
	data = append(data, byte(slot))
	h.slots[slot].Store(&handed[V]{&data[0], value})
	return data
}

// take gives the value, or the data that put was given.
func (h *handover[V]) take(data []byte) (value V, known bool, encoded []byte) {
	end := len(data) - 1
	slot := &h.slots[int(data[end])%len(h.slots)]
	if found := slot.Load(); found != nil && found.first == &data[0] {
		slot.CompareAndSwap(found, nil)
		return found.value, true, nil
	}
	return value, false, data[:end]
}
