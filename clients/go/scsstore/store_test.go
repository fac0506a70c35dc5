package scsstore_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/v2"

	"sessiond"
	"sessiond/internal/testserver"
	"sessiond/scsstore"
)

func TestMain(m *testing.M) {
	gob.Register(profile{})
	gob.Register(time.Time{})
	testserver.Main(m)
}

type profile struct{ Name string }

func newClient(t testing.TB) *sessiond.Client {
	t.Helper()
	client, err := sessiond.New(testserver.Shared().Address,
		sessiond.WithNamespace(testserver.Namespace()), sessiond.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// codecs runs a test with the store's codec and with scs's own.
func codecs(t *testing.T, test func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager)) {
	t.Helper()
	for _, name := range []string{"codec of the store", "codec of scs"} {
		t.Run(name, func(t *testing.T) {
			client, manager := newClient(t), scs.New()
			store := scsstore.New(client)
			manager.Store = store
			if name == "codec of the store" {
				manager.Codec = store.Codec()
			}
			test(t, client, manager)
		})
	}
}

// request loads a session, lets the request do something with it, and commits.
func request(t testing.TB, manager *scs.SessionManager, token string, do func(ctx context.Context)) (string, error) {
	t.Helper()
	ctx, err := manager.Load(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	do(ctx)
	if manager.Status(ctx) != scs.Modified {
		return token, nil
	}
	token, _, err = manager.Commit(ctx)
	return token, err
}

func must(t testing.TB) func(string, error) string {
	return func(token string, err error) string {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
}

// What scs's own stores are tested for, by way of the interface.
func TestContractOfStores(t *testing.T) {
	store := scsstore.New(newClient(t))
	find := func(token, want string) {
		t.Helper()
		data, found, err := store.Find(token)
		if err != nil || found != (want != "") || string(data) != want {
			t.Errorf("%q: found %q, %v, %v", token, data, found, err)
		}
	}
	find("missing_session_token", "")
	for _, malformed := range []string{"", "\xff", "a token with spaces", "handle:0190a5b8-0000-7000-8000-000000000000"} {
		find(malformed, "")
	}
	if err := store.Commit("session_token", []byte("encoded_data"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	find("session_token", "encoded_data")
	if err := store.Commit("session_token", []byte("new_encoded_data"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	find("session_token", "new_encoded_data")
	if err := store.Commit("session_token", []byte("encoded_data"), time.Now().Add(100*time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	time.Sleep(101 * time.Millisecond)
	find("session_token", "")
	if err := store.Commit("another_token", []byte("encoded_data"), time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	find("another_token", "")
	if err := store.Commit("third_token", []byte("encoded_data"), time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := store.Delete("third_token"); err != nil {
			t.Fatal(err)
		}
		find("third_token", "")
	}
	if err := store.Delete(""); err != nil {
		t.Error(err)
	}
	if err := store.Commit("", nil, time.Now().Add(time.Minute)); err == nil {
		t.Error("an empty token was committed")
	}
}

func TestAll(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		all, err := manager.Store.(scs.IterableStore).All()
		if err != nil || all == nil || len(all) != 0 {
			t.Errorf("without a session it is %v, %v", all, err)
		}
		tokens := make(map[string]string)
		for _, user := range []string{"ada", "bob"} {
			tokens[user] = must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "user", user) }))
		}
		err = manager.Iterate(t.Context(), func(ctx context.Context) error {
			if _, found, err := manager.Store.Find(manager.Token(ctx)); found || err != nil {
				t.Errorf("a made-up token is found: %v", err)
			}
			if manager.GetString(ctx, "user") == "ada" {
				return manager.Destroy(ctx)
			}
			manager.Put(ctx, "user", "eve")
			_, _, err := manager.Commit(ctx)
			if !errors.Is(err, scsstore.ErrReadOnly) {
				t.Errorf("the error is %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for user, isThere := range map[string]bool{"ada": false, "bob": true} {
			if _, found, err := manager.Store.Find(tokens[user]); err != nil || found != isThere {
				t.Errorf("%s: found is %v, %v", user, found, err)
			}
		}
	})
}

func TestValuesComeBack(t *testing.T) {
	moment := time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC)
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		token := must(t)(request(t, manager, "", func(ctx context.Context) {
			manager.Put(ctx, "string", "text")
			manager.Put(ctx, "int", 7)
			manager.Put(ctx, "int64", int64(8))
			manager.Put(ctx, "float", 1.5)
			manager.Put(ctx, "bool", true)
			manager.Put(ctx, "bytes", []byte("b"))
			manager.Put(ctx, "time", moment)
			manager.Put(ctx, "profile", profile{"Ada"})
		}))
		must(t)(request(t, manager, token, func(ctx context.Context) {
			if manager.GetString(ctx, "string") != "text" || manager.GetInt(ctx, "int") != 7 || manager.GetInt64(ctx, "int64") != 8 ||
				manager.GetFloat(ctx, "float") != 1.5 || !manager.GetBool(ctx, "bool") || string(manager.GetBytes(ctx, "bytes")) != "b" ||
				!manager.GetTime(ctx, "time").Equal(moment) || manager.Get(ctx, "profile") != (profile{"Ada"}) {
				t.Errorf("the keys are %v", manager.Keys(ctx))
			}
			if len(manager.Keys(ctx)) != 8 {
				t.Errorf("the keys are %v", manager.Keys(ctx))
			}
			if manager.PopString(ctx, "string"); manager.Exists(ctx, "string") {
				t.Error("it is still there")
			}
		}))
		must(t)(request(t, manager, token, func(ctx context.Context) {
			if manager.Exists(ctx, "string") || manager.GetInt(ctx, "int") != 7 {
				t.Errorf("the keys are %v", manager.Keys(ctx))
			}
		}))
	})
}

func TestOtherLanguagesReadTheValues(t *testing.T) {
	client, manager := newClient(t), scs.New()
	store := scsstore.New(client)
	manager.Store, manager.Codec = store, store.Codec()
	token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "theme", "dark") }))
	session, err := client.Get(t.Context(), token)
	if err != nil || session.Attributes["theme"] != "dark" || len(session.Attributes) != 1 {
		t.Fatalf("the session is %+v, %v", session, err)
	}
	if _, err := client.Update(t.Context(), token, sessiond.Change{Set: map[string]any{"visits": 3}}); err != nil {
		t.Fatal(err)
	}
	must(t)(request(t, manager, token, func(ctx context.Context) {
		if manager.GetInt(ctx, "visits") != 3 {
			t.Errorf("the value is %v", manager.Get(ctx, "visits"))
		}
	}))
}

