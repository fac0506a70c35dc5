package testserver

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Access is a server's access file and its token file.
type Access struct {
	rules, tokens string
}

// NewAccess writes the rules of a server, as its access-file has them.
func NewAccess(t testing.TB, rules string) Access {
	t.Helper()
	access := Access{filepath.Join(t.TempDir(), "access.toml"), filepath.Join(t.TempDir(), "tokens")}
	if err := os.WriteFile(access.rules, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	return access
}

// Args are the settings of the server. There must be a token by its start.
func (a Access) Args() []string {
	return []string{"--access-file", a.rules, "--access-tokens", a.tokens}
}

// Create makes a token of a caller. A server that runs knows it after Reload.
func (a Access) Create(t testing.TB, caller string) (token string) {
	t.Helper()
	return strings.TrimSuffix(a.run(t, "create", caller), "\n")
}

// Revoke ends a token. A server that runs knows that after Reload.
func (a Access) Revoke(t testing.TB, token string) {
	t.Helper()
	name, _, _ := strings.Cut(strings.TrimPrefix(token, "sdt_"), "_")
	a.run(t, "revoke", name)
}

func (a Access) run(t testing.TB, command, argument string) string {
	t.Helper()
	process := exec.Command(os.Getenv("SESSIOND_BIN"), "token", command, "--access-tokens", a.tokens, argument)
	process.Stderr = os.Stderr
	out, err := process.Output()
	if err != nil {
		t.Fatalf("sessiond token %s: %v", command, err)
	}
	return string(out)
}

// Reload lets the server look at its access file and its token file.
func (s *Server) Reload(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGHUP)
}
