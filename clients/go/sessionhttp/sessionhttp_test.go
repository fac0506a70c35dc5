package sessionhttp_test

import (
	"encoding/gob"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiond"
	"sessiond/sessionhttp"
)

type cart struct{ Items []string }

func TestValuesComeBack(t *testing.T) {
	gob.Register(cart{})
	client := newClient(t)
	site := newSite(t, client, sessionhttp.Options{})
	site.page("/set", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		if !s.IsNew() || s.Handle() != "" || s.Stored() != nil {
			t.Error("the session is not new")
		}
		s.Set("visits", 1)
		s.Set("gone", true)
		s.Set("cart", cart{[]string{"A-1"}})
		s.Delete("gone")
		s.AddFlash("one")
		s.AddFlash("two")
	})
	site.page("/get", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		visits, _ := sessionhttp.Value[int](s, "visits")
		items, _ := sessionhttp.Value[cart](s, "cart")
		_, isText := sessionhttp.Value[string](s, "visits")
		_, _ = fmt.Fprint(w, visits, items.Items, s.Keys(), s.Flashes(), s.Has("gone"), isText, s.Get("gone"))
	})
	site.page("/clear", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.Clear()
		s.Set("fresh", true)
	})
	visitor := site.browser(t)
	visitor.get("/set")
	visitor.wants("/get", 200, "1 [A-1] [cart visits] [one two] false false <nil>")
	visitor.wants("/get", 200, "1 [A-1] [cart visits] [] false false <nil>")
	session, err := client.Get(t.Context(), visitor.cookie())
	if err != nil || session.Attributes["visits"] != int64(1) || len(session.Attributes) != 2 {
		t.Errorf("other languages read %+v, %v", session, err)
	}
	visitor.get("/clear")
	visitor.wants("/get", 200, "0 [] [fresh] [] false false <nil>")
}

func TestVisitorOfWhomThereIsNothingToKnow(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	site.page("/", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.Clear()
		s.LogOut()
		s.SetLifetime(sessionhttp.Lifetime{Persistent: true})
	})
	visitor := site.browser(t)
	visitor.get("/")
	if count, err := site.client.Count(t.Context(), ""); visitor.cookie() != "" || count != 0 || err != nil {
		t.Errorf("there are %d sessions, %v, and the cookie is %q", count, err, visitor.cookie())
	}
}

func TestReadingSlidesTheSessionAndPollingDoesNot(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{
		Peek: func(r *http.Request) bool { return r.URL.Path == "/poll" },
	})
	site.page("/set", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("a", 1) })
	site.page("/", func(http.ResponseWriter, *http.Request, *sessionhttp.Session) {})
	visitor := site.browser(t)
	visitor.get("/set")
	stored := func() *sessiond.Session {
		t.Helper()
		session, err := site.client.Get(t.Context(), visitor.cookie(), sessiond.Peek())
		if err != nil {
			t.Fatal(err)
		}
		return session
	}
	before := stored()
	time.Sleep(5 * time.Millisecond)
	visitor.get("/poll")
	if !stored().LastAccessTime.Equal(before.LastAccessTime) {
		t.Error("polling is a sign of life")
	}
	visitor.get("/")
	if after := stored(); !after.LastAccessTime.After(before.LastAccessTime) || after.Version != before.Version {
		t.Errorf("after reading the session is %+v", after)
	}
}

func TestParallelRequestsThatChangeDifferentValues(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	var loaded sync.WaitGroup
	loaded.Add(64)
	site.page("/set", func(_ http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		if key := r.FormValue("key"); key != "first" {
			loaded.Done()
			loaded.Wait()
			s.Set(key, key)
		} else {
			s.Set("first", true)
		}
	})
	site.page("/count", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		_, _ = fmt.Fprint(w, len(s.Keys()))
	})
	visitor := site.browser(t)
	visitor.get("/set?key=first")
	var group sync.WaitGroup
	for i := range 64 {
		group.Go(func() { visitor.get(fmt.Sprint("/set?key=", i)) })
	}
	group.Wait()
	visitor.wants("/count", 200, "65")
}

func TestLogInGivesANewIDAndTheOldOneOnlyReads(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{Labels: sessionhttp.DeviceLabels})
	site.page("/set", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("cart", 3) })
	site.page("/in", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.LogIn("ada") })
	site.page("/who", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		_, _ = fmt.Fprint(w, s.Principal(), s.Get("cart"), s.IsNew())
	})
	visitor := site.browser(t)
	visitor.get("/set")
	old := visitor.clone()
	visitor.get("/in")
	if visitor.cookie() == old.cookie() {
		t.Error("the ID is the same")
	}
	visitor.wants("/who", 200, "ada3 false")
	old.wants("/who", 200, "ada3 false")
	if status, _ := old.get("/set"); status != http.StatusConflict {
		t.Errorf("a change by the old ID answers %d", status)
	}
	session, err := site.client.Get(t.Context(), visitor.cookie())
	if err != nil || session.Labels["address"] != "127.0.0.1" || session.Labels["device"] == "" {
		t.Errorf("the session is %+v, %v", session, err)
	}
}

