package main

import (
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessiond"
	"sessiond/internal/testserver"
	"sessiond/sessionhttp"
)

func TestMain(m *testing.M) {
	iterations = 1
	testserver.Main(m)
}

type browser struct {
	t    *testing.T
	http *http.Client
	site string
}

// newSites starts two sites of one store, which know each other.
func newSites(t *testing.T) (one, other string) {
	t.Helper()
	client, err := sessiond.New(testserver.Shared().Address,
		sessiond.WithNamespace(testserver.Namespace()), sessiond.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	first, second := httptest.NewUnstartedServer(nil), httptest.NewUnstartedServer(nil)
	one, other = "http://"+first.Listener.Addr().String(), "http://"+second.Listener.Addr().String()
	for server, origins := range map[*httptest.Server][2]string{first: {one, other}, second: {other, one}} {
		site, err := newSite(client, sessionhttp.Options{
			Labels: sessionhttp.DeviceLabels, Cookie: sessionhttp.Cookie{Insecure: true},
		}, origins[0], origins[1])
		if err != nil {
			t.Fatal(err)
		}
		server.Config.Handler = site
		server.Start()
		t.Cleanup(server.Close)
	}
	return one, other
}

func newBrowser(t *testing.T, site string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}, site}
}

func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	answer, err := b.http.Get(b.site + path)
	return b.read(answer, err)
}

var tokenField = regexp.MustCompile(`name="csrf_token" value="([^"]+)"`)

// send fills in the form on a page and sends it; it answers the page that follows.
func (b *browser) send(page, to string, form url.Values) (int, string) {
	b.t.Helper()
	_, text := b.get(page)
	found := tokenField.FindStringSubmatch(text)
	if found == nil {
		b.t.Fatalf("%s has no form: %s", page, text)
	}
	if form == nil {
		form = url.Values{}
	}
	form.Set("csrf_token", html.UnescapeString(found[1]))
	answer, err := b.http.PostForm(b.site+to, form)
	return b.read(answer, err)
}

func (b *browser) read(answer *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return answer.StatusCode, html.UnescapeString(string(body))
}

func wants(t *testing.T, status int, page string, wanted int, texts ...string) {
	t.Helper()
	if status != wanted {
		t.Errorf("the status is %d, not %d: %s", status, wanted, page)
	}
	for _, text := range texts {
		if !strings.Contains(page, text) {
			t.Errorf("%q is missing: %s", text, page)
		}
	}
}

func TestSite(t *testing.T) {
	one, _ := newSites(t)
	visitor := newBrowser(t, one)
	visitor.get("/")
	status, page := visitor.get("/")
	wants(t, status, page, 200, "Hello, visitor", "<td>visits</td><td>2</td>")

	status, page = visitor.send("/preferences", "/preferences", url.Values{"theme": {"dark"}, "language": {"de"}})
	wants(t, status, page, 200, "Saved.", `data-theme="dark"`)
	for _, step := range []struct{ action, key, value, answer string }{
		{"set", "a", `{"b": [1, 2.5, null]}`, "Done."},
		{"get", "a", "", "map[b:[1 2.5 <nil>]]"},
		{"has", "a", "", "true"},
		{"pop", "a", "", "map[b:[1 2.5 <nil>]]"},
		{"has", "a", "", "false"},
		{"nest", "", `"x"`, "Done."},
		{"nest", "", `"y"`, "map[list:[x y]]"},
		{"delete", "nested", "", "Done."},
		{"set", "a", "no JSON", "The value is not JSON."},
		{"set", "", "1", "A key is needed."},
		{"burn", "", "", "There is no such action."},
	} {
		status, page = visitor.send("/dictionary", "/dictionary", url.Values{"action": {step.action}, "key": {step.key}, "value": {step.value}})
		wants(t, status, page, 200, step.answer)
	}
	status, page = visitor.send("/guestbook", "/guestbook", url.Values{"text": {"a nice site"}})
	wants(t, status, page, 200, "Thanks for “a nice site”.")
	status, page = visitor.send("/guestbook", "/guestbook", url.Values{"text": {"again"}})
	wants(t, status, page, 200, "You have signed already.")
	visitor.get("/counter")
	status, page = visitor.get("/counter")
	wants(t, status, page, 200, `{"count": 2}`)
	status, page = visitor.get("/error")
	wants(t, status, page, 500)
	if _, page = visitor.get("/"); strings.Contains(page, "saved_in_spite_of_an_error") {
		t.Error("it was saved in spite of an error")
	}
	status, page = visitor.send("/", "/new-key", nil)
	wants(t, status, page, 200, "a new key and the same data", "has_commented")
	visitor.send("/dictionary", "/dictionary", url.Values{"action": {"clear"}})
	if _, page = visitor.get("/"); strings.Contains(page, "has_commented") {
		t.Error("it was not cleared")
	}
	status, page = visitor.send("/", "/log-out", nil)
	wants(t, status, page, 200, "<td>visits</td><td>1</td>")
}

