package sessiond

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "sessiond/gen/sessiond/v1"
)

const (
	// Calls of one stream that wait to be sent or for their reply: with more in flight the server reads no further.
	// Further callers wait within their deadline.
	callsInFlight = 1024

	// A message is sent once its calls take so many bytes. Below what every server takes (its setting max-message-size).
	messageBytes = 48 << 10

	// The tag, the timeout and the framing of a call, in bytes, at most.
	callOverhead = 40

	// How long calls travel one by one after the stream was refused, before it is tried again: the server may be newer
	// then, and the proxy gone.
	unaryPeriod = time.Minute
)

// lane is the fast lane: one stream that carries the calls of all goroutines. It is opened at the first call, and again
// after it was lost.
type lane struct {
	conn   grpc.ClientConnInterface
	tokens *tokens

	mu         sync.Mutex
	open       *stream
	unaryUntil time.Time
	closed     bool
}

func newLane(conn grpc.ClientConnInterface, tokens *tokens) *lane {
	return &lane{conn: conn, tokens: tokens}
}

// call makes a call and answers what the server answers.
func (l *lane) call(ctx context.Context, call *pb.Call) (proto.Message, *failure) {
	// Most calls fit, with the timeout that is added.
	encoded, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 0, 192), call)
	if err != nil || len(encoded)+callOverhead > messageBytes {
		// It could be larger than the server takes, which would end the stream for all. What can't be encoded fails by itself.
		return nil, refusal
	}
	stream, found := l.stream()
	if found != nil {
		return nil, found
	}
	began := time.Now()
	reply, found := stream.call(ctx, encoded)
	for found == outdated {
		if stream, found = l.stream(); found != nil {
			return nil, found
		}
		reply, found = stream.call(ctx, encoded)
	}
	if found != nil {
		// If the stream is not even accepted by the end of a long wait, something on the way holds it back, as proxies do
		// that wait for the end of a request. Who gives up early had reasons of its own.
		suspicious := ctx.Err() != nil && waitedLong(ctx, began) && stream.isSentButNotAccepted()
		if found.outcome == refused || suspicious {
			l.refuse(stream)
		}
		return nil, found
	}
	return laneAnswer(reply)
}

func waitedLong(ctx context.Context, began time.Time) bool {
	deadline, ok := ctx.Deadline()
	return ok && time.Since(began) >= deadline.Sub(began)/2
}

var (
	refusal = fail(refused, codes.Unavailable, "the stream was refused")
	closing = fail(notCarriedOut, codes.Canceled, "the client is closed")

	// Of a stream that takes no more calls, as there is another token.
	outdated = fail(notCarriedOut, codes.Unavailable, "the stream has an earlier token")
)

// stream is the open stream, or a new one. A stream belongs to the token that it was opened with: with another, the next
// calls travel over a new one, and those of the one before end there.
func (l *lane) stream() (*stream, *failure) {
	l.mu.Lock()
	defer l.mu.Unlock()
	token := l.tokens.known()
	switch {
	case l.closed:
		return nil, closing
	case l.open != nil && !l.open.hasEnded() && l.open.token == token:
		return l.open, nil
	case !l.unaryUntil.IsZero() && time.Now().Before(l.unaryUntil):
		return nil, refusal
	}
	if l.open != nil {
		l.open.retire()
	}
	l.open = openStream(l.conn, token)
	return l.open, nil
}

// refuse goes on one by one for a while, unless another stream has been opened meanwhile.
func (l *lane) refuse(stream *stream) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.open == stream {
		l.open = nil
		l.unaryUntil = time.Now().Add(unaryPeriod)
		// Other calls that wait on it get no reply either.
		stream.end(fail(unknown, codes.Unavailable, "the stream was held back"))
	}
}

func (l *lane) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
	if l.open != nil {
		l.open.end(fail(unknown, codes.Canceled, "the client is closed"))
	}
}

// lost is what the end of an open stream means for calls without a reply. Its headers came before, and say nothing of the end.
func lost(err error, trailer metadata.MD) *failure {
	found := status.Convert(err)
	switch reasonIn(found) {
	case ErrNotReady:
		return &failure{notCarriedOut, found, new(charge)}
	case "":
		return &failure{unknown, unavailable(found), chargeOf(found, nil, trailer)}
	default:
		return &failure{unknown, unavailable(found), new(charge)}
	}
}

// notAccepted is what it means for calls that the stream ended before the server accepted it.
func notAccepted(err error, header, trailer metadata.MD) *failure {
	found := status.Convert(err)
	charge := chargeOf(found, header, trailer)
	switch reason := reasonIn(found); {
	case reason == ErrNotReady:
		return &failure{notCarriedOut, found, charge}
	case reason == ErrUnauthenticated, reason == ErrPermissionDenied:
		return &failure{answered, found, charge}
	case found.Code() == codes.Unimplemented:
		return refusal
	case found.Code() == codes.FailedPrecondition:
		// It is there, and takes no call at all: a port for TLS only says so.
		return &failure{notCarriedOut, found, charge}
	}
	switch found.Code() {
	case codes.Internal, codes.Unknown, codes.PermissionDenied, codes.Unauthenticated:
		// Answers of proxies that know nothing of such streams.
		return refusal
	default:
		return &failure{unknown, unavailable(found), charge}
	}
}

// unavailable gives the end of a stream its code: a stream that broke is a server that can't be reached, whatever the
// transport found.
func unavailable(found *status.Status) *status.Status {
	if found.Code() == codes.Unavailable {
		return found
	}
	return status.New(codes.Unavailable, found.Message())
}