func TestRenewalWithoutGrace(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{Grace: -1})
	site.page("/set", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("a", 1) })
	site.page("/renew", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Renew() })
	site.page("/", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { _, _ = fmt.Fprint(w, s.Get("a")) })
	visitor := site.browser(t)
	visitor.get("/set")
	old := visitor.clone()
	visitor.get("/renew")
	visitor.wants("/", 200, "1")
	old.wants("/", 200, "<nil>")
	if old.cookie() != "" {
		t.Error("the cookie that leads nowhere is still there")
	}
}

func TestLogOutIsFinal(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	slow, go_on := make(chan struct{}), make(chan struct{})
	site.page("/in", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.LogIn("ada") })
	site.page("/out", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.LogOut()
		_, _ = fmt.Fprint(w, s.Principal(), s.IsNew())
	})
	site.page("/slow", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		close(slow)
		<-go_on
		s.Set("late", true)
	})
	site.page("/who", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		_, _ = fmt.Fprint(w, s.Principal(), s.IsNew())
	})
	site.page("/change", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.LogOut()
		s.LogIn("bob")
	})
	visitor := site.browser(t)
	visitor.get("/in")
	other := visitor.clone()
	var group sync.WaitGroup
	group.Go(func() {
		if status, _ := other.get("/slow"); status != http.StatusConflict {
			t.Errorf("the slow request answers %d", status)
		}
	})
	<-slow
	old := visitor.clone()
	visitor.wants("/out", 200, "true")
	close(go_on)
	group.Wait()
	if visitor.cookie() != "" {
		t.Error("the cookie is still there")
	}
	old.wants("/who", 200, "true")
	if count, err := site.client.Count(t.Context(), ""); count != 0 || err != nil {
		t.Errorf("there are %d sessions, %v", count, err)
	}
	visitor.get("/in")
	old = visitor.clone()
	visitor.get("/change")
	visitor.wants("/who", 200, "bobfalse")
	old.wants("/who", 200, "true")
}

func TestDevices(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{Labels: sessionhttp.DeviceLabels})
	site.page("/in", func(_ http.ResponseWriter, r *http.Request, s *sessionhttp.Session) { s.LogIn(r.FormValue("user")) })
	site.page("/devices", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		devices, err := s.Devices(r.Context())
		if err != nil {
			_, _ = fmt.Fprint(w, err)
		}
		for _, device := range devices {
			_, _ = fmt.Fprint(w, device.IsCurrent, " ")
		}
	})
	site.page("/handle", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { _, _ = fmt.Fprint(w, s.Handle()) })
	site.page("/end", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		ended, err := s.EndDevice(r.Context(), r.FormValue("handle"))
		_, _ = fmt.Fprint(w, ended, err)
	})
	site.page("/others", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		revoked, err := s.RevokeOthers(r.Context())
		_, _ = fmt.Fprint(w, revoked, err)
	})
	laptop, phone, tablet, stranger := site.browser(t), site.browser(t), site.browser(t), site.browser(t)
	laptop.wants("/devices", 200, sessionhttp.ErrNobody.Error())
	for _, device := range []*browser{laptop, phone, tablet} {
		device.get("/in?user=ada")
	}
	stranger.get("/in?user=eve")
	phone.wants("/devices", 200, "false true false")
	_, handle := phone.get("/handle")
	stranger.wants("/end?handle="+handle, 200, "false <nil>")
	stranger.wants("/end?handle=nothing", 200, "false <nil>")
	laptop.wants("/end?handle="+handle, 200, "true <nil>")
	phone.wants("/devices", 200, sessionhttp.ErrNobody.Error())
	laptop.wants("/others", 200, "1 <nil>")
	laptop.wants("/devices", 200, "true")
	stranger.wants("/devices", 200, "true")
	_, handle = laptop.get("/handle")
	laptop.wants("/end?handle="+handle, 200, "true <nil>")
	laptop.wants("/devices", 200, sessionhttp.ErrNobody.Error())
}

