// Package ginstore keeps the sessions of github.com/gin-contrib/sessions in sessiond.
//
//	client, err := sessiond.New("")
//	…
//	store := ginstore.New(client, []byte(os.Getenv("SESSION_KEY")))
//	router.Use(sessions.Sessions("session", store))
//
// Package sessiond/gorillastore, which it is made of, says what is stored, and how.
package ginstore

import (
	"github.com/gin-contrib/sessions"
	"github.com/gin-gonic/gin"

	"sessiond"
	"sessiond/gorillastore"
)

// ErrEnded is what Save fails with if the session has ended since it was loaded: logged out, revoked or expired.
var ErrEnded = gorillastore.ErrEnded

// Store implements sessions.Store.
type Store struct {
	*gorillastore.Store
}

var _ sessions.Store = (*Store)(nil)

// New makes a store; see securecookie.CodecsFromPairs for the keys. Cookies last a month, and are Secure, HttpOnly and
// SameSite=Lax unless Options say otherwise. The caller closes the client.
func New(client *sessiond.Client, keyPairs ...[]byte) *Store {
	return &Store{gorillastore.New(client, keyPairs...)}
}

// Options sets the defaults of sessions, all of them: cookies are Secure, HttpOnly and SameSite=Lax only if it says so. With a
// MaxAge of 0 or less every Save ends the session.
func (s *Store) Options(options sessions.Options) {
	s.Store.Options = options.ToGorillaOptions()
	if options.MaxAge > 0 {
		s.MaxAge(options.MaxAge)
	}
}

// Renew gives a session a new ID, stores it and sets its cookie. The old ID is dead: call it, instead of Save, whenever
// somebody logs in, or gets more rights, so that nobody else knows the ID. The name is the one that was given to
// sessions.Sessions.
func (s *Store) Renew(c *gin.Context, name string) error {
	session, err := s.Get(c.Request, name)
	if err != nil {
		return err
	}
	return s.Store.Renew(c.Request, c.Writer, session)
}
