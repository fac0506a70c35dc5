// Command demo is the Go site of the demo, and the forum: the same program on another domain, which is signed on to by hand-off.
// What all sites have in common comes as environment variables: see demo/README.md.
package main

import (
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"sessiond"
	"sessiond/sessionhttp"
)

// link is one of the sites.
type link struct{ Name, URL string }

// site is the shop's part in Go, or the forum.
type site struct {
	Name   string
	Origin string
	Portal string
	Forum  string
	Sites  []link
}

func (s *site) isForum() bool { return s.Origin == s.Forum }

func main() {
	// A laptop that builds something meanwhile is no outage: calls may take 5 s at all sites of the demo.
	client, err := sessiond.New("", sessiond.WithTimeout(5*time.Second))
	if err != nil {
		log.Fatal(err)
	}
	s := &site{
		Name: os.Getenv("DEMO_NAME"), Origin: os.Getenv("DEMO_ORIGIN"),
		Portal: os.Getenv("DEMO_PORTAL"), Forum: os.Getenv("DEMO_FORUM"),
	}
	for _, pair := range strings.Fields(os.Getenv("DEMO_SITES")) {
		name, url, _ := strings.Cut(pair, "=")
		s.Sites = append(s.Sites, link{name, url})
	}
	// The shared session: the cookie and the timeout are those of docs/cookies.md. On the Internet leave Insecure out, and name
	// the cookie "__Secure-session"; the demo has no TLS. The forum is a domain of its own: its cookie is for it alone.
	manager, err := sessionhttp.New(client, sessionhttp.Options{
		Lifetime:     sessionhttp.Lifetime{Idle: 24 * time.Hour},
		Cookie:       sessionhttp.Cookie{Name: "session", Domain: os.Getenv("DEMO_DOMAIN"), Insecure: true},
		Labels:       s.labels,
		ErrorHandler: s.fail,
	})
	if err != nil {
		log.Fatal(err)
	}
	server := &http.Server{
		Addr: "127.0.0.1:" + os.Getenv("DEMO_PORT"), Handler: s.routes(manager),
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 30 * time.Second, WriteTimeout: 30 * time.Second,
	}
	log.Fatal(server.ListenAndServe())
}

func (s *site) routes(manager *sessionhttp.Manager) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.home)
	mux.HandleFunc("POST /log-out", s.logOut)
	mux.HandleFunc("POST /cart", s.addToCart)
	mux.HandleFunc("GET /devices", s.membersOnly(s.devices))
	mux.HandleFunc("POST /devices/end", s.membersOnly(s.endDevice))
	mux.HandleFunc("POST /devices/end-others", s.membersOnly(s.endOtherDevices))
	mux.HandleFunc("POST /devices/end-all", s.membersOnly(s.endAllDevices))
	if s.isForum() {
		mux.HandleFunc("GET /sign-on", s.signOn)
		mux.HandleFunc("GET /return", s.comeBack)
	} else {
		mux.HandleFunc("POST /log-in", s.logIn)
		mux.HandleFunc("GET /handoff", s.membersOnly(s.handOff))
	}
	forms := http.MaxBytesHandler(manager.ProtectForms(mux), 10<<10)
	noStore := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		forms.ServeHTTP(w, r)
	})
	return manager.Handler(noStore)
}

func (s *site) membersOnly(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if sessionhttp.From(r).Principal() == "" {
			http.Redirect(w, r, "/", http.StatusSeeOther)
			return
		}
		next(w, r)
	}
}

// labels are what lists of devices show of a session.
func (s *site) labels(r *http.Request) map[string]string {
	return map[string]string{"device": device(r.UserAgent()), "site": s.Name}
}
