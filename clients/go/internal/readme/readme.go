// Package readme runs the programs of the README.
package readme

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

var programs = regexp.MustCompile("(?s)```go\n// quick start: (\\w+)\n(.*?)```")

// build compiles a program of the README within the module of the test.
func build(t *testing.T, readme, name string, change func(string) string) *exec.Cmd {
	t.Helper()
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range programs.FindAllStringSubmatch(string(text), -1) {
		if found[1] != name {
			continue
		}
		dir, err := os.MkdirTemp(".", "readme-")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.RemoveAll(dir) })
		if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(change(found[2])), 0o600); err != nil {
			t.Fatal(err)
		}
		binary := filepath.Join(t.TempDir(), name)
		if out, err := exec.Command("go", "build", "-o", binary, "./"+dir).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		t.Cleanup(cancel)
		command := exec.CommandContext(ctx, binary)
		command.Env = append(os.Environ(), "SESSIOND_ADDR="+testserver.Shared().Address)
		return command
	}
	t.Fatalf("the README has no quick start %s", name)
	return nil
}

// Output is what a program prints.
func Output(t *testing.T, readme, name string) string {
	t.Helper()
	out, err := build(t, readme, name, func(text string) string { return text }).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return string(out)
}

// Visits starts a program that is a site, and visits it twice as one visitor; the texts of its page. Its cookies have to be strict.
func Visits(t *testing.T, readme, name string) (first, second string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	site := build(t, readme, name, func(text string) string { return strings.ReplaceAll(text, "127.0.0.1:8080", address) })
	if err := site.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = site.Process.Kill()
		_ = site.Wait()
	})
	jar := new(trusting)
	visitor := &http.Client{Jar: jar}
	first = visit(t, visitor, "http://"+address)
	for _, cookie := range jar.cookies {
		if !cookie.Secure || !cookie.HttpOnly || cookie.SameSite != http.SameSiteLaxMode || cookie.Path != "/" {
			t.Errorf("the cookie of the quick start %s is %v", name, cookie)
		}
	}
	return first, visit(t, visitor, "http://"+address)
}

// visit reads a page, once the site answers.
func visit(t *testing.T, visitor *http.Client, address string) string {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		answer, err := visitor.Get(address)
		if err != nil {
			if time.Now().After(deadline) {
				t.Fatal(err)
			}
			continue
		}
		defer func() { _ = answer.Body.Close() }()
		text, err := io.ReadAll(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// trusting is a jar that sends secure cookies without TLS.
type trusting struct{ cookies []*http.Cookie }

func (j *trusting) SetCookies(_ *url.URL, cookies []*http.Cookie) { j.cookies = cookies }

func (j *trusting) Cookies(*url.URL) []*http.Cookie { return j.cookies }
