package sessiond

import (
	"sync"
	"sync/atomic"
)

const (
	// The budget is counted in tenths of a token.
	oneToken = 10

	// The reserve: a thousand tokens.
	fullBudget = 1000 * oneToken
)

// retryBudget bounds how much more a store that is reached, but can't be used, gets to do by the repetitions of all calls of a
// client together. Each answer UNAVAILABLE takes a token before its call is repeated, and each call that succeeds gives a tenth of
// one back: in the long run, repetitions are at most a tenth of the calls that succeed. A store that is not there has nothing
// to bear, so its absence takes none; one that starts or stops (ErrNotReady) soon ends or serves, refuses at little cost, and asks
// for the repetition.
type retryBudget struct {
	tenths atomic.Int64
}

func newRetryBudget() *retryBudget {
	budget := new(retryBudget)
	budget.tenths.Store(fullBudget)
	return budget
}

// noteSuccess gives a tenth of a token back.
func (b *retryBudget) noteSuccess() {
	// Goroutines of all threads come by here: while nothing is missing they share what they only read.
	for tenths := b.tenths.Load(); tenths < fullBudget; tenths = b.tenths.Load() {
		if b.tenths.CompareAndSwap(tenths, tenths+1) {
			return
		}
	}
}

func (b *retryBudget) take() bool {
	for tenths := b.tenths.Load(); tenths >= oneToken; tenths = b.tenths.Load() {
		if b.tenths.CompareAndSwap(tenths, tenths-oneToken) {
			return true
		}
	}
	return false
}

// charge is what the repetition costs after one answer of a server: nothing if it is nil, as no server has answered. If the answer
// was the end of a stream, all calls on it share the charge, and with it whether it was paid: they are repeated together.
type charge struct {
	once   sync.Once
	isPaid bool
}

// pays tells whether there is a token for what was answered.
func (b *retryBudget) pays(charge *charge) bool {
	if charge == nil {
		return true
	}
	charge.once.Do(func() { charge.isPaid = b.take() })
	return charge.isPaid
}