// A site that changes to the store's codec keeps its sessions.
func TestSessionsOfTheOtherCodecCanBeRead(t *testing.T) {
	client, manager := newClient(t), scs.New()
	store := scsstore.New(client)
	manager.Store = store
	token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "theme", "dark") }))
	manager.Codec = store.Codec()
	for range 2 {
		token = must(t)(request(t, manager, token, func(ctx context.Context) {
			if manager.GetString(ctx, "theme") != "dark" {
				t.Errorf("the theme is %v", manager.Get(ctx, "theme"))
			}
			manager.Put(ctx, "visits", 1)
		}))
	}
	if session, err := client.Get(t.Context(), token); err != nil || session.Attributes["theme"] != "dark" {
		t.Errorf("the session is %+v, %v", session, err)
	}
}

func TestParallelRequestsThatChangeDifferentKeys(t *testing.T) {
	client, manager := newClient(t), scs.New()
	store := scsstore.New(client)
	manager.Store, manager.Codec = store, store.Codec()
	token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "first", true) }))
	var loaded, group sync.WaitGroup
	loaded.Add(64)
	for i := range 64 {
		group.Go(func() {
			must(t)(request(t, manager, token, func(ctx context.Context) {
				loaded.Done()
				loaded.Wait()
				manager.Put(ctx, fmt.Sprint("key", i), i)
			}))
		})
	}
	group.Wait()
	must(t)(request(t, manager, token, func(ctx context.Context) {
		if keys := manager.Keys(ctx); len(keys) != 65 {
			t.Errorf("there are %d keys: %v", len(keys), keys)
		}
	}))
}

