package sessionhttp_test

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"sessiond"
	"sessiond/internal/testserver"
	"sessiond/sessionhttp"
)

func TestMain(m *testing.M) { testserver.Main(m) }

// site is a site with one page for each thing that a test does.
type site struct {
	*httptest.Server
	client  *sessiond.Client
	manager *sessionhttp.Manager
	mux     *http.ServeMux
}

func newClient(t testing.TB) *sessiond.Client {
	t.Helper()
	client, err := sessiond.New(testserver.Shared().Address,
		sessiond.WithNamespace(testserver.Namespace()), sessiond.WithTimeout(10*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func newSite(t testing.TB, client *sessiond.Client, options sessionhttp.Options) *site {
	t.Helper()
	options.Cookie.Insecure = true
	manager, err := sessionhttp.New(client, options)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	server := httptest.NewServer(manager.Handler(mux))
	t.Cleanup(server.Close)
	return &site{server, client, manager, mux}
}

// page lets a path of the site do something with the session of the request.
func (s *site) page(path string, do func(w http.ResponseWriter, r *http.Request, session *sessionhttp.Session)) {
	s.mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { do(w, r, sessionhttp.From(r)) })
}

// browser is a visitor.
type browser struct {
	t    testing.TB
	http *http.Client
	site *site
}

func (s *site) browser(t testing.TB) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, &http.Client{Jar: jar}, s}
}

// get answers the status and the text of a page.
func (b *browser) get(path string) (int, string) {
	b.t.Helper()
	answer, err := b.http.Get(b.site.URL + path)
	return b.read(answer, err)
}

func (b *browser) post(path string, form url.Values) (int, string) {
	b.t.Helper()
	answer, err := b.http.PostForm(b.site.URL+path, form)
	return b.read(answer, err)
}

func (b *browser) read(answer *http.Response, err error) (int, string) {
	b.t.Helper()
	if err != nil {
		b.t.Error(err)
		return 0, ""
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Error(err)
	}
	return answer.StatusCode, strings.TrimSpace(string(body))
}

func (b *browser) wants(path string, status int, text string) {
	b.t.Helper()
	if gotStatus, gotText := b.get(path); gotStatus != status || gotText != text {
		b.t.Errorf("%s answers %d %q, not %d %q", path, gotStatus, gotText, status, text)
	}
}

func (b *browser) cookie() string {
	address, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	for _, cookie := range b.http.Jar.Cookies(address) {
		return cookie.Value
	}
	return ""
}

// clone is another tab: the same cookie, which then goes its own way.
func (b *browser) clone() *browser {
	other := b.site.browser(b.t)
	address, err := url.Parse(b.site.URL)
	if err != nil {
		b.t.Fatal(err)
	}
	other.http.Jar.SetCookies(address, b.http.Jar.Cookies(address))
	return other
}
