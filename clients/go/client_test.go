package sessiond

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// newClient is a client of the shared server in a namespace of its own.
func newClient(t testing.TB, options ...Option) *Client {
	t.Helper()
	options = append([]Option{WithNamespace(testserver.Namespace()), WithTimeout(10 * time.Second)}, options...)
	return clientOf(t, testserver.Shared(), options...)
}

func clientOf(t testing.TB, server *testserver.Server, options ...Option) *Client {
	t.Helper()
	client, err := New(server.Address, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// both runs a test over the fast lane and with unary calls.
func both(t *testing.T, test func(t *testing.T, client *Client)) {
	t.Helper()
	t.Run("fast lane", func(t *testing.T) { test(t, newClient(t)) })
	t.Run("unary", func(t *testing.T) { test(t, newClient(t, WithUnary())) })
}

func must[T any](t testing.TB) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func wantReason(t testing.TB, err error, reason Reason) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Fatalf("the error is %v, not %v", err, reason)
	}
	var found *Error
	if !errors.As(err, &found) {
		t.Fatalf("%T is no *Error", err)
	}
}

func TestLifeOfASession(t *testing.T) {
	both(t, func(t *testing.T, client *Client) {
		ctx := t.Context()
		created := must[*Created](t)(client.Create(ctx, NewSession{
			Attributes: map[string]any{"theme": "dark", "visits": 1},
			Labels:     map[string]string{"device": "laptop"},
			Timeouts:   Timeouts{Idle: 30 * time.Minute, Absolute: 12 * time.Hour},
		}))
		id := string(created.ID)
		session := must[*Session](t)(client.Get(ctx, id))
		if session.Attributes["theme"] != "dark" || session.Attributes["visits"] != int64(1) {
			t.Errorf("the attributes are %v", session.Attributes)
		}
		if session.IdleTimeout != 30*time.Minute || session.AbsoluteExpireTime.Sub(session.CreateTime) != 12*time.Hour {
			t.Errorf("the timeouts are %v and %v", session.IdleTimeout, session.AbsoluteExpireTime)
		}

		changed := must[*Session](t)(client.Update(ctx, id,
			Change{Set: map[string]any{"theme": "light"}, Remove: []string{"visits"}}, ExpectVersion(session.Version)))
		if changed.Version != 2 || changed.Attributes != nil {
			t.Errorf("the version is %d, the attributes %v", changed.Version, changed.Attributes)
		}
		_, err := client.Update(ctx, id, Change{Set: map[string]any{"theme": "red"}}, ExpectVersion(session.Version))
		wantReason(t, err, ErrVersionMismatch)
		var mismatch *Error
		if errors.As(err, &mismatch); mismatch.Metadata["current_version"] != "2" {
			t.Errorf("the metadata is %v", mismatch.Metadata)
		}

		if known := must[*Session](t)(client.Get(ctx, id, IfVersionNot(2))); known.Attributes != nil {
			t.Error("attributes that the caller knows were sent again")
		}
		if expires, version, err := client.Touch(ctx, id); err != nil || version != 2 || time.Until(expires) < 29*time.Minute {
			t.Errorf("the touch answers %v, %d, %v", expires, version, err)
		}

		user := "user-42"
		rotated := must[*Created](t)(client.Rotate(ctx, id, Rotation{Change: Change{Principal: &user}}))
		_, err = client.Get(ctx, id)
		wantReason(t, err, ErrSessionNotFound)
		session = must[*Session](t)(client.Get(ctx, string(rotated.ID), Peek()))
		if session.Principal != user || session.Handle != created.Session.Handle || session.Attributes["theme"] != "light" {
			t.Errorf("the session is %+v", session)
		}

		if deleted := must[bool](t)(client.Delete(ctx, string(rotated.ID))); !deleted {
			t.Error("nothing was deleted")
		}
		if deleted := must[bool](t)(client.Delete(ctx, string(rotated.ID))); deleted {
			t.Error("it was deleted twice")
		}
		_, err = client.Update(ctx, string(rotated.ID), Change{Set: map[string]any{"late": true}})
		wantReason(t, err, ErrSessionNotFound)
	})
}

