package sessiond

import (
	"strings"
	"testing"
)

func TestAddresses(t *testing.T) {
	for list, want := range map[string]string{
		"127.0.0.1:50051":                   "127.0.0.1:50051",
		"[::1]:50051":                       "[::1]:50051",
		"http://store.internal:50051":       "store.internal:50051",
		"http://store.internal:50051/":      "store.internal:50051",
		"unix:/run/sessiond.sock":           "unix:/run/sessiond.sock",
		"unix:///run/sessiond.sock":         "unix:/run/sessiond.sock",
		"unix:sessiond.sock":                "unix:sessiond.sock",
		"a:1, b:2 ,unix:/run/sessiond.sock": "a:1 b:2 unix:/run/sessiond.sock",
		"":                                  DefaultAddress,
	} {
		found, err := addresses(list)
		if err != nil || strings.Join(found, " ") != want {
			t.Errorf("%q is read as %q, %v", list, found, err)
		}
	}
}

func TestAddressOfTheEnvironment(t *testing.T) {
	t.Setenv(EnvAddress, "store:1")
	if found, err := addresses(""); err != nil || found[0] != "store:1" {
		t.Errorf("it is read as %q, %v", found, err)
	}
}

func TestWrongAddressIsRefusedWithTheReason(t *testing.T) {
	for text, reason := range map[string]string{
		"localhost":        "the port is missing",
		"localhost:":       "the port is not a number",
		"localhost:0":      "the port is not a number",
		"localhost:+1":     "the port is not a number",
		"localhost:70000":  "the port is not a number",
		":50051":           "the host is missing",
		"[]:50051":         "the host is missing",
		"::1:50051":        "in brackets",
		"store/path:50051": "not a host name",
		"sto re:50051":     "a character that no address has",
		"https://store:1":  "TLS is not supported",
		"unix:":            "the path is missing",
		"store:1,":         "the port is missing",
		"store:1,,other:2": "the port is missing",
	} {
		_, err := New(text)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: the error is %v", text, err)
		}
	}
}

func TestSettingsOutOfBounds(t *testing.T) {
	if _, err := New("", WithTimeout(0)); err == nil || !strings.Contains(err.Error(), "timeout") {
		t.Errorf("the error is %v", err)
	}
	if _, err := New("", WithRetry(Retry{})); err == nil || !strings.Contains(err.Error(), "attempts") {
		t.Errorf("the error is %v", err)
	}
}
