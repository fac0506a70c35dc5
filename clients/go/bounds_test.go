package sessiond

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"sessiond/internal/testserver"
)

// bound is a row of ../conformance/bounds.json.
type bound struct {
	Bound, Code, Reason string
	Refused, Allowed    []boundCase
}

type boundCase struct {
	Method  string
	Request any
	Field   string
}

func bounds(t *testing.T) []bound {
	t.Helper()
	text, err := os.ReadFile("../conformance/bounds.json")
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Bound, Code, Reason string
		Refused             []boundCase
		AllowedCases        []boundCase `json:"allowed_cases"`
	}
	if err := json.Unmarshal(text, &rows); err != nil {
		t.Fatal(err)
	}
	var out []bound
	for _, row := range rows {
		out = append(out, bound{row.Bound, row.Code, row.Reason, row.Refused, row.AllowedCases})
	}
	return out
}

func TestSharedBounds(t *testing.T) {
	for name, options := range map[string][]Option{"fast lane": nil, "unary": {WithUnary()}} {
		t.Run(name, func(t *testing.T) {
			// IDs of the cases can be made once.
			client := clientOf(t, testserver.Start(t), append(options, WithTimeout(10*time.Second))...)
			for _, row := range bounds(t) {
				t.Run(row.Bound, func(t *testing.T) {
					for i, c := range row.Refused {
						if err := judgeRefusal(t, client, row, c); err != nil {
							t.Errorf("%s %d: %v", c.Method, i, err)
						}
					}
					for i, c := range row.Allowed {
						run := newRun(t, client)
						run.set("namespace", "")
						if err := run.do(c.step()); err != nil {
							t.Errorf("%s %d at the edge: %v", c.Method, i, err)
						}
					}
				})
			}
		})
	}
}

func (c boundCase) step() *step {
	if c.Method == "WatchSessions" {
		return &step{Watch: "watch", Request: c.Request}
	}
	return &step{Call: c.Method, Request: c.Request}
}

// judgeRefusal tells what is wrong with the refusal of a call.
func judgeRefusal(t *testing.T, client *Client, row bound, c boundCase) error {
	run := newRun(t, client)
	run.set("namespace", "")
	failed := &callError{}
	if err := run.do(c.step()); !errors.As(err, &failed) {
		return fmt.Errorf("it was not refused: %w", err)
	}
	if err := run.matchError(map[string]any{"reason": row.Reason, "code": row.Code}, failed.found); err != nil {
		return err
	}
	var found *Error
	errors.As(failed.found, &found)
	if c.Field != "" {
		if len(found.Fields) == 0 || found.Fields[0].Name != c.Field {
			return fmt.Errorf("the fields are %v, not %s", found.Fields, c.Field)
		}
		return nil
	}
	actual, _ := strconv.Atoi(found.Metadata["actual"])
	limit, _ := strconv.Atoi(found.Metadata["limit"])
	if actual <= limit {
		return fmt.Errorf("the metadata is %v", found.Metadata)
	}
	return nil
}