func TestSlowRequestDoesNotReviveASession(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		for name, change := range map[string]func(ctx context.Context){
			"put":          func(ctx context.Context) { manager.Put(ctx, "late", true) },
			"clear":        func(ctx context.Context) { _ = manager.Clear(ctx) },
			"set deadline": func(ctx context.Context) { manager.SetDeadline(ctx, time.Now().Add(time.Hour)) },
		} {
			token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "user", "ada") }))
			_, err := request(t, manager, token, func(ctx context.Context) {
				must(t)(request(t, manager, token, func(ctx context.Context) {
					if err := manager.Destroy(ctx); err != nil {
						t.Error(err)
					}
				}))
				change(ctx)
			})
			if !errors.Is(err, scsstore.ErrEnded) || !errors.Is(err, sessiond.ErrSessionNotFound) {
				t.Errorf("%s: the error is %v", name, err)
			}
			if _, found, err := manager.Store.Find(token); found || err != nil {
				t.Errorf("%s: the session is there again, %v", name, err)
			}
		}
	})
}

// copying is a store around another, such as one that encrypts: what it hands on is equal, but not the same.
type copying struct{ scs.CtxStore }

func (c copying) FindCtx(ctx context.Context, token string) ([]byte, bool, error) {
	data, found, err := c.CtxStore.FindCtx(ctx, token)
	return bytes.Clone(data), found, err
}

func (c copying) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	return c.CtxStore.CommitCtx(ctx, token, bytes.Clone(data), expiry)
}

func TestStoreAroundTheStore(t *testing.T) {
	client, manager := newClient(t), scs.New()
	store := scsstore.New(client)
	manager.Store, manager.Codec = copying{store}, store.Codec()
	token := must(t)(request(t, manager, "", func(ctx context.Context) {
		manager.Put(ctx, "a", 1)
		manager.Put(ctx, "b", 2)
	}))
	must(t)(request(t, manager, token, func(ctx context.Context) {
		if _, err := client.Update(t.Context(), token, sessiond.Change{Set: map[string]any{"c": 3}}); err != nil {
			t.Fatal(err)
		}
		manager.Put(ctx, "a", 10)
		manager.Remove(ctx, "b")
	}))
	session, err := client.Get(t.Context(), token)
	if want := map[string]any{"a": int64(10), "c": int64(3)}; err != nil || !reflect.DeepEqual(session.Attributes, want) {
		t.Errorf("the session is %v, %v", session, err)
	}
}

func TestRenewedToken(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "theme", "dark") }))
		renewed := must(t)(request(t, manager, token, func(ctx context.Context) {
			if err := manager.RenewToken(ctx); err != nil {
				t.Error(err)
			}
			manager.Put(ctx, "user", "ada")
		}))
		if _, found, _ := manager.Store.Find(token); found || renewed == token {
			t.Error("the old token still works")
		}
		must(t)(request(t, manager, renewed, func(ctx context.Context) {
			if manager.GetString(ctx, "theme") != "dark" || manager.GetString(ctx, "user") != "ada" {
				t.Errorf("the keys are %v", manager.Keys(ctx))
			}
		}))
	})
}

func TestSessionsOfAUser(t *testing.T) {
	client, manager := newClient(t), scs.New()
	store := scsstore.New(client)
	store.PrincipalKey = "user"
	manager.Store, manager.Codec = store, store.Codec()
	count := func(user string) uint64 {
		t.Helper()
		found, err := client.Count(t.Context(), user)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "user", 42) }))
	if count("42") != 1 {
		t.Error("the session is not the user's")
	}
	must(t)(request(t, manager, token, func(ctx context.Context) { manager.Put(ctx, "user", "ada") }))
	if count("42") != 0 || count("ada") != 1 {
		t.Error("the session is not the next user's")
	}
	must(t)(request(t, manager, token, func(ctx context.Context) { manager.Remove(ctx, "user") }))
	if count("ada") != 0 || count("") != 1 {
		t.Error("the session is still the user's")
	}
}

// The merged session may live longer; what was loaded of it must not be taken for what was loaded of the other.
func TestMergedSessions(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		first := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "first", 1) }))
		second := must(t)(request(t, manager, "", func(ctx context.Context) {
			manager.Put(ctx, "second", 2)
			manager.SetDeadline(ctx, time.Now().Add(48*time.Hour).UTC())
		}))
		must(t)(request(t, manager, first, func(ctx context.Context) {
			if err := manager.MergeSession(ctx, second); err != nil {
				t.Error(err)
			}
		}))
		must(t)(request(t, manager, first, func(ctx context.Context) {
			if manager.GetInt(ctx, "first") != 1 || manager.GetInt(ctx, "second") != 2 {
				t.Errorf("the keys are %v", manager.Keys(ctx))
			}
		}))
		if _, found, _ := manager.Store.Find(second); found {
			t.Error("the merged session is still there")
		}
	})
}

