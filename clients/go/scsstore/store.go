// Package scsstore keeps the sessions of github.com/alexedwards/scs in sessiond.
//
//	client, err := sessiond.New("")
//	…
//	store := scsstore.New(client)
//	manager := scs.New()
//	manager.Store = store
//	manager.Codec = store.Codec()
//	manager.Cookie.Secure = true // scs leaves it out
//
// With the store's codec each key of the session is stored by itself: other languages can read it, requests that change
// different keys at the same time both win, and a request that changes nothing sends nothing but a touch. With any other
// codec, such as scs's own for gob, the store works too; a session is then one piece of data, and of two requests the last
// one wins.
//
// Either way a request that began before the visitor logged out does not bring the session back: its commit fails with
// ErrEnded.
package scsstore

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"sessiond"
	"sessiond/internal/native"
	"sessiond/internal/weakmap"
)

const (
	// The attribute that holds the data of another codec.
	blob = "scs"

	// The tokens that All makes up begin so.
	handlePrefix = "handle:"

	// What the server takes as an idle timeout.
	longest = 3660 * 24 * time.Hour
)

// ErrEnded is what a commit fails with if the session has ended since it was loaded: logged out, revoked or expired.
var ErrEnded = errors.New("scsstore: the session has ended since it was loaded")

// ErrReadOnly is what a commit fails with of a session that All has found: its token is not known.
var ErrReadOnly = errors.New("scsstore: a session found by iterating can be destroyed but not changed")

// Store implements scs.Store, scs.IterableStore and their variants with a context.
type Store struct {
	// PrincipalKey names the key whose value, a string or an int, says whose session it is, so that the sessions of a user
	// can be listed and revoked by the client. Empty: nobody's. It needs the store's codec. Set it before the first request.
	PrincipalKey string

	client  *sessiond.Client
	known   recent
	loaded  weakmap.Map[time.Location, *loaded]
	found   handover[*loaded]
	commits handover[*commit]
}

// New makes a store. The caller closes the client.
func New(client *sessiond.Client) *Store { return &Store{client: client} }

// Find is FindCtx without a context.
func (s *Store) Find(token string) ([]byte, bool, error) {
	return s.FindCtx(context.Background(), token)
}

