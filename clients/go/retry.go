package sessiond

import (
	"context"
	"errors"
	"math/rand/v2"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "sessiond/gen/sessiond/v1"
)

// Retry says how often a call is repeated that met an unavailable store. No other error is repeated, nor is a call that may
// have been carried out, unless twice is the same as once.
//
// All calls of a client, and of those that In makes of it, share a retry budget: a reserve of 1,000 tokens. A repetition takes one if
// a server has answered UNAVAILABLE, and none if no server was there or it starts or stops (ErrNotReady); each call that succeeds gives a tenth of one back. Without a
// token a call is not repeated. The end of the fast lane is one answer to all calls that waited on it.
type Retry struct {
	// Attempts in all, the first one included. The deadline of the call ends them earlier.
	Attempts int
	// Pause is the longest pause after the first attempt; it doubles from attempt to attempt, up to 200 ms or itself if that is
	// longer. What is taken is random between half of it and all of it, so that many clients do not come back at the same moment.
	Pause time.Duration
}

// DefaultRetry is twenty attempts within two to four seconds: longer than a server needs to restart.
var DefaultRetry = Retry{Attempts: 20, Pause: 100 * time.Millisecond}

// No pause grows beyond this.
const longestPause = 200 * time.Millisecond

func (r Retry) pauseAfter(attempt int) time.Duration {
	longest := min(r.Pause<<min(attempt-1, 16), max(r.Pause, longestPause))
	return longest/2 + rand.N(longest/2+1)
}

// outcome is what is known of a call that failed.
type outcome int

const (
	// The server answered with an error.
	answered outcome = iota
	// The call was not carried out.
	notCarriedOut
	// It may have been carried out.
	unknown
	// The fast lane can't be used; the call was not carried out.
	refused
)

type failure struct {
	outcome outcome
	status  *status.Status
	// Nil if it was noticed here: no server has answered.
	charge *charge
}

func fail(outcome outcome, code codes.Code, message string) *failure {
	return &failure{outcome: outcome, status: status.New(code, message)}
}

// mayBeRepeated is the one rule of what is repeated.
func (f *failure) mayBeRepeated(idempotent bool) bool {
	return f.status.Code() == codes.Unavailable && (f.outcome != unknown || idempotent)
}

// cost is what a repetition takes from the budget: nothing if no server has answered, or if one that starts or stops asks for it.
func (f *failure) cost() *charge {
	if reasonIn(f.status) == ErrNotReady {
		return nil
	}
	return f.charge
}

// method is what is called, and whether twice is the same as once: then a call is repeated although it may have been
// carried out.
type method struct {
	name       string
	idempotent bool
}

// call makes a call with a single answer, which is of the same type as empty: it gets its deadline, which the server is
// told too, and its repetitions.
func call[A proto.Message](ctx context.Context, c *Client, method method, request proto.Message, empty A) (A, error) {
	ctx, cancel := context.WithTimeout(ctx, c.settings.timeout)
	defer cancel()
	return within(ctx, c, method, request, empty)
}

// slowCall is for calls whose work grows with the number of sessions: a deadline of the context can be later than the
// client's timeout.
func slowCall[A proto.Message](ctx context.Context, c *Client, method method, request proto.Message, empty A) (A, error) {
	if _, hasDeadline := ctx.Deadline(); hasDeadline {
		return within(ctx, c, method, request, empty)
	}
	return call(ctx, c, method, request, empty)
}

func within[A proto.Message](ctx context.Context, c *Client, method method, request proto.Message, empty A) (A, error) {
	found, failed := c.repeat(ctx, method, request, empty)
	if failed != nil {
		return empty, asError(ctx, failed)
	}
	answer, isAnswer := found.(A)
	if !isAnswer {
		return empty, &Error{Reason: ErrInternal, Code: codes.Internal, Message: "the reply is one to another call"}
	}
	return answer, nil
}

// repeat makes attempts until one succeeds, fails for good, the budget has nothing left, or the context ends. A call whose token is refused was not carried
// out: it is made once more if there is another token by now.
func (c *Client) repeat(ctx context.Context, method method, request, empty proto.Message) (proto.Message, *status.Status) {
	trace := c.settings.trace(ctx)
	var unavailable *status.Status
	isRenewed := false
	for attempt := 1; ; attempt++ {
		token := c.tokens.look()
		answer, found := c.attempt(ctx, trace, method, request, empty)
		if found == nil {
			c.budget.noteSuccess()
			return answer, nil
		}
		if !isRenewed && found.status.Code() == codes.Unauthenticated && c.tokens.hasOther(token) {
			isRenewed = true
			attempt--
			continue
		}
		if ctx.Err() != nil && unavailable != nil {
			// That the store was unavailable a moment ago says more than that time is up.
			return nil, unavailable
		}
		if !found.mayBeRepeated(method.idempotent) || attempt >= c.settings.retry.Attempts {
			return nil, found.status
		}
		pause := c.settings.retry.pauseAfter(attempt)
		if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) <= pause || !c.budget.pays(found.cost()) {
			return nil, found.status
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, found.status
		}
		unavailable = found.status
	}
}

func (c *Client) attempt(
	ctx context.Context, trace *pb.TraceContext, method method, request, empty proto.Message,
) (proto.Message, *failure) {
	if c.lane != nil {
		if call := laneCall(request); call != nil {
			call.TraceContext = trace
			answer, found := c.lane.call(ctx, call)
			switch {
			case found == nil:
				return answer, nil
			case found.outcome != refused:
				return nil, c.failures.explain(found)
			}
		}
	}
	var reached peer.Peer
	var header, trailer metadata.MD
	err := c.conn.Invoke(withTrace(ctx, trace), method.name, request, empty,
		grpc.Peer(&reached), grpc.Header(&header), grpc.Trailer(&trailer))
	if err == nil {
		return empty, nil
	}
	found := status.Convert(err)
	switch {
	case reasonIn(found) != "":
		return nil, &failure{answered, found, new(charge)}
	case reached.Addr == nil:
		return nil, c.failures.explain(&failure{outcome: notCarriedOut, status: ended(ctx, found)})
	default:
		return nil, &failure{unknown, ended(ctx, found), chargeOf(found, header, trailer)}
	}
}

// httpAnswer is how gRPC tells of an answer that is not one of gRPC, such as a proxy's.
const httpAnswer = "unexpected HTTP status code received from server"

// chargeOf is what a failure costs whose status may be gRPC's own: only an answer has headers, or trailers in place of them.
func chargeOf(found *status.Status, header, trailer metadata.MD) *charge {
	if len(header) == 0 && len(trailer) == 0 && !strings.Contains(found.Message(), httpAnswer) {
		return nil
	}
	return new(charge)
}

// ended names the end of the context where gRPC blames the connection.
func ended(ctx context.Context, found *status.Status) *status.Status {
	switch err := ctx.Err(); {
	case errors.Is(err, context.DeadlineExceeded):
		return status.New(codes.DeadlineExceeded, "there was no answer in time")
	case err != nil:
		return status.New(codes.Canceled, "the call was canceled")
	default:
		return found
	}
}
