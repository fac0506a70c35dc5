package sessiond

import (
	"strings"
	"sync"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// tlsFailures are why TLS failed at the addresses of a list. gRPC tells only of the last address that it tried, which may just
// be one where nothing listens.
type tlsFailures struct {
	addresses []string

	mu       sync.Mutex
	messages map[string]string
}

func newTLSFailures(addresses []string) *tlsFailures {
	return &tlsFailures{addresses: addresses, messages: make(map[string]string)}
}

func (f *tlsFailures) add(address string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.messages[address] = err.Error()
}

// forget is for an address that failed before its handshake: what it failed with earlier is no longer the reason.
func (f *tlsFailures) forget(address string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.messages, address)
}

// clear is for when an address answers.
func (f *tlsFailures) clear() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.messages)
}

// explain adds to why no address could be reached what the status does not say.
func (f *tlsFailures) explain(found *failure) *failure {
	if len(f.addresses) < 2 || found.outcome != notCarriedOut || found.status.Code() != codes.Unavailable ||
		reasonIn(found.status) != "" {
		return found
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	message := found.status.Message()
	for _, address := range f.addresses {
		if why := f.messages[address]; why != "" && !strings.Contains(message, why) {
			message += "; " + address + ": " + why
		}
	}
	return &failure{found.outcome, status.New(found.status.Code(), message), found.charge}
}