func TestHandoffToAnotherDomain(t *testing.T) {
	client := newClient(t)
	account, shop := newSite(t, client, sessionhttp.Options{}), newSite(t, client, sessionhttp.Options{})
	const audience = "https://shop.example"
	account.page("/in", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.LogIn("ada") })
	account.page("/go", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		ticket, err := s.IssueHandoff(r.Context(), audience)
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, string(ticket))
	})
	for _, site := range []*site{account, shop} {
		site.page("/who", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
			_, _ = fmt.Fprint(w, s.Principal())
		})
		site.page("/out", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.LogOut() })
	}
	shop.page("/come", func(_ http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		err := s.RedeemHandoff(r.Context(), sessiond.Secret(r.FormValue("ticket")), audience)
		if err != nil && !errors.Is(err, sessiond.ErrHandoffInvalid) {
			t.Error(err)
		}
	})
	there, here, thief := account.browser(t), shop.browser(t), shop.browser(t)
	there.get("/in")
	_, ticket := there.get("/go")
	here.get("/come?ticket=" + url.QueryEscape(ticket))
	here.wants("/who", 200, "ada")
	if here.cookie() == there.cookie() {
		t.Error("both domains have one ID")
	}
	thief.get("/come?ticket=" + url.QueryEscape(ticket))
	thief.wants("/who", 200, "")
	here.get("/out")
	there.wants("/who", 200, "")
}

func TestForgedRequests(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	site.page("/token", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		token, err := s.CSRFToken(r.Context())
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, token)
	})
	site.page("/in", func(w http.ResponseWriter, r *http.Request, s *sessionhttp.Session) {
		s.LogIn("ada")
		token, err := s.CSRFToken(r.Context())
		if err != nil {
			t.Error(err)
		}
		_, _ = io.WriteString(w, token)
	})
	site.mux.Handle("/act", site.manager.ProtectForms(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, "done ", r.FormValue("what"))
	})))
	visitor, stranger := site.browser(t), site.browser(t)
	_, token := visitor.get("/token")
	if status, text := visitor.post("/act", url.Values{"csrf_token": {token}, "what": {"it"}}); status != 200 || text != "done it" {
		t.Errorf("it answers %d %q", status, text)
	}
	request, _ := http.NewRequest(http.MethodDelete, site.URL+"/act", nil)
	request.Header.Set(sessionhttp.CSRFHeader, token)
	if answer, err := visitor.http.Do(request); err != nil || answer.StatusCode != 200 {
		t.Errorf("it answers %v, %v", answer, err)
	}
	visitor.wants("/act", 200, "done")
	for _, form := range []url.Values{{}, {"csrf_token": {"forged"}}, {"csrf_token": {token[:len(token)-1]}}} {
		if status, _ := visitor.post("/act", form); status != http.StatusForbidden {
			t.Errorf("%v answers %d", form, status)
		}
	}
	stranger.get("/token")
	if status, _ := stranger.post("/act", url.Values{"csrf_token": {token}}); status != http.StatusForbidden {
		t.Errorf("the token of another answers %d", status)
	}
	if status, _ := site.browser(t).post("/act", url.Values{"csrf_token": {token}}); status != http.StatusForbidden {
		t.Errorf("without a session it answers %d", status)
	}
	// A page that logs in shows a form that works afterwards.
	_, next := visitor.get("/in")
	if status, _ := visitor.post("/act", url.Values{"csrf_token": {next}}); status != 200 {
		t.Errorf("after the log in it answers %d", status)
	}
	if status, _ := visitor.post("/act", url.Values{"csrf_token": {token}}); status != http.StatusForbidden {
		t.Errorf("the token of before the log in answers %d", status)
	}
}

func TestLifetimesAndCookies(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{Lifetime: sessionhttp.Lifetime{Idle: time.Hour, Absolute: 12 * time.Hour}})
	site.page("/set", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("a", 1) })
	site.page("/month", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.SetLifetime(sessionhttp.Lifetime{Absolute: 30 * 24 * time.Hour, Persistent: true})
	})
	site.page("/renew", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.Clear()
		s.Renew()
	})
	site.page("/browser", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.SetLifetime(sessionhttp.Lifetime{Idle: time.Minute})
	})
	visitor := site.browser(t)
	for _, step := range []struct {
		path           string
		maxAge         int
		idle, absolute time.Duration
	}{
		{"/set", 0, time.Hour, 12 * time.Hour},
		{"/month", 30 * 24 * 3600, time.Hour, 30 * 24 * time.Hour},
		{"/renew", 30 * 24 * 3600, time.Hour, 30 * 24 * time.Hour},
		{"/renew", 30 * 24 * 3600, time.Hour, 30 * 24 * time.Hour},
		{"/browser", 0, time.Minute, 0},
	} {
		answer, err := visitor.http.Get(site.URL + step.path)
		if err != nil || len(answer.Cookies()) != 1 {
			t.Fatalf("%s answers %v, %v", step.path, answer, err)
		}
		cookie := answer.Cookies()[0]
		if cookie.MaxAge > step.maxAge || cookie.MaxAge < step.maxAge-10 || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("%s: the cookie is %+v", step.path, cookie)
		}
		session, err := site.client.Get(t.Context(), visitor.cookie())
		if err != nil {
			t.Fatal(err)
		}
		var absolute time.Duration
		if !session.AbsoluteExpireTime.IsZero() {
			absolute = session.AbsoluteExpireTime.Sub(session.CreateTime)
		}
		if session.IdleTimeout != step.idle || absolute != step.absolute {
			t.Errorf("%s: the timeouts are %v and %v", step.path, session.IdleTimeout, absolute)
		}
	}
}

