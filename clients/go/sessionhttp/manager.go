package sessionhttp

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"sessiond"
)

// ErrEnded is what a change fails with if the session has ended, or got a new ID, since the request loaded it.
var ErrEnded = errors.New("sessionhttp: the session has ended, or got a new ID, since this request began")

const (
	defaultIdleTimeout = 24 * time.Hour
	defaultGrace       = 10 * time.Second
	longestGrace       = time.Minute
	longestLifetime    = 3660 * 24 * time.Hour
)

// Options are the settings of a Manager; everything may be left out.
type Options struct {
	// Lifetime is how long sessions last that say nothing else. Without an idle timeout it is 24 hours.
	Lifetime Lifetime
	// Grace is how long the old ID can still read after a log in or Renew, for the parallel requests of one page. Left out,
	// 10 s; negative: none; at most a minute.
	Grace time.Duration
	// Cookie is what the cookie is like.
	Cookie Cookie
	// Labels are short texts that the list of a user's devices shows, made from the request that makes a session or logs
	// in; DeviceLabels is one such function. Left out: none.
	Labels func(*http.Request) map[string]string
	// Peek tells requests that are no sign of life, such as polling: they don't slide the idle timeout.
	Peek func(*http.Request) bool
	// ErrorHandler answers a request whose session can't be loaded or stored. Left out, it logs the error and answers 503
	// if the store is unavailable, 409 for ErrEnded, and 500 otherwise.
	ErrorHandler func(w http.ResponseWriter, r *http.Request, err error)
}

// Lifetime says how long a session lasts.
type Lifetime struct {
	// Idle ends it so long after the last request.
	Idle time.Duration
	// Absolute ends it so long after its creation, however busy it is; 0 for no such end.
	Absolute time.Duration
	// Persistent cookies survive the end of the browser.
	Persistent bool
}

func (l Lifetime) isValid() bool {
	return l.Idle >= 0 && l.Absolute >= 0 && l.Idle <= longestLifetime && l.Absolute <= longestLifetime
}

func (l Lifetime) timeouts() sessiond.Timeouts {
	return sessiond.Timeouts{Idle: l.Idle, Absolute: l.Absolute}
}

// Manager loads the session of each request and stores what has changed.
type Manager struct {
	client  *sessiond.Client
	options Options
}

// New makes a manager. The caller closes the client.
func New(client *sessiond.Client, options Options) (*Manager, error) {
	switch {
	case !options.Lifetime.isValid():
		return nil, fmt.Errorf("sessionhttp: the lifetime is %+v; each part must be from 0 to 3660 days", options.Lifetime)
	case options.Grace > longestGrace:
		return nil, fmt.Errorf("sessionhttp: the grace is %v; at most %v are allowed", options.Grace, longestGrace)
	case options.Grace == 0:
		options.Grace = defaultGrace
	case options.Grace < 0:
		options.Grace = 0
	}
	if options.Lifetime.Idle == 0 {
		options.Lifetime.Idle = defaultIdleTimeout
	}
	if options.ErrorHandler == nil {
		options.ErrorHandler = answerError
	}
	if err := options.Cookie.complete(); err != nil {
		return nil, err
	}
	return &Manager{client: client, options: options}, nil
}

type contextKey struct{}

// From is the session of a request that came through Manager.Handler; it panics for any other request.
func From(r *http.Request) *Session {
	session, isThere := r.Context().Value(contextKey{}).(*Session)
	if !isThere {
		panic("sessionhttp: the request did not come through Manager.Handler")
	}
	return session
}

// Handler is middleware: it loads the session before next, and stores what next has changed before the first byte of the
// response. After a status of 500 or more nothing is stored but a log out: the request has not done its work.
func (m *Manager) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Add("Vary", "Cookie")
		session, err := m.load(r)
		if err != nil {
			m.options.ErrorHandler(w, r, err)
			return
		}
		r = r.WithContext(context.WithValue(r.Context(), contextKey{}, session))
		writer := &writer{ResponseWriter: w, request: r, session: session}
		next.ServeHTTP(writer, r)
		writer.begin(http.StatusOK)
	})
}

func (m *Manager) load(r *http.Request) (*Session, error) {
	session := &Session{manager: m, request: r, lifetime: m.options.Lifetime}
	cookie, err := r.Cookie(m.options.Cookie.Name)
	if err != nil {
		return session, nil
	}
	id, named := sessiond.SessionID(cookie.Value)
	if !named {
		session.hasStaleCookie = true
		return session, nil
	}
	options := []sessiond.GetOption{sessiond.StoredOnly()}
	if m.options.Peek != nil && m.options.Peek(r) {
		options = append(options, sessiond.Peek())
	}
	found, err := m.client.Get(r.Context(), id, options...)
	switch {
	case errors.Is(err, sessiond.ErrSessionNotFound):
		session.hasStaleCookie = true
		return session, nil
	case err != nil:
		return nil, err
	}
	session.take(sessiond.Secret(id), found)
	return session, nil
}

func answerError(w http.ResponseWriter, r *http.Request, err error) {
	// A page that lost a race against a log out is nothing to look into.
	level, code := slog.LevelError, http.StatusInternalServerError
	switch {
	case errors.Is(err, ErrEnded):
		level, code = slog.LevelInfo, http.StatusConflict
	case errors.Is(err, sessiond.ErrUnavailable), errors.Is(err, sessiond.ErrDeadlineExceeded):
		code = http.StatusServiceUnavailable
		w.Header().Set("Retry-After", "1")
	}
	slog.Log(r.Context(), level, "the session can't be loaded or stored", "error", err, "path", r.URL.Path)
	http.Error(w, http.StatusText(code), code)
}
