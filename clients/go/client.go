package sessiond

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"

	pb "sessiond/gen/sessiond/v1"
)

const (
	// DefaultTimeout is how long a call may take, repetitions included, unless WithTimeout says otherwise.
	DefaultTimeout = time.Second

	// The largest answer that is read: the largest that a server can be set to send.
	largestMessage = 64 << 20

	// What the server may send before it is told to go on. As it is fixed, gRPC does not measure the connection with a ping
	// after each answer, which costs both sides as much as a small answer does.
	window = 4 << 20
)

// Client is a connection to a sessiond, or to the first of several that can be reached. Make one and share it.
type Client struct {
	conn     *grpc.ClientConn
	lane     *lane
	tokens   *tokens
	failures *tlsFailures
	budget   *retryBudget
	settings settings
}

type settings struct {
	addresses   []string
	namespace   string
	timeout     time.Duration
	retry       Retry
	unary       bool
	orderedMaps bool
	tls         TLS
	// Nil if calls carry no trace.
	currentTrace func(context.Context) (traceparent, tracestate string)
	// Empty once a client is made: it can be printed.
	tokenFile, token string
}

// Option is a setting of a Client.
type Option func(*settings)

// WithNamespace names the namespace that the sessions live in, instead of "default".
func WithNamespace(namespace string) Option {
	return func(s *settings) { s.namespace = namespace }
}

// WithTimeout bounds how long a call takes, repetitions included, instead of DefaultTimeout. The deadline of the call's
// context holds too, and the earlier one wins.
func WithTimeout(timeout time.Duration) Option {
	return func(s *settings) { s.timeout = timeout }
}

// WithRetry sets how often a call is repeated while the store is unavailable.
func WithRetry(retry Retry) Option {
	return func(s *settings) { s.retry = retry }
}

// WithUnary sends every call by itself instead of over the fast lane.
func WithUnary() Option {
	return func(s *settings) { s.unary = true }
}

// WithOrderedMaps reads maps as Map, which keeps the order of the entries, instead of map[string]any.
func WithOrderedMaps() Option {
	return func(s *settings) { s.orderedMaps = true }
}

// New makes a client of the server at an address: HOST:PORT, [V6]:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH. Of
// several, separated by commas, it uses the first that can be reached. An empty address stands for the environment variable
// SESSIOND_ADDR, or else 127.0.0.1:50051. https:// means TLS, and stands before all addresses or before none; WithTLS and the
// variables of EnvCAFile and its neighbours say how. WithTokenFile, WithToken and their variables say who calls. Nothing is connected before the first call.
func New(address string, options ...Option) (*Client, error) {
	s := settings{timeout: DefaultTimeout, retry: DefaultRetry}
	for _, option := range options {
		option(&s)
	}
	if s.timeout <= 0 {
		return nil, fmt.Errorf("sessiond: the timeout is %v; it must be more than 0", s.timeout)
	}
	if s.retry.Attempts < 1 || s.retry.Pause < 0 {
		return nil, fmt.Errorf("sessiond: the retry has %d attempts and a pause of %v; there must be 1 or more, and a pause of 0 or more",
			s.retry.Attempts, s.retry.Pause)
	}
	var err error
	if s.addresses, err = addresses(address); err != nil {
		return nil, err
	}
	tokens, err := newTokens(s.tokenFile, s.token)
	if err != nil {
		return nil, fmt.Errorf("sessiond: %w", err)
	}
	s.tokenFile, s.token = "", ""
	failures := newTLSFailures(s.addresses)
	conn, err := dial(s, tokens, failures)
	if err != nil {
		return nil, fmt.Errorf("sessiond: %w", err)
	}
	client := &Client{conn: conn, tokens: tokens, failures: failures, budget: newRetryBudget(), settings: s}
	if !s.unary {
		client.lane = newLane(conn, tokens)
	}
	return client, nil
}

func dial(s settings, tokens *tokens, failures *tlsFailures) (*grpc.ClientConn, error) {
	transport, serverName, err := s.tls.credentials(s.addresses, failures)
	if err != nil {
		return nil, err
	}
	servers := manual.NewBuilderWithScheme("sessiond")
	state := resolver.State{}
	for _, address := range s.addresses {
		state.Addresses = append(state.Addresses, target(address, serverName))
	}
	servers.InitialState(state)
	options := []grpc.DialOption{
		grpc.WithResolvers(servers),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			if path, isUnix := strings.CutPrefix(address, "unix:"); isUnix {
				return new(net.Dialer).DialContext(ctx, "unix", path)
			}
			_, authority, _ := strings.Cut(address, "://")
			conn, err := new(net.Dialer).DialContext(ctx, "tcp", authority)
			if err != nil {
				failures.forget(address)
			}
			return conn, err
		}),
		grpc.WithTransportCredentials(transport),
		grpc.WithDisableServiceConfig(),
		// A server that comes back is found soon, and one that accepts connections but does not answer is passed over.
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 50 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: time.Second},
			MinConnectTimeout: max(s.timeout, time.Second),
		}),
		// Finds a connection that a firewall forgot, or a server that hangs.
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 10 * time.Second, Timeout: 5 * time.Second}),
		grpc.WithStaticStreamWindowSize(window),
		grpc.WithStaticConnWindowSize(window),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage)),
		grpc.WithUserAgent("sessiond-go"),
	}
	if tokens != nil {
		options = append(options, grpc.WithPerRPCCredentials(tokenCredentials{tokens}))
	}
	return grpc.NewClient("sessiond:///localhost", options...)
}

// target is an address as gRPC takes it, with the name that it calls the server by: over TLS, the one that is verified.
// gRPC puts lists in another order where it tells IPv4, IPv6 and names apart, which it can't behind a scheme.
func target(address, serverName string) resolver.Address {
	authority, isSecure := strings.CutPrefix(address, secureScheme)
	switch {
	case isSecure && serverName == "":
		serverName = authority
	case !isSecure:
		serverName = "localhost"
	}
	if !isSecure && !strings.HasPrefix(address, "unix:") {
		address = plainScheme + address
	}
	return resolver.Address{Addr: address, ServerName: serverName, Attributes: withAddress(address)}
}

// Close ends the connection. Calls that are under way fail, and so do later ones.
func (c *Client) Close() error {
	if c.lane != nil {
		c.lane.close()
	}
	return c.conn.Close()
}

// In is a client of another namespace over the same connection.
func (c *Client) In(namespace string) *Client {
	other := *c
	other.settings.namespace = namespace
	return &other
}

// Conn is the connection, for what this package has no method for, such as the backup. Calls on it carry the token, and have
// no deadline of their own.
func (c *Client) Conn() grpc.ClientConnInterface { return c.conn }

// String names the server and the namespace.
func (c *Client) String() string {
	namespace := c.settings.namespace
	if namespace == "" {
		namespace = "default"
	}
	return fmt.Sprintf("sessiond at %s, namespace %s", strings.Join(c.settings.addresses, ","), namespace)
}

func (c *Client) store() pb.SessionStoreClient { return pb.NewSessionStoreClient(c.conn) }
