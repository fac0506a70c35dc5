package gorillastore_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gorilla/sessions"

	"sessiond"
	"sessiond/gorillastore"
	"sessiond/internal/testserver"
)

type (
	profile struct{ Name string }
	key     int
)

func TestMain(m *testing.M) {
	gob.Register(profile{})
	gob.Register(key(0))
	testserver.Main(m)
}

func newStore(t testing.TB) (*gorillastore.Store, *sessiond.Client) {
	t.Helper()
	client, err := sessiond.New(testserver.Shared().Address,
		sessiond.WithNamespace(testserver.Namespace()), sessiond.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return gorillastore.New(client, []byte("a key of thirty-two bytes, no less")), client
}

// request runs one request of a browser; it answers the browser's cookies afterwards.
func request(t testing.TB, store *gorillastore.Store, cookies []*http.Cookie, do func(r *http.Request, w http.ResponseWriter, s *sessions.Session)) []*http.Cookie {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for _, cookie := range cookies {
		r.AddCookie(cookie)
	}
	w := httptest.NewRecorder()
	session, err := store.Get(r, "session")
	if err != nil {
		t.Fatal(err)
	}
	do(r, w, session)
	if set := w.Result().Cookies(); len(set) > 0 {
		return set
	}
	return cookies
}

func save(t testing.TB, r *http.Request, w http.ResponseWriter, s *sessions.Session) {
	t.Helper()
	if err := s.Save(r, w); err != nil {
		t.Fatal(err)
	}
}

func TestValuesComeBack(t *testing.T) {
	store, client := newStore(t)
	values := map[any]any{
		"string": "text", "int": 7, "int64": int64(8), "bool": true, "nil": nil, "bytes": []byte("b"),
		"time": time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), "list": []any{1, "a"}, "map": map[string]any{"a": 1},
		"profile": profile{"Ada"}, key(1): "by a key of a type", 2: "by a number", "": "by the empty key",
		"go-gob:AA": "by a key like one of ours", strings.Repeat("ä", 60) + "\xff": "by a key that is no UTF-8",
	}
	cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		if !s.IsNew {
			t.Error("the session is not new")
		}
		for key, value := range values {
			s.Values[key] = value
		}
		s.AddFlash("hello")
		s.AddFlash(profile{"Bob"}, "other")
		save(t, r, w, s)
	})
	cookies = request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		if s.IsNew || s.ID == "" {
			t.Error("the session is new")
		}
		for key, value := range values {
			if !reflect.DeepEqual(s.Values[key], value) {
				t.Errorf("%v comes back as %#v", key, s.Values[key])
			}
		}
		if flashes := s.Flashes(); !reflect.DeepEqual(flashes, []any{"hello"}) {
			t.Errorf("the flashes are %v", flashes)
		}
		if flashes := s.Flashes("other"); !reflect.DeepEqual(flashes, []any{profile{"Bob"}}) {
			t.Errorf("the flashes are %v", flashes)
		}
		save(t, r, w, s)
	})
	request(t, store, cookies, func(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) {
		if len(s.Flashes()) != 0 || len(s.Values) != len(values) {
			t.Errorf("the values are %v", s.Values)
		}
		session, err := client.Get(t.Context(), s.ID)
		if err != nil || session.Attributes["string"] != "text" || session.Attributes["int"] != int64(7) {
			t.Errorf("other languages read %v, %v", session, err)
		}
	})
}

func TestValuesThatCannotBeStored(t *testing.T) {
	store, _ := newStore(t)
	for name, value := range map[any]any{"function": func() {}, strings.Repeat("long", 65): 1} {
		request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
			s.Values[name] = value
			if err := s.Save(r, w); err == nil || s.ID != "" {
				t.Errorf("%v was stored", name)
			}
		})
	}
}

func TestParallelRequestsThatChangeDifferentValues(t *testing.T) {
	store, _ := newStore(t)
	cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) { save(t, r, w, s) })
	var loaded, group sync.WaitGroup
	loaded.Add(64)
	for i := range 64 {
		group.Go(func() {
			request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
				loaded.Done()
				loaded.Wait()
				s.Values[fmt.Sprint("key", i)] = i
				if err := s.Save(r, w); err != nil {
					t.Error(err)
				}
			})
		})
	}
	group.Wait()
	request(t, store, cookies, func(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) {
		if len(s.Values) != 64 {
			t.Errorf("there are %d values", len(s.Values))
		}
	})
}

func TestSecondSaveOfARequest(t *testing.T) {
	store, client := newStore(t)
	request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		s.Values["a"] = 1
		save(t, r, w, s)
		id := s.ID
		if _, err := client.Update(t.Context(), id, sessiond.Change{Set: map[string]any{"other": true}}); err != nil {
			t.Fatal(err)
		}
		s.Values["b"] = 2
		delete(s.Values, "a")
		save(t, r, w, s)
		session, err := client.Get(t.Context(), id)
		if err != nil || s.ID != id || !reflect.DeepEqual(session.Attributes, map[string]any{"b": int64(2), "other": true}) {
			t.Errorf("the session is %v, %v", session, err)
		}
	})
}

// gorilla/sessions#282: the cookie of a session that was ended must be worth nothing.
func TestCookieAfterALogOutIsDead(t *testing.T) {
	for _, maxAge := range []int{-1, 0} {
		store, _ := newStore(t)
		cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
			s.Values["user"] = "ada"
			save(t, r, w, s)
		})
		gone := request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
			s.Options.MaxAge = maxAge
			save(t, r, w, s)
		})
		if gone[0].Value != "" {
			t.Errorf("the cookie is %v", gone[0])
		}
		again := request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
			if !s.IsNew || s.ID != "" || len(s.Values) != 0 {
				t.Errorf("the session is %v, new: %v", s.Values, s.IsNew)
			}
			save(t, r, w, s)
		})
		if again[0].Value == cookies[0].Value {
			t.Error("the next session has the old ID")
		}
	}
}