func TestAccounts(t *testing.T) {
	one, _ := newSites(t)
	laptop, phone := newBrowser(t, one), newBrowser(t, one)
	status, page := laptop.send("/sign-up", "/sign-up", url.Values{"name": {"ada"}, "password": {"short"}})
	wants(t, status, page, 422, "at least 8 characters")
	status, page = laptop.send("/sign-up", "/sign-up", url.Values{"name": {"ada"}, "password": {"correct horse"}})
	wants(t, status, page, 200, "Welcome!", "Hello, ada", "Log out ada")
	status, page = phone.send("/sign-up", "/sign-up", url.Values{"name": {"ada"}, "password": {"another one"}})
	wants(t, status, page, 422, "The name is taken.")
	status, page = phone.send("/log-in", "/log-in", url.Values{"name": {"ada"}, "password": {"wrong"}})
	wants(t, status, page, 422, "Name or password is wrong.")
	status, page = phone.send("/log-in", "/log-in", url.Values{"name": {"ada"}, "password": {"correct horse"}, "remember": {"month"}})
	wants(t, status, page, 200, "Hello, ada.")
	status, page = phone.get("/devices")
	wants(t, status, page, 200, "(this one)", "127.0.0.1")
	if count := strings.Count(page, `name="handle"`); count != 2 {
		t.Errorf("there are %d devices", count)
	}

	status, page = laptop.send("/password", "/password", url.Values{"old": {"wrong"}, "new": {"battery staple"}})
	wants(t, status, page, 422, "The old password is wrong.")
	status, page = laptop.send("/password", "/password", url.Values{"old": {"correct horse"}, "new": {"battery staple"}})
	wants(t, status, page, 200, "your other devices are logged out")
	status, page = phone.get("/devices")
	wants(t, status, page, 200, "Please log in first.")
	phone.send("/log-in", "/log-in", url.Values{"name": {"ada"}, "password": {"battery staple"}, "remember": {"close"}})
	status, page = laptop.send("/devices", "/devices/others", nil)
	wants(t, status, page, 200, "All other devices are logged out.")
	status, page = laptop.send("/devices", "/devices/end", url.Values{"handle": {"0198c0de-0000-7000-8000-000000000000"}})
	wants(t, status, page, 200, "There is no such device.")
	status, page = laptop.send("/", "/log-out", nil)
	wants(t, status, page, 200, "Hello, visitor")
}

func TestExpiryOfTheSite(t *testing.T) {
	one, _ := newSites(t)
	visitor := newBrowser(t, one)
	for _, kind := range lifetimes {
		status, page := visitor.send("/expiry", "/expiry", url.Values{"expiry": {kind.name}})
		wants(t, status, page, 200, "It ends on")
	}
	// The last lasts two seconds; looking would make it last longer.
	time.Sleep(2100 * time.Millisecond)
	status, page := visitor.get("/")
	wants(t, status, page, 200, "<td>visits</td><td>1</td>")
}

func TestForgedForm(t *testing.T) {
	one, _ := newSites(t)
	visitor := newBrowser(t, one)
	visitor.get("/")
	answer, err := visitor.http.PostForm(one+"/log-out", url.Values{"csrf_token": {"forged"}})
	status, page := visitor.read(answer, err)
	wants(t, status, page, 403)
}

func TestSisterSite(t *testing.T) {
	one, other := newSites(t)
	visitor := newBrowser(t, one)
	visitor.send("/sign-up", "/sign-up", url.Values{"name": {"ada"}, "password": {"correct horse"}})
	status, page := visitor.send("/", "/go", nil)
	wants(t, status, page, 200, "Hello, ada")
	there := &browser{t, visitor.http, other}
	// Cookies of one host are one jar here: each site has its own visitor.
	status, page = there.get("/come?ticket=used")
	wants(t, status, page, 200, "used before, or took too long")
}
