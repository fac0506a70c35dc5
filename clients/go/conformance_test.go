package sessiond

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

// The cases of ../conformance/cases that Go can't meet, and why.
var exceptions = map[string]string{}

// behaviour is one case: steps, in a namespace of its own.
type behaviour struct {
	Name  string
	Steps []step
}

// step is one step of a case; see ../conformance/README.md.
type step struct {
	Call     string
	Request  any
	Messages []any
	Expect   any
	Error    any
	Save     map[string]string
	Within   string

	Wait string

	Parallel int
	Succeed  *int
	Step     *step
	Start    string
	Finish   string

	Watch       string
	Next        string
	Close       string
	Checkpoints bool

	Exchange []any
	Replies  map[string]step
}

func behaviours(t *testing.T) []behaviour {
	t.Helper()
	paths, err := filepath.Glob("../conformance/cases/*.json")
	if err != nil || len(paths) == 0 {
		t.Fatalf("there are no cases: %v", err)
	}
	var all []behaviour
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		decoder := json.NewDecoder(strings.NewReader(string(text)))
		decoder.DisallowUnknownFields()
		var cases []behaviour
		if err := decoder.Decode(&cases); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		all = append(all, cases...)
	}
	return all
}

func TestSharedBehaviour(t *testing.T) {
	config, err := filepath.Abs("../conformance/server.toml")
	if err != nil {
		t.Fatal(err)
	}
	server := testserver.Start(t, "--config", config)
	for name, options := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			client := clientOf(t, server, append(options, WithTimeout(10*time.Second))...)
			for _, c := range behaviours(t) {
				t.Run(c.Name, func(t *testing.T) {
					if reason, excepted := exceptions[c.Name]; excepted {
						t.Skip(reason)
					}
					t.Parallel()
					run := newRun(t, client)
					for i := range c.Steps {
						if err := run.do(&c.Steps[i]); err != nil {
							t.Fatalf("step %d: %v", i+1, err)
						}
					}
				})
			}
		})
	}
}

// run is one case being run.
type run struct {
	t       *testing.T
	client  *Client
	streams map[string]*eventStream
	started map[string]chan error

	mu   sync.Mutex
	vars map[string]string
}

func newRun(t *testing.T, client *Client) *run {
	return &run{
		t: t, client: client, streams: map[string]*eventStream{}, started: map[string]chan error{},
		vars: map[string]string{"namespace": testserver.Namespace()},
	}
}

// withIndex is the same run, for one of several parallel steps.
func (r *run) withIndex(index int) *run {
	vars := map[string]string{"index": fmt.Sprint(index)}
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, value := range r.vars {
		vars[name] = value
	}
	return &run{t: r.t, client: r.client, vars: vars}
}

func (r *run) do(s *step) error {
	switch {
	case s.Wait != "":
		pause, err := time.ParseDuration(s.Wait)
		time.Sleep(pause)
		return err
	case s.Parallel > 0:
		return r.parallel(s)
	case s.Start != "":
		done := make(chan error, 1)
		r.started[s.Start] = done
		go func() { done <- r.do(s.Step) }()
		return nil
	case s.Finish != "":
		return <-r.started[s.Finish]
	case s.Watch != "":
		return r.watch(s)
	case s.Next != "":
		return r.next(s)
	case s.Close != "":
		r.streams[s.Close].cancel()
		return nil
	case s.Exchange != nil:
		return r.exchange(s)
	case s.Within != "":
		return r.eventually(s)
	default:
		return r.call(s)
	}
}