// FindCtx reads a session. A token that is malformed, unknown or of a session that has ended is not found. Reading does not
// extend the session: scs commits where it should be.
func (s *Store) FindCtx(ctx context.Context, token string) (data []byte, found bool, err error) {
	id, named := sessiond.SessionID(token)
	if !named || strings.HasPrefix(token, handlePrefix) {
		return nil, false, nil
	}
	session, err := s.client.Get(ctx, id, sessiond.Peek(), sessiond.StoredOnly())
	if errors.Is(err, sessiond.ErrSessionNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	s.known.add(id)
	data, err = s.pack(id, session)
	return data, err == nil, err
}

// Delete is DeleteCtx without a context.
func (s *Store) Delete(token string) error { return s.DeleteCtx(context.Background(), token) }

// DeleteCtx ends a session; that there is none is fine.
func (s *Store) DeleteCtx(ctx context.Context, token string) error {
	if handle, isHandle := strings.CutPrefix(token, handlePrefix); isHandle {
		_, err := s.client.DeleteHandle(ctx, handle)
		return err
	}
	id, named := sessiond.SessionID(token)
	if !named {
		return nil
	}
	_, err := s.client.Delete(ctx, id)
	return err
}

// Commit is CommitCtx without a context.
func (s *Store) Commit(token string, data []byte, expiry time.Time) error {
	return s.CommitCtx(context.Background(), token, data, expiry)
}

// CommitCtx makes a session, or changes the one that was loaded. It never brings back one that has ended: ErrEnded.
func (s *Store) CommitCtx(ctx context.Context, token string, data []byte, expiry time.Time) error {
	if strings.HasPrefix(token, handlePrefix) {
		return ErrReadOnly
	}
	id, named := sessiond.SessionID(token)
	if !named {
		return errors.New("scsstore: the token is empty or not valid UTF-8")
	}
	commit, err := s.unpackCommit(data)
	if err != nil {
		return err
	}
	if idle := time.Until(expiry); idle >= time.Millisecond {
		err = s.store(ctx, id, commit, lifetime(idle, expiry, commit.Deadline))
	}
	if time.Until(expiry) < time.Millisecond {
		// It ends now, perhaps while it was being stored.
		return s.DeleteCtx(ctx, token)
	}
	return err
}

// lifetime is how long a session lasts that ends at expiry, and, if scs commits it again, at deadline at the latest.
func lifetime(idle time.Duration, expiry, deadline time.Time) sessiond.Timeouts {
	end := expiry
	if deadline.After(expiry) {
		end = deadline
	}
	// A day less, since it counts from a creation that may be a while ago.
	if latest := time.Now().Add(longest - 24*time.Hour); end.After(latest) {
		end = latest
	}
	return sessiond.Timeouts{Idle: min(idle, longest), AbsoluteExpireTime: end}
}

func (s *Store) store(ctx context.Context, id string, commit *commit, timeouts sessiond.Timeouts) error {
	switch {
	case commit.Base == digest(id):
		return s.change(ctx, id, commit, timeouts)
	case s.known.has(id):
		return s.replace(ctx, id, commit, timeouts)
	default:
		return s.create(ctx, id, commit, timeouts)
	}
}

func (s *Store) create(ctx context.Context, id string, commit *commit, timeouts sessiond.Timeouts) error {
	_, err := s.client.Create(ctx, sessiond.NewSession{
		ID: id, Attributes: native.Attributes(commit.values), Principal: s.principal(commit), Timeouts: timeouts,
	})
	if errors.Is(err, sessiond.ErrSessionIDTaken) {
		// Nobody else comes upon this token: it is of an earlier request.
		return s.replace(ctx, id, commit, timeouts)
	}
	if err == nil {
		s.known.add(id)
	}
	return err
}

// replace is for commits that don't know what was loaded.
func (s *Store) replace(ctx context.Context, id string, commit *commit, timeouts sessiond.Timeouts) error {
	change := sessiond.Change{Clear: true, Set: native.Attributes(commit.values), Timeouts: timeouts}
	if s.PrincipalKey != "" {
		principal := s.principal(commit)
		change.Principal = &principal
	}
	_, err := s.client.Update(ctx, id, change)
	return ended(err)
}

func (s *Store) principal(commit *commit) string {
	if s.PrincipalKey == "" {
		return ""
	}
	return native.Text(commit.values[s.PrincipalKey])
}

// change sends what has changed since the session was loaded.
func (s *Store) change(ctx context.Context, id string, commit *commit, timeouts sessiond.Timeouts) error {
	change := sessiond.Change{Set: native.Attributes(commit.set()), Remove: commit.Removed, Clear: commit.Cleared}
	_, isSet := change.Set[s.PrincipalKey]
	if s.PrincipalKey != "" && (isSet || slices.Contains(change.Remove, s.PrincipalKey)) {
		principal := s.principal(commit)
		change.Principal = &principal
	}
	isSame := len(change.Set) == 0 && len(change.Remove) == 0 && !change.Clear
	if !commit.lastsAlike(timeouts) {
		change.Timeouts = timeouts
	} else if isSame {
		_, _, err := s.client.Touch(ctx, id)
		return ended(err)
	}
	_, err := s.client.Update(ctx, id, change)
	return ended(err)
}

func ended(err error) error {
	if errors.Is(err, sessiond.ErrSessionNotFound) || errors.Is(err, sessiond.ErrSessionIDRetired) {
		return fmt.Errorf("%w (%w)", ErrEnded, err)
	}
	return err
}

// All is AllCtx without a context.
func (s *Store) All() (map[string][]byte, error) { return s.AllCtx(context.Background()) }

// AllCtx reads every session of the namespace, for SessionManager.Iterate. The store never knows tokens: each stands under
// a made-up token that holds the session's handle. Destroy ends such a session; to change it is ErrReadOnly, and no
// visitor gets in by it. With no session the map is empty, not nil.
func (s *Store) AllCtx(ctx context.Context) (map[string][]byte, error) {
	all := make(map[string][]byte)
	for session, err := range s.client.List(ctx, sessiond.List{Attributes: true, PageSize: 500}) {
		if err != nil {
			return nil, err
		}
		token := handlePrefix + session.Handle
		if all[token], err = s.pack(token, session); err != nil {
			return nil, err
		}
	}
	return all, nil
}
