package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"sessiond"
)

// server is a server under measurement, pinned to its core.
type server struct {
	kind, address string
	process       *exec.Cmd
	dir           string
}

// Both promise the same: what was acknowledged survives the end of the process, and is on disk a second later.
func start(s settings, kind string) (*server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "sessiond-bench")
	if err != nil {
		return nil, err
	}
	command := []string{
		s.sessiond, "serve", "--listen", address, "--data-dir", filepath.Join(dir, "data"), "--durability", "interval",
		"--workers", "1", "--log", "warn",
	}
	if kind == "redis" {
		_, port, _ := net.SplitHostPort(address)
		command = []string{
			s.redis, "--port", port, "--bind", "127.0.0.1", "--dir", dir, "--save", "", "--appendonly", "yes",
			"--appendfsync", "everysec", "--loglevel", "warning", "--logfile", filepath.Join(dir, "log"),
		}
	}
	out := &server{kind: kind, address: address, dir: dir}
	out.process = exec.Command("taskset", append([]string{"--cpu-list", s.core}, command...)...)
	out.process.Stderr = os.Stderr
	if err := out.process.Start(); err != nil {
		return nil, err
	}
	if err := out.await(); err != nil {
		out.stop()
		return nil, err
	}
	return out, nil
}

func (s *server) await() error {
	deadline := time.Now().Add(30 * time.Second)
	for time.Now().Before(deadline) {
		if s.answers() {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return fmt.Errorf("it did not start within 30 s")
}

func (s *server) answers() bool {
	if s.kind == "redis" {
		conn, err := net.Dial("tcp", s.address)
		if err != nil {
			return false
		}
		return conn.Close() == nil
	}
	client, err := sessiond.New(s.address)
	if err != nil {
		return false
	}
	defer func() { _ = client.Close() }()
	_, err = client.Statistics(context.Background())
	return err == nil
}

func (s *server) stop() {
	_ = s.process.Process.Kill()
	_ = s.process.Wait()
	_ = os.RemoveAll(s.dir)
}