func TestListsAndRevocation(t *testing.T) {
	client, ctx := newClient(t), t.Context()
	var first *Created
	for i := range 5 {
		created := must[*Created](t)(client.Create(ctx, NewSession{Principal: "user-1", Attributes: map[string]any{"n": i}}))
		if first == nil {
			first = created
		}
		// Newest first is by the millisecond.
		for time.Now().UnixMilli() <= created.Session.CreateTime.UnixMilli() {
			runtime.Gosched()
		}
	}
	must[*Created](t)(client.Create(ctx, NewSession{Principal: "user-2"}))

	var numbers []any
	for session, err := range client.List(ctx, List{Principal: "user-1", PageSize: 2, Attributes: true}) {
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, session.Attributes["n"])
	}
	if fmt.Sprint(numbers) != "[4 3 2 1 0]" {
		t.Errorf("the sessions are %v", numbers)
	}
	if count := must[uint64](t)(client.Count(ctx, "")); count != 6 {
		t.Errorf("%d sessions are counted", count)
	}
	if revoked := must[uint64](t)(client.RevokeOthers(ctx, "user-1", string(first.ID))); revoked != 4 {
		t.Errorf("%d sessions are revoked", revoked)
	}
	_, err := client.RevokeOthers(ctx, "user-1", "no-such-session-0")
	wantReason(t, err, ErrSessionNotFound)
	if revoked := must[uint64](t)(client.RevokeHandles(ctx, first.Session.Handle)); revoked != 1 {
		t.Errorf("%d sessions are revoked by handle", revoked)
	}
	if revoked := must[uint64](t)(client.RevokeNamespace(ctx)); revoked != 1 {
		t.Errorf("%d sessions of the namespace are revoked", revoked)
	}
}

func TestLocksTicketsTokensAndBatches(t *testing.T) {
	client, ctx := newClient(t), t.Context()
	created := must[*Created](t)(client.Create(ctx, NewSession{}))
	id := string(created.ID)

	locked := must[*Locked](t)(client.Lock(ctx, id, Lock{Lease: 20 * time.Second}))
	_, err := client.Lock(ctx, id, Lock{Wait: 50 * time.Millisecond})
	wantReason(t, err, ErrLockHeld)
	must[*Session](t)(client.Update(ctx, id, Change{Set: map[string]any{"a": 1}}, UnderLock(locked.Token)))
	if released := must[bool](t)(client.Unlock(ctx, id, locked.Token)); !released {
		t.Error("the lock was not released")
	}
	_, err = client.Update(ctx, id, Change{Set: map[string]any{"a": 2}}, UnderLock(locked.Token))
	wantReason(t, err, ErrLockLost)

	ticket := must[*Ticket](t)(client.IssueHandoff(ctx, id, "https://shop.example", time.Minute))
	other := must[*Created](t)(client.RedeemHandoff(ctx, ticket.Ticket, "https://shop.example"))
	if other.Session.Handle != created.Session.Handle || other.Session.Attributes["a"] != int64(1) {
		t.Errorf("the ticket leads to %+v", other.Session)
	}
	_, err = client.RedeemHandoff(ctx, ticket.Ticket, "https://shop.example")
	wantReason(t, err, ErrHandoffInvalid)

	token := must[string](t)(client.IssueCSRFToken(ctx, id))
	if !must[bool](t)(client.VerifyCSRFToken(ctx, id, token)) {
		t.Error("the token is not valid")
	}
	if must[bool](t)(client.VerifyCSRFToken(ctx, id, token+"x")) {
		t.Error("a wrong token is valid")
	}

	got := must[[]BatchSession](t)(client.BatchGet(ctx, []string{id, "no-such-session-0"}, Peek()))
	if len(got) != 2 || got[0].Session.Handle != created.Session.Handle {
		t.Fatalf("the batch answers %+v", got)
	}
	wantReason(t, got[1].Err, ErrSessionNotFound)
	deleted := must[[]BatchDeleted](t)(client.BatchDelete(ctx, []string{"no-such-session-0", id}))
	if len(deleted) != 2 || deleted[0].Deleted || !deleted[1].Deleted {
		t.Errorf("the batch answers %+v", deleted)
	}

	statistics := must[*Statistics](t)(client.Statistics(ctx))
	if statistics.Created == 0 || statistics.StartTime.IsZero() {
		t.Errorf("the statistics are %+v", statistics)
	}
	must[uint64](t)(client.SweepNow(ctx))
}

