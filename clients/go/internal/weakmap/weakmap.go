// Package weakmap remembers something about an object for as long as the object lives.
package weakmap

import (
	"runtime"
	"sync"
	"weak"
)

// Map is a map whose entries go with their keys. The zero value is empty and ready.
type Map[K, V any] struct {
	entries sync.Map
}

// Set remembers a value for key.
func (m *Map[K, V]) Set(key *K, value V) {
	pointer := weak.Make(key)
	if _, known := m.entries.Swap(pointer, value); !known {
		runtime.AddCleanup(key, func(pointer weak.Pointer[K]) { m.entries.Delete(pointer) }, pointer)
	}
}

// Get is what is remembered for key.
func (m *Map[K, V]) Get(key *K) (value V, known bool) {
	found, known := m.entries.Load(weak.Make(key))
	if known {
		value, known = found.(V)
	}
	return value, known
}

// Delete forgets what is remembered for key.
func (m *Map[K, V]) Delete(key *K) { m.entries.Delete(weak.Make(key)) }

// Len counts the keys.
func (m *Map[K, V]) Len() int {
	count := 0
	m.entries.Range(func(any, any) bool { count++; return true })
	return count
}
