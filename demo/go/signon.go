package main

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"

	"sessiond"
	"sessiond/sessionhttp"
)

// The cookie that says that this browser was sent to the shop: nobody can be led into a session of someone else by a link.
const stateCookie = "sign-on"

// handOff hands the session to the forum: a ticket for it alone, good once and for 30 s.
func (s *site) handOff(w http.ResponseWriter, r *http.Request) {
	if s.Forum == "" {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	ticket, err := sessionhttp.From(r).IssueHandoff(r.Context(), s.Forum)
	if err != nil {
		s.fail(w, r, err)
		return
	}
	query := url.Values{"ticket": {string(ticket)}, "state": {r.URL.Query().Get("state")}}
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, s.Forum+"/return?"+query.Encode(), http.StatusSeeOther)
}

// signOn sends the visitor of the forum to a site of the shop, which sends them back with a ticket.
func (s *site) signOn(w http.ResponseWriter, r *http.Request) {
	for _, link := range s.Sites {
		if link.Name == r.URL.Query().Get("via") {
			state := rand.Text()
			s.setState(w, state, 15*60)
			http.Redirect(w, r, link.URL+"/handoff?"+url.Values{"state": {state}}.Encode(), http.StatusSeeOther)
			return
		}
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// comeBack exchanges the ticket for the session.
func (s *site) comeBack(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Referrer-Policy", "no-referrer")
	query := r.URL.Query()
	state, err := r.Cookie(stateCookie)
	if err != nil || state.Value == "" || subtle.ConstantTimeCompare([]byte(state.Value), []byte(query.Get("state"))) != 1 {
		http.Error(w, "The way here did not begin in this browser. Begin it again.", http.StatusForbidden)
		return
	}
	err = sessionhttp.From(r).RedeemHandoff(r.Context(), sessiond.Secret(query.Get("ticket")), s.Origin)
	switch {
	case errors.Is(err, sessiond.ErrHandoffInvalid), errors.Is(err, sessiond.ErrInvalidArgument):
		http.Error(w, "The way here was used before, or took too long. Begin it again.", http.StatusForbidden)
	case err != nil:
		s.fail(w, r, err)
	default:
		s.setState(w, "", -1)
		http.Redirect(w, r, "/", http.StatusSeeOther)
	}
}

func (s *site) setState(w http.ResponseWriter, state string, maxAge int) {
	http.SetCookie(w, &http.Cookie{
		Name: stateCookie, Value: state, Path: "/", MaxAge: maxAge, HttpOnly: true, SameSite: http.SameSiteLaxMode,
	})
}
