package sessiond

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"sessiond/internal/testserver"
)

// guard is a real server with access rules, in which a caller named shop may do some things.
type guard struct {
	testserver.Access
	server *testserver.Server
	// One of shop.
	token string
}

func startGuard(t *testing.T) guard {
	t.Helper()
	access := testserver.NewAccess(t, `[caller.shop]
allow = [{ namespaces = ["shop"], may = ["application"] }]
`)
	token := access.Create(t, "shop")
	return guard{access, testserver.Start(t, access.Args()...), token}
}

// withToken runs a test over the fast lane and with unary calls, with a client of shop.
func (g guard) withToken(t *testing.T, option Option, test func(t *testing.T, client *Client)) {
	t.Helper()
	for name, more := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			test(t, clientOf(t, g.server, append(more, option, WithNamespace("shop"), WithTimeout(20*time.Second))...))
		})
	}
}

// awaitRefusal waits until the server does not know a token any more.
func (g guard) awaitRefusal(t *testing.T, token string) {
	t.Helper()
	probe := clientOf(t, g.server, WithToken(token), WithNamespace("shop"), WithUnary(), WithTimeout(20*time.Second))
	await(t, func() bool { return errors.Is(touch(probe), ErrUnauthenticated) })
}

// renew makes another token that the server knows.
func (g guard) renew(t *testing.T) string {
	t.Helper()
	token := g.Create(t, "shop")
	g.server.Reload(t)
	probe := clientOf(t, g.server, WithToken(token), WithNamespace("shop"), WithUnary(), WithTimeout(20*time.Second))
	await(t, func() bool { return errors.Is(touch(probe), ErrSessionNotFound) })
	return token
}

func TestCallsWithAToken(t *testing.T) {
	access := startGuard(t)
	for name, option := range map[string]Option{
		"string": WithToken(access.token), "file": WithTokenFile(newTokenFile(t, access.token)),
	} {
		t.Run(name, func(t *testing.T) {
			access.withToken(t, option, func(t *testing.T, client *Client) {
				wantCalls(t, client)
				must[uint64](t)(client.Count(t.Context(), "somebody"))
				// It is larger than a message of the fast lane.
				must[*Created](t)(client.Create(t.Context(), NewSession{Attributes: map[string]any{"large": make([]byte, 60<<10)}}))
				for event, err := range client.Watch(t.Context(), Watch{Checkpoints: true}) {
					if err != nil || event.Kind != EventCheckpoint {
						t.Errorf("the first event is %+v, %v", event, err)
					}
					break
				}
			})
		})
	}
	t.Run("over TLS", func(t *testing.T) {
		server := testserver.StartTLS(t, "127.0.0.1", "server", access.Args()...)
		client := clientOf(t, server, WithTLS(testCA(t)), WithToken(access.token), WithNamespace("shop"), WithTimeout(20*time.Second))
		wantCalls(t, client)
	})
}

func wantDenied(t *testing.T, err error, reason Reason, code codes.Code) {
	t.Helper()
	wantReason(t, err, reason)
	var found *Error
	if errors.As(err, &found); found.Code != code || found.Message == "" {
		t.Errorf("the error is %v, %q", found.Code, found.Message)
	}
}

