// Package gorillastore keeps the sessions of github.com/gorilla/sessions in sessiond.
//
//	client, err := sessiond.New("")
//	…
//	store := gorillastore.New(client, []byte(os.Getenv("SESSION_KEY")))
//	session, err := store.Get(r, "session")
//
// Each value of the session is stored by itself, and Save sends only what has changed: other languages can read it, and
// requests that change different values at the same time both win. Values that every language can read are stored as such:
// nil, bool, int, float64, string, []byte, time.Time (which comes back in UTC), and []any and map[string]any of these. All
// others, and keys that are no strings, are stored by encoding/gob, with gob.Register as in gorilla's other stores. An int
// that another language has stored is an int; its opaque data is sessiond.Opaque.
//
// The cookie holds the session ID, signed, and encrypted if there are keys for it. A cookie whose session has ended leads to
// a new session under a new ID: a log out is final.
package gorillastore

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"sessiond"
	pb "sessiond/gen/sessiond/v1"
	"sessiond/internal/native"
	"sessiond/internal/weakmap"
)

// ErrEnded is what Save fails with if the session has ended since it was loaded: logged out, revoked or expired.
var ErrEnded = errors.New("gorillastore: the session has ended since it was loaded")

// A month, as in gorilla's other stores.
const defaultMaxAge = 30 * 24 * 60 * 60

// What the server takes as an idle timeout.
const longestMaxAge = 3660 * 24 * 60 * 60

// Store implements sessions.Store. Set its fields before the first request.
type Store struct {
	// Codecs sign and encrypt the cookie.
	Codecs []securecookie.Codec
	// Options are the defaults of new sessions. MaxAge is also how long a session lasts in the store after the last Save.
	Options *sessions.Options
	// PrincipalKey names the value, a string or an int, that says whose session it is, so that the sessions of a user can be
	// listed and revoked by the client. Empty: nobody's.
	PrincipalKey string

	client *sessiond.Client
	loaded weakmap.Map[sessions.Session, *loaded]
}

// loaded is a session as it is stored, as far as this request knows.
type loaded struct {
	values    map[string]*pb.Value
	principal string
	idle      time.Duration
}

// New makes a store; see securecookie.CodecsFromPairs for the keys. Cookies last a month, and are Secure, HttpOnly and
// SameSite=Lax unless Options say otherwise. The caller closes the client.
func New(client *sessiond.Client, keyPairs ...[]byte) *Store {
	store := &Store{
		Codecs: securecookie.CodecsFromPairs(keyPairs...),
		Options: &sessions.Options{
			Path: "/", MaxAge: defaultMaxAge, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode,
		},
		client: client,
	}
	store.MaxAge(defaultMaxAge)
	return store
}

// MaxAge sets how many seconds sessions and their cookies last. A session can have another age by its Options.
func (s *Store) MaxAge(age int) {
	s.Options.MaxAge = age
	for _, codec := range s.Codecs {
		if cookie, ok := codec.(*securecookie.SecureCookie); ok {
			cookie.MaxAge(age)
		}
	}
}

// Get is the session of a request, which is loaded at the first call.
func (s *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(s, name)
}

// New loads the session that the request's cookie names, or makes a new one. It never answers nil: with an error, because the
// cookie can't be read or the store is down, the session is new and empty.
func (s *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	session := sessions.NewSession(s, name)
	options := *s.Options
	session.Options = &options
	session.IsNew = true
	cookie, err := r.Cookie(name)
	if err != nil {
		return session, nil
	}
	var id string
	if err := securecookie.DecodeMulti(name, cookie.Value, &id, s.Codecs...); err != nil {
		return session, err
	}
	return session, s.load(r, session, id)
}

