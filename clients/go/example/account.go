package main

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"sessiond"
	"sessiond/sessionhttp"
)

// How long a visitor can stay logged in.
var remember = []struct {
	name, label string
	lifetime    *sessionhttp.Lifetime
}{
	{"default", "As the site has it", nil},
	{"close", "Until the browser closes", &sessionhttp.Lifetime{}},
	{"idle", "Until I am away for an hour", &sessionhttp.Lifetime{Idle: time.Hour, Persistent: true}},
	{"month", "For 30 days", &sessionhttp.Lifetime{
		Idle: 30 * 24 * time.Hour, Absolute: 30 * 24 * time.Hour, Persistent: true,
	}},
}

func credentials(r *http.Request) []field {
	return []field{
		{Name: "name", Label: "Name", Type: "text", Value: r.PostFormValue("name")},
		{Name: "password", Label: "Password", Type: "password"},
	}
}

func (s *site) signUp(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		s.form(w, r, "Sign up", "", credentials(r)...)
		return
	}
	name := r.PostFormValue("name")
	if problem := s.users.add(name, r.PostFormValue("password")); problem != "" {
		s.form(w, r, "Sign up", problem, credentials(r)...)
		return
	}
	sessionhttp.From(r).LogIn(name)
	tell(w, r, "/", "Welcome!")
}

func (s *site) logIn(w http.ResponseWriter, r *http.Request) {
	choices := field{Name: "remember", Label: "Stay logged in"}
	for _, kind := range remember {
		choices.Choices = append(choices.Choices, choice{kind.name, kind.label, kind.name == r.PostFormValue("remember")})
	}
	fields := append(credentials(r), choices)
	if r.Method != http.MethodPost {
		s.form(w, r, "Log in", "", fields...)
		return
	}
	name := r.PostFormValue("name")
	if !s.users.knows(name, r.PostFormValue("password")) {
		s.form(w, r, "Log in", "Name or password is wrong.", fields...)
		return
	}
	session := sessionhttp.From(r)
	session.LogIn(name)
	for _, kind := range remember {
		if kind.name == r.PostFormValue("remember") && kind.lifetime != nil {
			session.SetLifetime(*kind.lifetime)
		}
	}
	tell(w, r, "/", "Hello, "+name+".")
}

func (s *site) logOut(w http.ResponseWriter, r *http.Request) {
	sessionhttp.From(r).LogOut()
	tell(w, r, "/", "")
}

func (s *site) password(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	name := session.Principal()
	if name == "" {
		tell(w, r, "/log-in", "Please log in first.")
		return
	}
	fields := []field{
		{Name: "old", Label: "Old password", Type: "password"}, {Name: "new", Label: "New password", Type: "password"},
	}
	if r.Method != http.MethodPost {
		s.form(w, r, "Password", "", fields...)
		return
	}
	problem := "The old password is wrong."
	if s.users.knows(name, r.PostFormValue("old")) {
		problem = s.users.change(name, r.PostFormValue("new"))
	}
	if problem != "" {
		s.form(w, r, "Password", problem, fields...)
		return
	}
	// Whoever knew the old password is logged out.
	if _, err := session.RevokeOthers(r.Context()); err != nil {
		http.Error(w, "The password is new, but your other devices could not be logged out.", http.StatusServiceUnavailable)
		return
	}
	session.Renew()
	tell(w, r, "/", "The password is new, and your other devices are logged out.")
}

func (s *site) newKey(w http.ResponseWriter, r *http.Request) {
	sessionhttp.From(r).Renew()
	tell(w, r, "/", "The session has a new key and the same data.")
}

func (s *site) devices(w http.ResponseWriter, r *http.Request) {
	devices, err := sessionhttp.From(r).Devices(r.Context())
	if errors.Is(err, sessionhttp.ErrNobody) {
		tell(w, r, "/log-in", "Please log in first.")
		return
	}
	if err != nil {
		http.Error(w, "The store of sessions is out of reach. Please try again.", http.StatusServiceUnavailable)
		return
	}
	s.show(w, r, http.StatusOK, "devices", content{Title: "Devices", Devices: devices})
}

func (s *site) endDevice(w http.ResponseWriter, r *http.Request) {
	message := "The device is logged out."
	if ended, err := sessionhttp.From(r).EndDevice(r.Context(), r.PostFormValue("handle")); err != nil || !ended {
		message = "There is no such device."
	}
	tell(w, r, "/devices", message)
}

func (s *site) endOthers(w http.ResponseWriter, r *http.Request) {
	message := "All other devices are logged out."
	if _, err := sessionhttp.From(r).RevokeOthers(r.Context()); err != nil {
		message = "The other devices could not be logged out."
	}
	tell(w, r, "/devices", message)
}

// goToOther takes the visitor's session to the sister site.
func (s *site) goToOther(w http.ResponseWriter, r *http.Request) {
	if s.other == "" {
		http.NotFound(w, r)
		return
	}
	ticket, err := sessionhttp.From(r).IssueHandoff(r.Context(), s.other)
	if err != nil {
		http.Error(w, "The store of sessions is out of reach. Please try again.", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Referrer-Policy", "no-referrer")
	http.Redirect(w, r, s.other+"/come?ticket="+url.QueryEscape(string(ticket)), http.StatusSeeOther)
}

// comeFromOther takes over the session of a visitor whom the sister site sends.
func (s *site) comeFromOther(w http.ResponseWriter, r *http.Request) {
	err := sessionhttp.From(r).RedeemHandoff(r.Context(), sessiond.Secret(r.URL.Query().Get("ticket")), s.origin)
	if err != nil {
		tell(w, r, "/", "The way here was used before, or took too long.")
		return
	}
	tell(w, r, "/", "")
}
