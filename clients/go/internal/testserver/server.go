// Package testserver runs real sessiond processes for tests.
package testserver

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "sessiond/gen/sessiond/v1"
)

const startLimit = 30 * time.Second

// Server is a sessiond with a free port and a data folder of its own, which it keeps over Kill and Start.
type Server struct {
	// Address is where it listens, as clients write it.
	Address string

	dir     string
	args    []string
	process *exec.Cmd
	ended   chan struct{}
}

var (
	shared     *Server
	namespaces atomic.Int64
)

// Main runs the tests of a package with a shared server; call it in TestMain.
func Main(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "sessiond-test")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	defer func() { _ = os.RemoveAll(dir) }()
	address, err := freeAddress("127.0.0.1")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	shared = &Server{Address: address, dir: dir, args: []string{"--event-attributes", "true", "--sweep-interval", "100ms"}}
	defer shared.kill()
	if err := shared.launch(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 2
	}
	return m.Run()
}

// Shared is the server of all tests of the package that don't stop it.
func Shared() *Server { return shared }

// Namespace is one that no other test uses.
func Namespace() string {
	return fmt.Sprintf("test-%d-%d", os.Getpid(), namespaces.Add(1))
}

// Start starts a server for one test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	address, err := freeAddress("127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	return StartAt(t, address, args...)
}

// StartAt starts a server for one test, with this address.
func StartAt(t testing.TB, address string, args ...string) *Server {
	t.Helper()
	server := &Server{Address: address, dir: t.TempDir(), args: args}
	t.Cleanup(server.kill)
	server.Restart(t)
	return server
}

func freeAddress(host string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

func (s *Server) launch() error {
	binary := os.Getenv("SESSIOND_BIN")
	if binary == "" {
		return fmt.Errorf("SESSIOND_BIN is not set: it names the sessiond to test with")
	}
	log, err := os.OpenFile(filepath.Join(s.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	args := append([]string{"serve", "--listen", s.listen(), "--data-dir", filepath.Join(s.dir, "data")}, s.args...)
	s.process = exec.Command(binary, args...)
	s.process.Stdout, s.process.Stderr = log, log
	// Settings of the surrounding shell must not reach the server under test.
	for _, variable := range os.Environ() {
		if !strings.HasPrefix(variable, "SESSIOND_") {
			s.process.Env = append(s.process.Env, variable)
		}
	}
	if err := s.process.Start(); err != nil {
		return err
	}
	ended := make(chan struct{})
	s.ended = ended
	process := s.process
	go func() {
		_ = process.Wait()
		close(ended)
	}()
	return s.awaitAnswer()
}

func (s *Server) awaitAnswer() error {
	transport, err := s.credentials()
	if err != nil {
		return err
	}
	target := strings.TrimPrefix(s.Address, "https://")
	if !strings.HasPrefix(target, "unix:") {
		target = "passthrough:///" + target
	}
	conn, err := grpc.NewClient(target, grpc.WithTransportCredentials(transport))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), startLimit)
	defer cancel()
	for ctx.Err() == nil {
		_, err = pb.NewSessionStoreClient(conn).GetSession(ctx, &pb.GetSessionRequest{SessionId: "no-such-session-0"})
		// One with access rules does not know this caller.
		if code := status.Code(err); code == codes.NotFound || code == codes.Unauthenticated {
			return nil
		}
		select {
		case <-s.ended:
			return fmt.Errorf("sessiond ended by itself:\n%s", s.Log())
		case <-time.After(20 * time.Millisecond):
			conn.ResetConnectBackoff()
		}
	}
	return fmt.Errorf("sessiond did not answer within %v (%w):\n%s", startLimit, err, s.Log())
}

// Log is what the server has logged.
func (s *Server) Log() string {
	log, _ := os.ReadFile(filepath.Join(s.dir, "log"))
	return string(log)
}

// Restart starts the server again after Kill or Stop.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	if err := s.launch(); err != nil {
		t.Fatal(err)
	}
}

// Kill ends the server by SIGKILL: it has no chance to write anything.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	s.kill()
}

func (s *Server) kill() {
	if s.ended == nil {
		return
	}
	_ = s.process.Process.Kill()
	<-s.ended
}

// Stop ends the server by SIGTERM.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGTERM)
	<-s.ended
}

// Pause lets the server hang: connections stay open, nothing is answered.
func (s *Server) Pause(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGSTOP)
	// A thread may still answer until every one of them has stopped.
	for deadline := time.Now().Add(startLimit); !s.isStopped(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the server did not stop")
		}
	}
}

func (s *Server) isStopped() bool {
	states, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", s.process.Process.Pid))
	for _, path := range states {
		state, _ := os.ReadFile(path)
		// The state follows the name, which is in parentheses.
		_, rest, _ := strings.Cut(string(state), ") ")
		if !strings.HasPrefix(rest, "T") {
			return false
		}
	}
	return len(states) > 0
}

// Resume ends a Pause.
func (s *Server) Resume(t testing.TB) {
	t.Helper()
	s.signal(t, syscall.SIGCONT)
}

func (s *Server) signal(t testing.TB, signal syscall.Signal) {
	t.Helper()
	if err := s.process.Process.Signal(signal); err != nil {
		t.Fatal(err)
	}
}