func TestErrorsNameTheField(t *testing.T) {
	both(t, func(t *testing.T, client *Client) {
		_, err := client.Create(t.Context(), NewSession{ID: "short", Attributes: map[string]any{"": 1}})
		wantReason(t, err, ErrInvalidArgument)
		var found *Error
		if errors.As(err, &found); len(found.Fields) == 0 || found.Fields[0].Name == "" || found.Fields[0].Problem == "" {
			t.Errorf("the fields are %+v", found.Fields)
		}
	})
}

func TestValueThatOnlyGoReads(t *testing.T) {
	client := newClient(t)
	_, err := client.Create(t.Context(), NewSession{Attributes: map[string]any{"cart": struct{ Items int }{2}}})
	wantReason(t, err, ErrUnsupportedValue)
	if !strings.Contains(err.Error(), `"cart"`) {
		t.Errorf("%v does not name the attribute", err)
	}
}

// Each request sets another key of the same session: every one must be there.
func TestParallelChangesOfOneSession(t *testing.T) {
	both(t, func(t *testing.T, client *Client) {
		ctx := t.Context()
		id := string(must[*Created](t)(client.Create(ctx, NewSession{})).ID)
		var group sync.WaitGroup
		for i := range 64 {
			group.Go(func() {
				if _, err := client.Update(ctx, id, Change{Set: map[string]any{fmt.Sprint("key", i): i}}); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
		session := must[*Session](t)(client.Get(ctx, id))
		for i := range 64 {
			if session.Attributes[fmt.Sprint("key", i)] != int64(i) {
				t.Errorf("key %d is missing", i)
			}
		}
	})
}

// Many goroutines read sessions of their own at the same time: an answer that is given to the wrong caller shows.
func TestEveryCallerGetsItsOwnAnswer(t *testing.T) {
	both(t, func(t *testing.T, client *Client) {
		ctx := t.Context()
		var group sync.WaitGroup
		for i := range 32 {
			group.Go(func() {
				id := string(must[*Created](t)(client.Create(ctx, NewSession{Attributes: map[string]any{"owner": i}})).ID)
				for n := range 50 {
					// Some give up early: their replies come when their tags could be those of others.
					if n%7 == 0 {
						short, cancel := context.WithTimeout(ctx, time.Duration(n)*10*time.Microsecond)
						_, _ = client.Get(short, id)
						cancel()
					}
					session, err := client.Get(ctx, id)
					if err != nil {
						t.Error(err)
						return
					}
					if session.Attributes["owner"] != int64(i) {
						t.Errorf("%d got the session of %v", i, session.Attributes["owner"])
					}
				}
			})
		}
		group.Wait()
	})
}

func TestSecretsAreHidden(t *testing.T) {
	client := newClient(t)
	created := must[*Created](t)(client.Create(t.Context(), NewSession{}))
	id := string(created.ID)
	for _, text := range []string{
		fmt.Sprint(created), fmt.Sprintf("%+v", created), fmt.Sprintf("%#v", created), fmt.Sprintf("%x", created.ID),
		fmt.Sprintf("%q", created.ID), fmt.Sprintf("%+v", client),
	} {
		if strings.Contains(text, id) || strings.Contains(text, fmt.Sprintf("%x", id)) {
			t.Errorf("%s shows the ID", text)
		}
	}
	if _, err := client.Create(t.Context(), NewSession{ID: id}); err == nil || strings.Contains(err.Error(), id) {
		t.Errorf("the error is %v", err)
	}
}
