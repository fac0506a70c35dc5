package sessiond

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"time"

	grpcattributes "google.golang.org/grpc/attributes"
	"google.golang.org/grpc/credentials"
)

// How long a server's last words are waited for that has hung up: they have come before the end of the connection.
const lastWords = 100 * time.Millisecond

// secure are credentials whose connections take the CA file as it is at their handshake, and say why a server hung up. With
// TLS 1.3 a server judges the client's certificate after the client's handshake, when this has begun to write: it would learn
// of a broken pipe, and not of the alert.
type secure struct {
	credentials.TransportCredentials
	config *tls.Config
	// nil if the config has what servers are verified by.
	authorities *authorities
	failures    *tlsFailures
}

func newSecure(config *tls.Config, authorities *authorities, failures *tlsFailures) secure {
	return secure{credentials.NewTLS(config), config, authorities, failures}
}

func (s secure) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	handshake := s.TransportCredentials
	if s.authorities != nil {
		config := s.config.Clone()
		config.RootCAs = s.authorities.current()
		handshake = credentials.NewTLS(config)
	}
	address := addressOf(credentials.ClientHandshakeInfoFromContext(ctx).Attributes)
	conn, info, err := handshake.ClientHandshake(ctx, authority, raw)
	if err != nil {
		s.failures.add(address, err)
		return nil, nil, err
	}
	return &secureConn{Conn: conn, address: address, failures: s.failures}, info, nil
}

func (s secure) Clone() credentials.TransportCredentials {
	return newSecure(s.config.Clone(), s.authorities, s.failures)
}

type secureConn struct {
	net.Conn
	address  string
	failures *tlsFailures
	// Whether the server has said something within TLS. Only for Read, which has one caller at a time.
	isHeard bool
}

func (c *secureConn) Read(data []byte) (int, error) {
	read, err := c.Conn.Read(data)
	switch {
	case isAlert(err):
		c.failures.add(c.address, err)
	case read > 0 && !c.isHeard:
		c.isHeard = true
		c.failures.clear()
	}
	return read, err
}

// Write fails with the server's alert if there was one. A connection is not used after a failed write: what is read here,
// nobody else misses.
func (c *secureConn) Write(data []byte) (int, error) {
	written, err := c.Conn.Write(data)
	if err != nil && c.SetReadDeadline(time.Now().Add(lastWords)) == nil {
		if _, said := c.Conn.Read(make([]byte, 1)); isAlert(said) {
			c.failures.add(c.address, said)
			err = said
		}
	}
	return written, err
}

func isAlert(err error) bool {
	var found *net.OpError
	return errors.As(err, &found) && found.Op == "remote error"
}

// addressKey is the attribute by which a connection knows which address of the list it is to.
type addressKey struct{}

func withAddress(address string) *grpcattributes.Attributes {
	return grpcattributes.New(addressKey{}, address)
}

func addressOf(found *grpcattributes.Attributes) string {
	address, _ := found.Value(addressKey{}).(string)
	return address
}
