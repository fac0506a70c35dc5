package main

import (
	"bytes"
	"embed"
	"errors"
	"html/template"
	"log"
	"net/http"
	"runtime"
	"slices"
	"strings"

	"sessiond"
	"sessiond/sessionhttp"
)

//go:embed templates
var files embed.FS

var templates = map[string]*template.Template{
	"home": parse("home"), "devices": parse("devices"), "unavailable": parse("unavailable"),
}

func parse(name string) *template.Template {
	return template.Must(template.ParseFS(files, "templates/base.html", "templates/"+name+".html"))
}

var (
	users    = []user{{"ada", "Ada Lovelace"}, {"grace", "Grace Hopper"}, {"alan", "Alan Turing"}}
	products = []string{"Teapot", "Cup", "Green tea"}
)

type user struct{ Principal, Name string }

// content is what the templates show.
type content struct {
	*site
	Framework, Token        string
	Principal, User, Handle string
	Device                  *sessiond.Session
	Devices                 []sessionhttp.Device
	Cart                    []any
	Users                   []user
	Products                []string
	IsForum                 bool
}

// show writes a page. It is made whole first: the token may store the session, which sets the cookie.
func (s *site) show(w http.ResponseWriter, r *http.Request, name string, page content) {
	session := sessionhttp.From(r)
	token, err := session.CSRFToken(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	page.Token, page.Handle = token, session.Handle()
	s.write(w, http.StatusOK, name, page)
}

func (s *site) write(w http.ResponseWriter, status int, name string, page content) {
	page.site, page.IsForum = s, s.isForum()
	page.Framework = "Go " + strings.TrimPrefix(runtime.Version(), "go") + ", net/http"
	var out bytes.Buffer
	if err := templates[name].ExecuteTemplate(&out, "base.html", page); err != nil {
		log.Print(err)
		http.Error(w, "The page can't be shown.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = out.WriteTo(w)
}

// fail answers a request whose session can't be loaded or stored.
func (s *site) fail(w http.ResponseWriter, _ *http.Request, err error) {
	switch {
	case errors.Is(err, sessionhttp.ErrEnded):
		http.Error(w, "The session was ended meanwhile. Load the page again.", http.StatusConflict)
	case errors.Is(err, sessiond.ErrUnavailable), errors.Is(err, sessiond.ErrDeadlineExceeded):
		w.Header().Set("Retry-After", "1")
		s.write(w, http.StatusServiceUnavailable, "unavailable", content{})
	default:
		log.Print(err)
		http.Error(w, "Something went wrong.", http.StatusInternalServerError)
	}
}

func (s *site) home(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	known, _ := sessionhttp.Value[map[string]any](session, "user")
	name, _ := known["name"].(string)
	cart, _ := sessionhttp.Value[[]any](session, "cart")
	page := content{Principal: session.Principal(), User: name, Cart: cart, Users: users, Products: products}
	if page.Principal != "" {
		page.Device = session.Stored()
	}
	s.show(w, r, "home", page)
}

func (s *site) logIn(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	chosen := slices.IndexFunc(users, func(known user) bool { return known.Principal == r.PostFormValue("user") })
	if chosen >= 0 && session.Principal() == "" {
		session.Set("user", map[string]any{"name": users[chosen].Name})
		session.LogIn(users[chosen].Principal)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) logOut(w http.ResponseWriter, r *http.Request) {
	sessionhttp.From(r).LogOut()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) addToCart(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	if product := r.PostFormValue("product"); slices.Contains(products, product) {
		cart, _ := sessionhttp.Value[[]any](session, "cart")
		session.Set("cart", append(slices.Clone(cart), map[string]any{"product": product, "site": s.Name}))
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

func (s *site) devices(w http.ResponseWriter, r *http.Request) {
	devices, err := sessionhttp.From(r).Devices(r.Context())
	if err != nil {
		s.fail(w, r, err)
		return
	}
	s.show(w, r, "devices", content{Devices: devices})
}

func (s *site) endDevice(w http.ResponseWriter, r *http.Request) {
	if _, err := sessionhttp.From(r).EndDevice(r.Context(), r.PostFormValue("handle")); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
}

func (s *site) endOtherDevices(w http.ResponseWriter, r *http.Request) {
	if _, err := sessionhttp.From(r).RevokeOthers(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	http.Redirect(w, r, "/devices", http.StatusSeeOther)
}

func (s *site) endAllDevices(w http.ResponseWriter, r *http.Request) {
	session := sessionhttp.From(r)
	if _, err := session.RevokeOthers(r.Context()); err != nil {
		s.fail(w, r, err)
		return
	}
	session.LogOut()
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
