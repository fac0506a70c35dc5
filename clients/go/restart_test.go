package sessiond

import (
	"bufio"
	"context"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// restartable is a server that is restarted with the socket that it had.
type restartable struct {
	address string
	input   io.WriteCloser
	output  *bufio.Reader
}

func startRestartable(t *testing.T, args ...string) *restartable {
	t.Helper()
	command := exec.Command("../conformance/restarts", append([]string{t.TempDir()}, args...)...)
	command.Stderr = os.Stderr
	input := must[io.WriteCloser](t)(command.StdinPipe())
	output := must[io.ReadCloser](t)(command.StdoutPipe())
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	server := &restartable{input: input, output: bufio.NewReader(output)}
	t.Cleanup(func() {
		_ = input.Close()
		if err := command.Wait(); err != nil {
			t.Error(err)
		}
	})
	server.address = server.line(t)
	return server
}

func (s *restartable) line(t *testing.T) string {
	t.Helper()
	return strings.TrimSpace(must[string](t)(s.output.ReadString('\n')))
}

// restart returns after how long the new server served.
func (s *restartable) restart(t *testing.T) string {
	t.Helper()
	if _, err := io.WriteString(s.input, "\n"); err != nil {
		t.Fatal(err)
	}
	return s.line(t)
}

// No call fails when the server is restarted with the socket that it had. The timeout is that of a busy machine.
func TestRestartsUnderLoad(t *testing.T) {
	for name, test := range map[string]struct {
		flags   []string
		options []Option
		keeps   bool
	}{
		"fast lane":       {nil, []Option{WithTimeout(time.Minute)}, true},
		"unary":           {nil, []Option{WithTimeout(time.Minute), WithUnary()}, true},
		"nothing to open": {[]string{"--engine", "memory"}, []Option{WithTimeout(time.Minute)}, false},
	} {
		t.Run(name, func(t *testing.T) {
			server := startRestartable(t, test.flags...)
			client, err := New(server.address, test.options...)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = client.Close() }()
			var stop atomic.Bool
			var group sync.WaitGroup
			answered := make([]atomic.Int64, 16)
			ids := make([]string, len(answered))
			for i := range answered {
				group.Go(func() {
					for n := int64(1); !stop.Load(); n++ {
						if ids[i] == "" || !test.keeps {
							created, err := client.Create(context.Background(), NewSession{})
							if err != nil {
								t.Errorf("a call failed: %v", err)
								continue
							}
							ids[i] = string(created.ID)
						}
						if test.keeps {
							if _, err := client.Update(context.Background(), ids[i], Change{Set: map[string]any{"n": n}}); err != nil {
								t.Errorf("a call failed: %v", err)
							}
						}
						answered[i].Store(n)
					}
				})
			}
			// Every caller goes on before the next restart.
			for range 3 {
				for i := range answered {
					awaitMore(t, &answered[i], 10)
				}
				t.Logf("refused calls for %s ms", server.restart(t))
			}
			for i := range answered {
				awaitMore(t, &answered[i], 10)
			}
			stop.Store(true)
			group.Wait()
			for i, id := range ids {
				if !test.keeps {
					break
				}
				session := must[*Session](t)(client.Get(t.Context(), id))
				if n, _ := session.Attributes["n"].(int64); n != answered[i].Load() {
					t.Errorf("%d was acknowledged, %d is stored", answered[i].Load(), n)
				}
			}
		})
	}
}