func TestCookieIsStrict(t *testing.T) {
	store, _ := newStore(t)
	for _, step := range []struct {
		name   string
		do     func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error
		maxAge int
	}{
		{"a save", store.Save, 30 * 24 * 60 * 60},
		{"a new ID", store.Renew, 30 * 24 * 60 * 60},
		{"a session with an age of its own", func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
			s.Options.MaxAge = 60
			return store.Save(r, w, s)
		}, 60},
		{"a log out", func(r *http.Request, w http.ResponseWriter, s *sessions.Session) error {
			s.Options.MaxAge = -1
			return store.Save(r, w, s)
		}, -1},
	} {
		cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) { save(t, r, w, s) })
		cookie := request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
			if err := step.do(r, w, s); err != nil {
				t.Fatal(err)
			}
		})[0]
		if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" || cookie.Domain != "" {
			t.Errorf("%s: the cookie is %v", step.name, cookie)
		}
		if cookie.MaxAge != step.maxAge {
			t.Errorf("%s: the cookie lasts %d s, not %d", step.name, cookie.MaxAge, step.maxAge)
		}
	}
}

func TestCookieIsAsOptionsSay(t *testing.T) {
	store, _ := newStore(t)
	store.Options.Domain, store.Options.Secure, store.Options.SameSite = "shop.example", false, http.SameSiteStrictMode
	store.MaxAge(3600)
	cookie := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		s.Options.Path = "/cart"
		save(t, r, w, s)
	})[0]
	if cookie.Domain != "shop.example" || cookie.Secure || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/cart" || !cookie.HttpOnly || cookie.MaxAge != 3600 {
		t.Errorf("the cookie is %v", cookie)
	}
}

func TestSlowRequestDoesNotReviveASession(t *testing.T) {
	store, client := newStore(t)
	cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) { save(t, r, w, s) })
	request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		if _, err := client.RevokeNamespace(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Values["late"] = true
		for _, save := range []func() error{
			func() error { return s.Save(r, w) }, func() error { return store.Renew(r, w, s) },
		} {
			if err := save(); !errors.Is(err, gorillastore.ErrEnded) || !errors.Is(err, sessiond.ErrSessionNotFound) {
				t.Errorf("the error is %v", err)
			}
		}
		if count, err := client.Count(t.Context(), ""); count != 0 || err != nil {
			t.Errorf("there are %d sessions, %v", count, err)
		}
	})
}

func TestCookieThatCannotBeRead(t *testing.T) {
	store, client := newStore(t)
	other := gorillastore.New(client, []byte("another key"))
	foreign := request(t, other, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) { save(t, r, w, s) })
	for _, value := range []string{"", "forged", foreign[0].Value} {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: value})
		session, err := store.New(r, "session")
		if session == nil || !session.IsNew || session.ID != "" || err == nil {
			t.Errorf("%q leads to %v, %v", value, session, err)
		}
	}
}

func TestRenewedID(t *testing.T) {
	store, client := newStore(t)
	store.PrincipalKey = "user"
	cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		s.Values["cart"] = 3
		save(t, r, w, s)
	})
	next := request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		s.Values["user"] = 42
		if err := store.Renew(r, w, s); err != nil {
			t.Fatal(err)
		}
	})
	request(t, store, cookies, func(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) {
		if !s.IsNew {
			t.Error("the old cookie still works")
		}
	})
	request(t, store, next, func(_ *http.Request, _ http.ResponseWriter, s *sessions.Session) {
		if s.Values["cart"] != 3 || s.Values["user"] != 42 {
			t.Errorf("the values are %v", s.Values)
		}
	})
	if revoked, err := client.Revoke(t.Context(), "42"); revoked != 1 || err != nil {
		t.Errorf("%d sessions are revoked, %v", revoked, err)
	}
}

func TestExpiry(t *testing.T) {
	store, client := newStore(t)
	endsIn := func(s *sessions.Session, want time.Duration) *sessiond.Session {
		t.Helper()
		found, err := client.Get(t.Context(), s.ID, sessiond.Peek())
		if err != nil {
			t.Fatal(err)
		}
		if left := time.Until(found.ExpireTime); left > want || left < want-10*time.Second {
			t.Errorf("the session ends in %v, not %v", left, want)
		}
		return found
	}
	cookies := request(t, store, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		save(t, r, w, s)
		endsIn(s, 30*24*time.Hour)
		s.Options.MaxAge = 60
		save(t, r, w, s)
		endsIn(s, time.Minute)
	})
	store.MaxAge(60)
	request(t, store, cookies, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) {
		before := endsIn(s, time.Minute)
		save(t, r, w, s)
		if after := endsIn(s, time.Minute); after.Version != before.Version || !after.LastAccessTime.After(before.LastAccessTime) {
			t.Errorf("the versions are %d and %d", before.Version, after.Version)
		}
	})
}

func TestStoreThatIsDown(t *testing.T) {
	client, err := sessiond.New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	working, _ := newStore(t)
	cookies := request(t, working, nil, func(r *http.Request, w http.ResponseWriter, s *sessions.Session) { save(t, r, w, s) })
	store := gorillastore.New(client, []byte("a key of thirty-two bytes, no less"))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(cookies[0])
	session, err := store.Get(r, "session")
	if session == nil || !errors.Is(err, sessiond.ErrUnavailable) {
		t.Fatalf("it is %v, %v", session, err)
	}
	if err := session.Save(r, httptest.NewRecorder()); !errors.Is(err, sessiond.ErrUnavailable) {
		t.Errorf("the error is %v", err)
	}
}
