package sessionhttp

import (
	"errors"
	"net/http"
	"time"

	"sessiond"
)

// Cookie is what the session's cookie is like. It is always HttpOnly.
type Cookie struct {
	// Name is "__Host-session" unless it is set, or "session" where browsers don't allow that: with a Domain, another Path, or
	// Insecure.
	Name string
	// Domain sends the cookie to all hosts of a domain; left out, to this one alone.
	Domain string
	// Path is "/" unless it is set.
	Path string
	// SameSite is Lax unless it is set.
	SameSite http.SameSite
	// Insecure sends the cookie without TLS too: for development.
	Insecure bool
}

func (c *Cookie) complete() error {
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.Name == "" {
		c.Name = "session"
		if c.Domain == "" && c.Path == "/" && !c.Insecure {
			c.Name = "__Host-session"
		}
	}
	if c.SameSite == http.SameSiteNoneMode && c.Insecure {
		return errors.New("sessionhttp: browsers drop a cookie with SameSite=None that is not Secure; unset Insecure")
	}
	if err := c.with("x", 0).Valid(); err != nil {
		return err
	}
	return nil
}

func (c *Cookie) with(value string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: c.Name, Value: value, Domain: c.Domain, Path: c.Path, MaxAge: maxAge,
		SameSite: c.SameSite, Secure: !c.Insecure, HttpOnly: true,
	}
}

// The longest that browsers keep a cookie.
const longestCookie = 400 * 24 * time.Hour

// write sets the cookie. The store ends the session; a persistent cookie only has to last as long.
func (c *Cookie) write(w http.ResponseWriter, id sessiond.Secret, lifetime Lifetime, found *sessiond.Session) {
	maxAge := 0
	if lifetime.Persistent {
		left := longestCookie
		if !found.AbsoluteExpireTime.IsZero() {
			left = min(left, time.Until(found.AbsoluteExpireTime))
		}
		maxAge = max(1, int(left.Seconds()))
	}
	http.SetCookie(w, c.with(string(id), maxAge))
	w.Header().Add("Cache-Control", `no-cache="Set-Cookie"`)
}

func (c *Cookie) remove(w http.ResponseWriter) {
	http.SetCookie(w, c.with("", -1))
	w.Header().Add("Cache-Control", `no-cache="Set-Cookie"`)
}
