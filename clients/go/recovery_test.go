package sessiond

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

// The server is killed under load: each call ends within its deadline, with an answer or a typed error; the client recovers
// by itself, and nothing that was acknowledged is missing.
func TestServerKilledUnderLoad(t *testing.T) {
	for name, options := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			server := testserver.Start(t)
			const timeout = time.Second
			client := clientOf(t, server, append(options, WithTimeout(timeout))...)
			long := clientOf(t, server, WithTimeout(20*time.Second))

			var stop atomic.Bool
			var acknowledged atomic.Int64
			var group sync.WaitGroup
			ids, counts := make([]string, 16), make([]int64, 16)
			for i := range ids {
				ids[i] = string(must[*Created](t)(long.Create(t.Context(), NewSession{})).ID)
				group.Go(func() {
					for n := int64(1); !stop.Load(); n++ {
						began := time.Now()
						_, err := client.Update(context.Background(), ids[i], Change{Set: map[string]any{"n": n}})
						if took := time.Since(began); took > timeout+5*time.Second {
							t.Errorf("a call took %v", took)
						}
						switch {
						case err == nil:
							counts[i] = n
							acknowledged.Add(1)
						case !errors.Is(err, ErrUnavailable) && !errors.Is(err, ErrDeadlineExceeded):
							t.Errorf("the error is %v", err)
						}
					}
				})
			}
			for range 3 {
				awaitMore(t, &acknowledged, 200)
				server.Kill(t)
				server.Restart(t)
			}
			awaitMore(t, &acknowledged, 200)
			stop.Store(true)
			group.Wait()
			for i, id := range ids {
				session := must[*Session](t)(long.Get(t.Context(), id))
				if n, _ := session.Attributes["n"].(int64); n < counts[i] {
					t.Errorf("%d was acknowledged, %d is stored", counts[i], n)
				}
			}
		})
	}
}

func awaitMore(t *testing.T, counter *atomic.Int64, more int64) {
	t.Helper()
	wanted := counter.Load() + more
	await(t, func() bool { return counter.Load() >= wanted })
}

func await(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("what was waited for did not come about")
		}
	}
}

func TestServerThatHangs(t *testing.T) {
	server := testserver.Start(t)
	client := clientOf(t, server, WithTimeout(200*time.Millisecond))
	await(t, func() bool { _, err := client.Create(t.Context(), NewSession{}); return err == nil })
	server.Pause(t)
	began := time.Now()
	_, err := client.Get(t.Context(), "no-such-session-0")
	wantReason(t, err, ErrDeadlineExceeded)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v is not the context's error", err)
	}
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the call took %v", took)
	}
	server.Resume(t)
	await(t, func() bool {
		_, err := client.Get(t.Context(), "no-such-session-0")
		return errors.Is(err, ErrSessionNotFound)
	})
}

func TestNoServer(t *testing.T) {
	client, err := New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	began := time.Now()
	_, err = client.Get(t.Context(), "no-such-session-0")
	wantReason(t, err, ErrUnavailable)
	if took := time.Since(began); took > 6*time.Second {
		t.Errorf("the call took %v", took)
	}
	// What was not carried out for certain is repeated, whatever it is: also a call that is not the same done twice.
	_, err = client.Create(t.Context(), NewSession{})
	wantReason(t, err, ErrUnavailable)
}

func TestCallerThatGivesUp(t *testing.T) {
	client := newClient(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("the visitor has gone"))
	_, err := client.Get(ctx, "no-such-session-0")
	wantReason(t, err, ErrCanceled)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v is not the context's error", err)
	}
}

func TestSeveralServers(t *testing.T) {
	first, second := testserver.Start(t), testserver.Start(t)
	// Names and numbers are taken in the order of the list.
	byName := strings.Replace(second.Address, "127.0.0.1", "localhost", 1)
	client, err := New("127.0.0.1:1,"+first.Address+",http://"+byName, WithTimeout(5*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	id := string(must[*Created](t)(client.Create(t.Context(), NewSession{})).ID)
	if session := must[*Session](t)(clientOf(t, first, WithTimeout(5*time.Second)).Get(t.Context(), id)); session.Version != 1 {
		t.Errorf("the session is %+v", session)
	}
	first.Kill(t)
	await(t, func() bool {
		_, err := client.Get(t.Context(), id)
		return errors.Is(err, ErrSessionNotFound)
	})
}

func TestUnixSocket(t *testing.T) {
	server := testserver.StartAt(t, "unix:"+t.TempDir()+"/sessiond.sock")
	client := clientOf(t, server, WithTimeout(5*time.Second))
	must[*Created](t)(client.Create(t.Context(), NewSession{}))
}

func TestClosedClient(t *testing.T) {
	both(t, func(t *testing.T, client *Client) {
		if err := client.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Create(t.Context(), NewSession{}); !errors.Is(err, ErrCanceled) {
			t.Errorf("the error is %v", err)
		}
	})
}
