package scsstore

import (
	"crypto/sha256"
	"sync"
)

// How many of the last tokens are known for certain; some more may be.
const recentTokens = 1 << 16

// recent knows which tokens this process has met lately: a commit of one that it has met must find the session. Without it
// one could not tell a new session from one that has ended, where the codec does not tell.
type recent struct {
	mu sync.Mutex
	// Hashes, so that a dump of memory has no tokens. The older half is dropped once the newer one is full.
	newer, older map[[sha256.Size]byte]struct{}
}

func (r *recent) add(id string) {
	key := sha256.Sum256([]byte(id))
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.newer == nil || len(r.newer) >= recentTokens {
		r.older, r.newer = r.newer, make(map[[sha256.Size]byte]struct{})
	}
	r.newer[key] = struct{}{}
}

func (r *recent) has(id string) bool {
	key := sha256.Sum256([]byte(id))
	r.mu.Lock()
	defer r.mu.Unlock()
	_, isNewer := r.newer[key]
	_, isOlder := r.older[key]
	return isNewer || isOlder
}