func TestCallsThatAreNotLetIn(t *testing.T) {
	access := startGuard(t)
	unknown := access.token[:len(access.token)-8] + "AAAAAAAA"
	for name, option := range map[string]Option{
		"no token": WithToken(""), "unknown": WithToken(unknown), "none of a sessiond": WithTokenFile(newTokenFile(t, "x")),
	} {
		t.Run(name, func(t *testing.T) {
			access.withToken(t, option, func(t *testing.T, client *Client) {
				_, err := client.Create(t.Context(), NewSession{})
				wantDenied(t, err, ErrUnauthenticated, codes.Unauthenticated)
				_, err = client.Count(t.Context(), "")
				wantDenied(t, err, ErrUnauthenticated, codes.Unauthenticated)
				for _, err := range client.Watch(t.Context(), Watch{}) {
					wantDenied(t, err, ErrUnauthenticated, codes.Unauthenticated)
				}
				if strings.Contains(err.Error(), unknown) {
					t.Errorf("%v shows the token", err)
				}
			})
		})
	}
	t.Run("not allowed", func(t *testing.T) {
		access.withToken(t, WithToken(access.token), func(t *testing.T, client *Client) {
			for range 2 {
				_, err := client.In("blog").Create(t.Context(), NewSession{})
				wantDenied(t, err, ErrPermissionDenied, codes.PermissionDenied)
				for _, word := range []string{"shop", "sessions", "blog"} {
					if !strings.Contains(err.Error(), word) {
						t.Errorf("%q does not say %q", err, word)
					}
				}
				wantCalls(t, client)
			}
			_, err := client.Statistics(t.Context())
			wantDenied(t, err, ErrPermissionDenied, codes.PermissionDenied)
			for _, err := range client.Watch(t.Context(), Watch{AllNamespaces: true}) {
				wantDenied(t, err, ErrPermissionDenied, codes.PermissionDenied)
			}
		})
	})
}

func TestTokenThatIsRevoked(t *testing.T) {
	access := startGuard(t)
	for name, option := range map[string]func(token string) Option{
		"string": WithToken, "file": func(token string) Option { return WithTokenFile(newTokenFile(t, token)) },
	} {
		for way, more := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
			t.Run(name+" "+way, func(t *testing.T) {
				token := access.renew(t)
				client := clientOf(t, access.server, append(more, option(token), WithNamespace("shop"), WithTimeout(20*time.Second))...)
				wantCalls(t, client)
				access.Revoke(t, token)
				access.server.Reload(t)
				access.awaitRefusal(t, token)
				// Of the stream that is open, too.
				_, err := client.Create(t.Context(), NewSession{})
				wantDenied(t, err, ErrUnauthenticated, codes.Unauthenticated)
			})
		}
	}
	// The others still hold.
	wantCalls(t, clientOf(t, access.server, WithToken(access.token), WithNamespace("shop"), WithTimeout(20*time.Second)))
}

// A token is renewed under load: the new one is written, the old one revoked. No call fails, and no watch.
func TestTokenThatIsRenewedUnderLoad(t *testing.T) {
	access := startGuard(t)
	file := newTokenFile(t, access.token)
	access.withToken(t, WithTokenFile(file), func(t *testing.T, client *Client) {
		ctx, cancel := context.WithCancel(t.Context())
		var calls, events, created atomic.Int64
		var group sync.WaitGroup
		started := make(chan struct{})
		start := sync.OnceFunc(func() { close(started) })
		group.Go(func() {
			for event, err := range client.Watch(ctx, Watch{Checkpoints: true, Kinds: []EventKind{EventCreated}}) {
				switch {
				case errors.Is(err, ErrCanceled):
				case err != nil:
					t.Errorf("the watch ended with %v", err)
				case event.Kind == EventCreated:
					events.Add(1)
				default:
					start()
				}
			}
		})
		<-started
		for range 8 {
			group.Go(func() {
				for ctx.Err() == nil {
					session, err := client.Create(context.Background(), NewSession{})
					if err == nil {
						created.Add(1)
						_, err = client.Update(context.Background(), string(session.ID), Change{Set: map[string]any{"n": 1}})
					}
					if err != nil {
						t.Errorf("a call failed: %v", err)
						return
					}
					calls.Add(2)
				}
			})
		}
		for range 3 {
			awaitMore(t, &calls, 100)
			before, after := access.token, access.renew(t)
			writeToken(t, file, after)
			awaitMore(t, &calls, 100)
			access.Revoke(t, before)
			access.server.Reload(t)
			access.awaitRefusal(t, before)
			access.token = after
			awaitMore(t, &calls, 100)
		}
		await(t, func() bool { return events.Load() >= created.Load()-8 })
		cancel()
		group.Wait()
	})
}