func (s *Store) load(r *http.Request, session *sessions.Session, id string) error {
	mapped, named := sessiond.SessionID(id)
	if !named {
		return nil
	}
	// Reading does not extend the session, as in gorilla's other stores.
	found, err := s.client.Get(r.Context(), mapped, sessiond.Peek(), sessiond.StoredOnly())
	if errors.Is(err, sessiond.ErrSessionNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	session.ID, session.IsNew = id, false
	for name, value := range found.Stored() {
		session.Values[keyOf(name)] = native.Decode(value)
	}
	s.loaded.Set(session, &loaded{found.Stored(), found.Principal, found.IdleTimeout})
	return nil
}

// Save stores the session and sets its cookie; with a MaxAge of 0 or less it ends the session and deletes the cookie. A
// session that has ended since it was loaded is not brought back: ErrEnded.
func (s *Store) Save(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.Options.MaxAge <= 0 {
		return s.delete(r, w, session)
	}
	values, err := stored(session.Values)
	if err != nil {
		return err
	}
	next := &loaded{values, s.principal(values), idle(session)}
	if session.ID == "" {
		err = s.create(r, session, next)
	} else {
		err = s.update(r, session, next)
	}
	if err != nil {
		return err
	}
	return s.keep(w, session, next)
}

// Renew gives the session a new ID, stores it and sets its cookie. The old ID is dead: call it whenever somebody logs in, or
// gets more rights, so that nobody else knows the ID.
func (s *Store) Renew(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if session.ID == "" || session.Options.MaxAge <= 0 {
		return s.Save(r, w, session)
	}
	values, err := stored(session.Values)
	if err != nil {
		return err
	}
	next := &loaded{values, s.principal(values), idle(session)}
	id, _ := sessiond.SessionID(session.ID)
	rotated, err := s.client.Rotate(r.Context(), id, sessiond.Rotation{Change: s.change(session, next)})
	if err != nil {
		return ended(err)
	}
	session.ID = string(rotated.ID)
	return s.keep(w, session, next)
}

// idle is how long the session lasts in the store after it was saved.
func idle(session *sessions.Session) time.Duration {
	return time.Duration(min(session.Options.MaxAge, longestMaxAge)) * time.Second
}

func (s *Store) delete(r *http.Request, w http.ResponseWriter, session *sessions.Session) error {
	if id, named := sessiond.SessionID(session.ID); named {
		if _, err := s.client.Delete(r.Context(), id); err != nil {
			return err
		}
	}
	session.ID = ""
	s.loaded.Delete(session)
	http.SetCookie(w, sessions.NewCookie(session.Name(), "", session.Options))
	return nil
}

func (s *Store) create(r *http.Request, session *sessions.Session, next *loaded) error {
	created, err := s.client.Create(r.Context(), sessiond.NewSession{
		Attributes: native.Attributes(next.values),
		Principal:  next.principal,
		Timeouts:   sessiond.Timeouts{Idle: next.idle},
	})
	if err == nil {
		session.ID = string(created.ID)
	}
	return err
}

func (s *Store) update(r *http.Request, session *sessions.Session, next *loaded) error {
	id, named := sessiond.SessionID(session.ID)
	if !named {
		return errors.New("gorillastore: the session's ID is not valid UTF-8")
	}
	// An update without a change slides the session's end, and rewrites nothing.
	_, err := s.client.Update(r.Context(), id, s.change(session, next))
	return ended(err)
}

// change is what has changed since the session was loaded; all of it if that is not known.
func (s *Store) change(session *sessions.Session, next *loaded) sessiond.Change {
	was, known := s.loaded.Get(session)
	if !known {
		return sessiond.Change{
			Clear: true, Set: native.Attributes(next.values), Principal: &next.principal,
			Timeouts: sessiond.Timeouts{Idle: next.idle},
		}
	}
	set, removed := native.Difference(was.values, next.values)
	change := sessiond.Change{Set: native.Attributes(set), Remove: removed}
	// To remove all takes away what another request adds meanwhile too.
	if len(next.values) == 0 && len(removed) > 0 {
		change.Clear, change.Remove = true, nil
	}
	if s.PrincipalKey != "" && was.principal != next.principal {
		change.Principal = &next.principal
	}
	if was.idle != next.idle {
		change.Timeouts = sessiond.Timeouts{Idle: next.idle}
	}
	return change
}

// keep remembers what is stored now, and sets the cookie.
func (s *Store) keep(w http.ResponseWriter, session *sessions.Session, next *loaded) error {
	s.loaded.Set(session, next)
	value, err := securecookie.EncodeMulti(session.Name(), session.ID, s.Codecs...)
	if err != nil {
		return err
	}
	http.SetCookie(w, sessions.NewCookie(session.Name(), value, session.Options))
	return nil
}

func (s *Store) principal(values map[string]*pb.Value) string {
	if s.PrincipalKey == "" {
		return ""
	}
	return native.Text(values[s.PrincipalKey])
}

func ended(err error) error {
	if errors.Is(err, sessiond.ErrSessionNotFound) || errors.Is(err, sessiond.ErrSessionIDRetired) {
		return fmt.Errorf("%w (%w)", ErrEnded, err)
	}
	return err
}
