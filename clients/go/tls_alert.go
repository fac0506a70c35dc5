package sessiond

import (
	"context"
	"errors"
	"net"
	"time"

	"google.golang.org/grpc/credentials"
)

// How long a server's last words are waited for that has hung up: they have come before the end of the connection.
const lastWords = 100 * time.Millisecond

// alerting are credentials whose connections say why a server hung up. With TLS 1.3 a server judges the client's certificate
// after the client's handshake, when this has begun to write: it would learn of a broken pipe, and not of the alert.
type alerting struct {
	credentials.TransportCredentials
}

func (a alerting) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, info, err := a.TransportCredentials.ClientHandshake(ctx, authority, raw)
	if err != nil {
		return nil, nil, err
	}
	return alertingConn{conn}, info, nil
}

func (a alerting) Clone() credentials.TransportCredentials {
	return alerting{a.TransportCredentials.Clone()}
}

type alertingConn struct {
	net.Conn
}

// Write fails with the server's alert if there was one. A connection is not used after a failed write: what is read here,
// nobody else misses.
func (c alertingConn) Write(data []byte) (int, error) {
	written, err := c.Conn.Write(data)
	if err != nil && c.SetReadDeadline(time.Now().Add(lastWords)) == nil {
		if _, said := c.Read(make([]byte, 1)); isAlert(said) {
			err = said
		}
	}
	return written, err
}

func isAlert(err error) bool {
	var found *net.OpError
	return errors.As(err, &found) && found.Op == "remote error"
}
