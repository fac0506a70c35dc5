package sessiond

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestSharedAddresses(t *testing.T) {
	text, err := os.ReadFile("../conformance/addresses.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Address, Refused string
		Normal           []string
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		// To New the empty text stands for the environment.
		found, problem := parseAddresses(c.Address)
		if problem != c.Refused || !slices.Equal(found, c.Normal) {
			t.Errorf("%q is read as %q, %q; not as %q, %q", c.Address, found, problem, c.Normal, c.Refused)
		}
	}
	_, err = New("localhost")
	if want := `"localhost" is not an address: the port is missing; write HOST:PORT, http://HOST:PORT, https://HOST:PORT or unix:PATH`; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %v", err)
	}
}

func TestAddressOfTheEnvironment(t *testing.T) {
	for value, want := range map[string]string{"store:1": "store:1", "": DefaultAddress} {
		t.Setenv(EnvAddress, value)
		if found, err := addresses(""); err != nil || found[0] != want {
			t.Errorf("%q is read as %q, %v", value, found, err)
		}
	}
	t.Setenv(EnvAddress, "nothing")
	if _, err := New(""); err == nil {
		t.Error("a wrong address of the environment was taken")
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
