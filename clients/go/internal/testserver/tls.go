package testserver

import (
	"crypto/tls"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// StartTLS starts a server for one test that takes TLS only, at a free port of this host, with a certificate of PEM.
func StartTLS(t testing.TB, host, certificate string, args ...string) *Server {
	t.Helper()
	address, err := freeAddress(host)
	if err != nil {
		t.Fatal(err)
	}
	server := &Server{Address: "https://" + address, dir: t.TempDir()}
	server.args = append(args, "--tls-certificate", server.file("server.pem"), "--tls-key", server.file("server-key.pem"))
	t.Cleanup(server.kill)
	server.Certify(t, certificate)
	server.Restart(t)
	return server
}

// Certify gives a server of StartTLS another certificate, which it has after its next start.
func (s *Server) Certify(t testing.TB, certificate string) {
	t.Helper()
	CopyFile(t, PEM(t, certificate), s.file("server.pem"))
	CopyFile(t, PEM(t, certificate+"-key"), s.file("server-key.pem"))
}

func (s *Server) file(name string) string { return filepath.Join(s.dir, name) }

// listen is the address as the server's setting has it.
func (s *Server) listen() string { return strings.Replace(s.Address, "https://", "tls://", 1) }

// credentials reach the server whatever its certificate is.
func (s *Server) credentials() (credentials.TransportCredentials, error) {
	if !strings.HasPrefix(s.Address, "https://") {
		return insecure.NewCredentials(), nil
	}
	folder, err := certificates()
	if err != nil {
		return nil, err
	}
	pair, err := tls.LoadX509KeyPair(filepath.Join(folder, "client.pem"), filepath.Join(folder, "client-key.pem"))
	if err != nil {
		return nil, err
	}
	return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{pair}}), nil
}

// PEM is a file that clients/conformance/tls/generate made, by its name without .pem.
func PEM(t testing.TB, name string) string {
	t.Helper()
	folder, err := certificates()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(folder, name+".pem")
}

// CopyFile puts the content of one file into another.
func CopyFile(t testing.TB, from, to string) {
	t.Helper()
	content, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// certificates are made once for the tests of a package.
var certificates = sync.OnceValues(func() (folder string, err error) {
	_, here, _, _ := runtime.Caller(0)
	generate := filepath.Join(filepath.Dir(here), "../../../conformance/tls/generate")
	folder = filepath.Join(shared.dir, "certificates")
	if out, err := exec.Command(generate, folder).CombinedOutput(); err != nil {
		return "", fmt.Errorf("%s: %w: %s", generate, err, out)
	}
	return folder, nil
})
