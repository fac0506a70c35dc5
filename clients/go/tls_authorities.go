package sessiond

import (
	"bytes"
	"crypto/x509"
	"fmt"
	"os"
	"sync"
)

// authorities are the certificates that may have signed the server's, as a file has them.
type authorities struct {
	file string

	mu   sync.Mutex
	text []byte
	last *x509.CertPool
}

func readAuthorities(file string) (*authorities, error) {
	a := &authorities{file: file}
	return a, a.read()
}

// current is what the file holds now, or held when it could last be used. It is asked for at each handshake.
func (a *authorities) current() *x509.CertPool {
	a.mu.Lock()
	defer a.mu.Unlock()
	// While the file can't be used, the certificates before stay.
	_ = a.read()
	return a.last
}

func (a *authorities) read() error {
	text, err := os.ReadFile(a.file)
	if err != nil {
		return fmt.Errorf("the CA file can't be read: %w", err)
	}
	if a.last != nil && bytes.Equal(text, a.text) {
		return nil
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return fmt.Errorf("the CA file %s holds no certificate that can be read", a.file)
	}
	a.text, a.last = text, pool
	return nil
}