func TestNothingIsStoredAfterAServerError(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	site.page("/set", func(_ http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("a", 1) })
	site.page("/error", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.Set("a", 2)
		http.Error(w, "broken", http.StatusInternalServerError)
	})
	site.page("/out", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.LogOut()
		http.Error(w, "broken", http.StatusInternalServerError)
	})
	site.page("/", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { _, _ = fmt.Fprint(w, s.Get("a")) })
	visitor := site.browser(t)
	visitor.get("/set")
	visitor.wants("/error", 500, "broken")
	visitor.wants("/", 200, "1")
	visitor.wants("/out", 500, "broken")
	visitor.wants("/", 200, "<nil>")
}

// Flushing, informational responses and response controllers work as without the middleware.
func TestResponses(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	site.page("/flush", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		w.WriteHeader(http.StatusEarlyHints)
		s.Set("a", 1)
		w.(http.Flusher).Flush()
		s.Set("a", "too late")
		_, _ = io.WriteString(w, "flushed")
		if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(time.Minute)); err != nil {
			t.Error(err)
		}
	})
	site.page("/", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { _, _ = fmt.Fprint(w, s.Get("a")) })
	visitor := site.browser(t)
	visitor.wants("/flush", 200, "flushed")
	visitor.wants("/", 200, "1")
}

func TestStoreThatIsDown(t *testing.T) {
	down, err := sessiond.New("127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = down.Close() }()
	site := newSite(t, down, sessionhttp.Options{})
	site.page("/", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) {
		s.Set("a", 1)
		_, _ = io.WriteString(w, "what must not be seen")
	})
	visitor := site.browser(t)
	began := time.Now()
	visitor.wants("/", http.StatusServiceUnavailable, "Service Unavailable")
	request, _ := http.NewRequest(http.MethodGet, site.URL+"/", nil)
	request.AddCookie(&http.Cookie{Name: "session", Value: "0123456789abcdef"})
	if answer, err := visitor.http.Do(request); err != nil || answer.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("it answers %v, %v", answer, err)
	}
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("two requests took %v", took)
	}
}

func TestCookieThatLeadsNowhere(t *testing.T) {
	site := newSite(t, newClient(t), sessionhttp.Options{})
	site.page("/", func(w http.ResponseWriter, _ *http.Request, s *sessionhttp.Session) { s.Set("a", s.IsNew()) })
	for _, value := range []string{"123", "0123456789abcdef", strings.Repeat("x", 1000)} {
		w, r := httptest.NewRecorder(), httptest.NewRequest(http.MethodGet, "/", nil)
		r.AddCookie(&http.Cookie{Name: "session", Value: value})
		site.Config.Handler.ServeHTTP(w, r)
		if cookies := w.Result().Cookies(); w.Code != 200 || len(cookies) != 1 || cookies[0].Value == value || cookies[0].Value == "" {
			t.Errorf("%q leads to %d, %v", value, w.Code, cookies)
		}
	}
}

func TestOptions(t *testing.T) {
	client := newClient(t)
	for _, options := range []sessionhttp.Options{
		{Grace: 61 * time.Second},
		{Lifetime: sessionhttp.Lifetime{Idle: -1}},
		{Lifetime: sessionhttp.Lifetime{Absolute: 3661 * 24 * time.Hour}},
		{Cookie: sessionhttp.Cookie{Name: "no name"}},
		{Cookie: sessionhttp.Cookie{SameSite: http.SameSiteNoneMode, Insecure: true}},
	} {
		if _, err := sessionhttp.New(client, options); err == nil {
			t.Errorf("%+v is taken", options)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a request that did not come through the handler has a session")
		}
	}()
	sessionhttp.From(httptest.NewRequest(http.MethodGet, "/", nil))
}

// A site behind TLS gets a cookie that no other host can set.
func TestCookieOfASiteBehindTLS(t *testing.T) {
	manager, err := sessionhttp.New(newClient(t), sessionhttp.Options{})
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	manager.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		sessionhttp.From(r).Set("a", 1)
	})).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
	cookie := w.Result().Cookies()[0]
	if cookie.Name != "__Host-session" || !cookie.Secure || !cookie.HttpOnly || cookie.Path != "/" || cookie.Domain != "" {
		t.Errorf("the cookie is %+v", cookie)
	}
}
