package main

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"

	"sessiond"
	"sessiond/sessionhttp"
)

// A form of this site is never larger.
const largestForm = 64 << 10

//go:embed templates
var files embed.FS

// site is the example.
type site struct {
	http.Handler
	users *users
	// Where this site and its sister are, such as "https://shop.example"; without a sister there is no hand-off.
	origin, other string
	templates     map[string]*template.Template
}

func newSite(client *sessiond.Client, options sessionhttp.Options, origin, other string) (*site, error) {
	manager, err := sessionhttp.New(client, options)
	if err != nil {
		return nil, err
	}
	s := &site{users: newUsers(), origin: origin, other: other, templates: make(map[string]*template.Template)}
	for _, name := range []string{"home", "form", "devices"} {
		s.templates[name], err = template.ParseFS(files, "templates/base.html", "templates/items.html", "templates/"+name+".html")
		if err != nil {
			return nil, err
		}
	}
	mux := http.NewServeMux()
	for pattern, page := range map[string]http.HandlerFunc{
		"GET /{$}":             s.home,
		"/sign-up":             s.signUp,
		"/log-in":              s.logIn,
		"POST /log-out":        s.logOut,
		"/password":            s.password,
		"POST /new-key":        s.newKey,
		"/preferences":         s.preferences,
		"/dictionary":          s.dictionary,
		"/guestbook":           s.guestbook,
		"/expiry":              s.expiry,
		"GET /counter":         s.counter,
		"GET /error":           s.failure,
		"GET /devices":         s.devices,
		"POST /devices/end":    s.endDevice,
		"POST /devices/others": s.endOthers,
		"POST /go":             s.goToOther,
		"GET /come":            s.comeFromOther,
	} {
		mux.HandleFunc(pattern, page)
	}
	s.Handler = manager.Handler(limit(manager.ProtectForms(mux)))
	return s, nil
}

func limit(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, largestForm)
		next.ServeHTTP(w, r)
	})
}

// field is one input of a form.
type field struct {
	Name, Label, Type, Value string
	Choices                  []choice
}

type choice struct {
	Value, Label string
	Selected     bool
}

// content is what a template shows.
type content struct {
	Title, User, Theme, Token, Error string
	Messages                         []string
	Fields                           []field
	Items                            []item
	Devices                          []sessionhttp.Device
	Session                          *sessiond.Session
	HasOther                         bool
}

type item struct {
	Key   string
	Value any
}

// show writes a page. It is made whole first: the token against forgery may store the session, which sets the cookie.
func (s *site) show(w http.ResponseWriter, r *http.Request, status int, name string, page content) {
	session := sessionhttp.From(r)
	token, err := session.CSRFToken(r.Context())
	if err != nil {
		http.Error(w, "The store of sessions is out of reach. Please try again.", http.StatusServiceUnavailable)
		return
	}
	page.Token, page.User, page.Theme = token, session.Principal(), theme(session)
	page.Messages, page.Session, page.HasOther = session.Flashes(), session.Stored(), s.other != ""
	var out bytes.Buffer
	if err := s.templates[name].ExecuteTemplate(&out, "base.html", page); err != nil {
		http.Error(w, "The page can't be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

func (s *site) form(w http.ResponseWriter, r *http.Request, title, problem string, fields ...field) {
	status := http.StatusOK
	if problem != "" {
		status = http.StatusUnprocessableEntity
	}
	s.show(w, r, status, "form", content{Title: title, Error: problem, Fields: fields})
}

// tell keeps a message for the next page, and goes there.
func tell(w http.ResponseWriter, r *http.Request, to, message string) {
	if message != "" {
		sessionhttp.From(r).AddFlash(message)
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func stored(session *sessionhttp.Session) []item {
	var items []item
	for _, key := range session.Keys() {
		items = append(items, item{key, session.Get(key)})
	}
	return items
}
