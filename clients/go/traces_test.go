package sessiond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	"sessiond/internal/testserver"
)

// accessLine is a line that the server writes for a call.
type accessLine struct {
	Target, Namespace, Lane string
	TraceID                 string `json:"trace_id"`
}

// accessLines are those of a namespace, once there are so many.
func accessLines(t *testing.T, server *testserver.Server, namespace string, count int) []accessLine {
	t.Helper()
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		var lines []accessLine
		for text := range strings.Lines(server.Log()) {
			var line accessLine
			if json.Unmarshal([]byte(text), &line) == nil && line.Target == "sessiond::access" && line.Namespace == namespace {
				lines = append(lines, line)
			}
		}
		if len(lines) >= count {
			return lines
		}
	}
	t.Fatalf("there are no %d lines of %s in:\n%s", count, namespace, server.Log())
	return nil
}

func TestTheServerSeesTheTraceOfTheCaller(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../conformance/traces.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, Traceparent, Tracestate string
		TraceID                       string `json:"trace_id"`
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	server := testserver.Start(t, "--access-log", "--log-format", "json")
	for lane, options := range map[string][]Option{"stream": nil, "unary": {WithUnary()}} {
		for i, test := range cases {
			t.Run(lane+"/"+test.Name, func(t *testing.T) {
				type key struct{}
				current := func(ctx context.Context) (string, string) {
					if ctx.Value(key{}) == nil {
						return "", ""
					}
					return test.Traceparent, test.Tracestate
				}
				namespace := fmt.Sprintf("traces-%s-%d", lane, i)
				client, err := New(server.Address, append(options, WithTraceContext(current), WithTimeout(time.Minute),
					WithNamespace(namespace))...)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = client.Close() }()
				ctx := context.WithValue(t.Context(), key{}, true)
				// What a caller passes on for other servers does not get in the way.
				ctx = metadata.AppendToOutgoingContext(ctx, "traceparent", "00-1-2-01", "tracestate", "a=1")
				if _, err := client.Get(ctx, "no-such-session-0000"); !errors.Is(err, ErrSessionNotFound) {
					t.Fatal(err)
				}
				line := accessLines(t, server, namespace, 1)[0]
				if line.Lane != lane || line.TraceID != test.TraceID {
					t.Errorf("the server saw %+v", line)
				}
			})
		}
	}
}