func (r *run) eventually(s *step) error {
	within, err := time.ParseDuration(s.Within)
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(within); ; time.Sleep(20 * time.Millisecond) {
		if err := r.call(s); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// parallel makes a step many times at once. With succeed, so many meet the expectation and all others the error.
func (r *run) parallel(s *step) error {
	var group sync.WaitGroup
	var mu sync.Mutex
	var problems []error
	succeeded := 0
	for i := range s.Parallel {
		group.Go(func() {
			one := *s.Step
			run := r.withIndex(i)
			var err error
			if s.Succeed == nil {
				err = run.do(&one)
			} else {
				one.Error = nil
				if err = run.do(&one); err != nil {
					answered := &callError{}
					if errors.As(err, &answered) {
						err = run.matchError(s.Step.Error, answered.found)
					}
				} else {
					mu.Lock()
					succeeded++
					mu.Unlock()
				}
			}
			if err != nil {
				mu.Lock()
				problems = append(problems, fmt.Errorf("number %d: %w", i, err))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	if s.Succeed != nil && succeeded != *s.Succeed {
		problems = append(problems, fmt.Errorf("%d succeeded, not %d", succeeded, *s.Succeed))
	}
	return errors.Join(problems...)
}

// callError is a call that failed although it was to succeed.
type callError struct{ found error }

func (e *callError) Error() string { return "the call failed: " + e.found.Error() }

func (r *run) set(name, value string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.vars[name] = value
}

// judge compares what a call led to with what the step wants, and saves what it says.
func (r *run) judge(s *step, answer any, failed error) error {
	if s.Error != nil {
		if failed == nil {
			return fmt.Errorf("the call succeeded; it was to fail with %v", s.Error)
		}
		return r.matchError(s.Error, failed)
	}
	if failed != nil {
		return &callError{failed}
	}
	if s.Expect != nil {
		if err := r.match(s.Expect, answer, "answer"); err != nil {
			return err
		}
	}
	for name, path := range s.Save {
		value := answer
		for part := range strings.SplitSeq(path, ".") {
			fields, _ := value.(map[string]any)
			value = fields[part]
		}
		if value == nil {
			return fmt.Errorf("the answer has no %s to save", path)
		}
		r.set(name, fmt.Sprint(value))
	}
	return nil
}

// A runner that finds no fault would let every client pass.
func TestRunnerFindsFaults(t *testing.T) {
	run := newRun(t, newClient(t))
	run.set("then", "2026-01-01T00:00:00Z")
	for _, c := range []struct{ wanted, found string }{
		{`{"a": 1}`, `{}`},
		{`{"a": 1}`, `{"a": 2}`},
		{`{"a": "1"}`, `{"a": 1}`},
		{`{"a": {"$present": true}}`, `{}`},
		{`{"a": {"$absent": true}}`, `{"a": false}`},
		{`{"a": 1, "$only": true}`, `{"a": 1, "b": 2}`},
		{`[1]`, `[1, 2]`},
		{`[{"a": 1}]`, `[{"a": 2}]`},
		{`{"$not": 1}`, `1`},
		{`{"$contains": 1}`, `[2]`},
		{`{"$near": "${then}", "within": "1s"}`, `"2026-01-01T00:00:02Z"`},
		{`{"$after": "${then}"}`, `"2026-01-01T00:00:00.000Z"`},
		{`"${then+1s}"`, `"2026-01-01T00:00:00Z"`},
		{`"${unknown}"`, `"${unknown}"`},
	} {
		var wanted, found any
		if err := errors.Join(json.Unmarshal([]byte(c.wanted), &wanted), json.Unmarshal([]byte(c.found), &found)); err != nil {
			t.Fatal(err)
		}
		if run.match(wanted, found, "answer") == nil {
			t.Errorf("%s matches %s", c.wanted, c.found)
		}
	}
	for _, c := range []step{
		{Call: "GetSession", Request: map[string]any{"sessionId": "no-such-session-0"}},
		{Call: "CreateSession", Error: "SESSION_NOT_FOUND"},
		{Call: "GetSession", Request: map[string]any{"sessionId": "short"}, Error: "SESSION_NOT_FOUND"},
		{Call: "GetSession", Request: map[string]any{"sessionId": "short"}, Error: map[string]any{"reason": "INVALID_ARGUMENT", "fields": []any{"namespace"}}},
		{Call: "CreateSession", Save: map[string]string{"a": "session.nothing"}},
	} {
		if run.do(&c) == nil {
			t.Errorf("%+v passes", c)
		}
	}
}