func TestExpiry(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		manager.Lifetime, manager.IdleTimeout = time.Hour, 20*time.Minute
		token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "a", 1) }))
		endsIn := func(want time.Duration) *sessiond.Session {
			t.Helper()
			session, err := client.Get(t.Context(), token, sessiond.Peek())
			if err != nil {
				t.Fatal(err)
			}
			if left := time.Until(session.ExpireTime); left > want || left < want-10*time.Second {
				t.Errorf("the session ends in %v, not %v", left, want)
			}
			return session
		}
		endsIn(20 * time.Minute)
		manager.IdleTimeout = 0
		must(t)(request(t, manager, token, func(ctx context.Context) { manager.Put(ctx, "a", 2) }))
		endsIn(time.Hour)
		manager.IdleTimeout = 2 * time.Hour
		must(t)(request(t, manager, token, func(ctx context.Context) { manager.Put(ctx, "a", 3) }))
		endsIn(time.Hour)
		// With an idle timeout scs commits at every request; one that changes nothing rewrites nothing.
		manager.IdleTimeout = 20 * time.Minute
		must(t)(request(t, manager, token, func(ctx context.Context) { manager.Put(ctx, "a", 4) }))
		before := endsIn(20 * time.Minute)
		must(t)(request(t, manager, token, func(context.Context) {}))
		if _, isOwn := manager.Codec.(scs.GobCodec); !isOwn {
			if after := endsIn(20 * time.Minute); after.Version != before.Version || !after.LastAccessTime.After(before.LastAccessTime) {
				t.Errorf("the versions are %d and %d", before.Version, after.Version)
			}
		}
	})
}

func TestLifetimeBeyondWhatTheServerTakes(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		manager.Lifetime = 20 * 365 * 24 * time.Hour
		token := must(t)(request(t, manager, "", func(ctx context.Context) { manager.Put(ctx, "a", 1) }))
		session, err := client.Get(t.Context(), token)
		if err != nil || time.Until(session.ExpireTime) < 3650*24*time.Hour {
			t.Errorf("the session is %+v, %v", session, err)
		}
	})
}

func TestSiteWithCookies(t *testing.T) {
	codecs(t, func(t *testing.T, client *sessiond.Client, manager *scs.SessionManager) {
		manager.ErrorFunc = func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusConflict)
		}
		mux := http.NewServeMux()
		mux.HandleFunc("/put", func(_ http.ResponseWriter, r *http.Request) { manager.Put(r.Context(), "visits", 1) })
		mux.HandleFunc("/get", func(w http.ResponseWriter, r *http.Request) {
			_, _ = fmt.Fprint(w, manager.GetInt(r.Context(), "visits"))
		})
		mux.HandleFunc("/out", func(_ http.ResponseWriter, r *http.Request) { _ = manager.Destroy(r.Context()) })
		site := httptest.NewServer(manager.LoadAndSave(mux))
		defer site.Close()
		jar, _ := cookiejar.New(nil)
		browser := &http.Client{Jar: jar}
		get := func(path string) string {
			t.Helper()
			answer, err := browser.Get(site.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = answer.Body.Close() }()
			body, _ := io.ReadAll(answer.Body)
			return string(body)
		}
		get("/put")
		if got := get("/get"); got != "1" {
			t.Errorf("it is %q", got)
		}
		get("/out")
		if got := get("/get"); got != "0" {
			t.Errorf("after the log out it is %q", got)
		}
	})
}

func TestStoreThatIsDown(t *testing.T) {
	client, err := sessiond.New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	store := scsstore.New(client)
	if _, _, err := store.Find("session_token"); !errors.Is(err, sessiond.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
	if err := store.Commit("session_token", nil, time.Now().Add(time.Minute)); !errors.Is(err, sessiond.ErrUnavailable) || strings.Contains(err.Error(), "session_token") {
		t.Errorf("the error is %v", err)
	}
	if _, err := store.All(); !errors.Is(err, sessiond.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
}
