package sessiond

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"sync"
)

// keyPair is a client's certificate with its key, as two files have them.
type keyPair struct {
	certificateFile, keyFile string

	mu   sync.Mutex
	last *tls.Certificate
}

func readKeyPair(certificateFile, keyFile string) (*keyPair, error) {
	pair := &keyPair{certificateFile: certificateFile, keyFile: keyFile}
	var err error
	pair.last, err = pair.read()
	return pair, err
}

// current is what the files hold now, or held when they could last be used: one may be replaced a moment after the other.
// It is asked for at each handshake, which costs far more than to read two small files.
func (p *keyPair) current(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
	found, err := p.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	if err == nil {
		p.last = found
	}
	return p.last, nil
}

func (p *keyPair) read() (*tls.Certificate, error) {
	chain, err := readPEM("certificate file", p.certificateFile, "certificate", isCertificate)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(chain[0])
	if err != nil {
		return nil, fmt.Errorf("the certificate file %s: %w", p.certificateFile, err)
	}
	keys, err := readPEM("key file", p.keyFile, "private key", isKey)
	if err != nil {
		return nil, err
	}
	key := parseKey(keys[0])
	if key == nil {
		return nil, fmt.Errorf("the key file %s holds a private key that can't be read, such as an encrypted one", p.keyFile)
	}
	// Every public key of the standard library has Equal.
	public, isKnown := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !isKnown || !public.Equal(leaf.PublicKey) {
		return nil, fmt.Errorf("the key of the key file %s does not belong to the certificate of %s", p.keyFile, p.certificateFile)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}

// readPEM reads the blocks of the wanted kinds, of which there must be one at least.
func readPEM(name, file, content string, wanted func(kind string) bool) (found [][]byte, err error) {
	rest, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the %s can't be read: %w", name, err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if wanted(block.Type) {
			found = append(found, block.Bytes)
		}
	}
	if found == nil {
		return nil, fmt.Errorf("the %s %s holds no %s", name, file, content)
	}
	return found, nil
}

func isCertificate(kind string) bool { return kind == "CERTIFICATE" }

// isKey is for PRIVATE KEY, EC PRIVATE KEY and RSA PRIVATE KEY.
func isKey(kind string) bool { return strings.HasSuffix(kind, "PRIVATE KEY") }

// parseKey reads a private key in any of its forms; nil if it can't, without a word of what it holds.
func parseKey(der []byte) crypto.Signer {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		signer, _ := key.(crypto.Signer)
		return signer
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(der); err == nil {
		return key
	}
	return nil
}
