package sessiond

import (
	"context"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	pb "sessiond/gen/sessiond/v1"
)

const (
	reserve     = fullBudget / oneToken
	manyCalls   = 2 * reserve
	longTimeout = 10 * time.Minute
)

func (b *retryBudget) takeAll() int {
	taken := 0
	for b.take() {
		taken++
	}
	return taken
}

func TestTenCallsThatSucceedGiveATokenBack(t *testing.T) {
	budget := newRetryBudget()
	budget.noteSuccess()
	if taken := budget.takeAll(); taken != reserve {
		t.Errorf("a full budget has %d tokens", taken)
	}
	for range 9 {
		budget.noteSuccess()
	}
	if budget.take() {
		t.Error("nine tenths are a token")
	}
	budget.noteSuccess()
	if taken := budget.takeAll(); taken != 1 {
		t.Errorf("ten tenths are %d tokens", taken)
	}
	for range 2 * fullBudget {
		budget.noteSuccess()
	}
	if taken := budget.takeAll(); taken != reserve {
		t.Errorf("it was filled with %d tokens", taken)
	}
}

func TestCallsThatShareAnAnswerPayOneToken(t *testing.T) {
	budget, first, last := newRetryBudget(), new(charge), new(charge)
	if !budget.pays(nil) || !budget.pays(first) || !budget.pays(first) {
		t.Error("a token is missing")
	}
	if taken := budget.takeAll(); taken != reserve-1 {
		t.Errorf("%d tokens were left", taken)
	}
	if budget.pays(last) || !budget.pays(first) || !budget.pays(nil) {
		t.Error("what was paid does not hold for all")
	}
}

// overloaded answers all calls and streams with UNAVAILABLE, and counts them, until it is available: then it answers calls one by one.
type overloaded struct {
	isAvailable atomic.Bool
	// So many calls are told that it starts; then it is available.
	startsFor int64
	seen      atomic.Int64
}

func (o *overloaded) answer() error {
	seen := o.seen.Add(1)
	if seen <= o.startsFor {
		starting, err := status.New(codes.Unavailable, "starting").WithDetails(
			&errdetails.ErrorInfo{Reason: "NOT_READY", Domain: "sessiond"})
		if err != nil {
			return err
		}
		return starting.Err()
	}
	if o.startsFor > 0 || o.isAvailable.Load() {
		return nil
	}
	return status.Error(codes.Unavailable, "overloaded")
}

func (o *overloaded) serve(t *testing.T, listener net.Listener) {
	server := grpc.NewServer(
		grpc.UnaryInterceptor(func(context.Context, any, *grpc.UnaryServerInfo, grpc.UnaryHandler) (any, error) {
			return new(pb.TouchSessionResponse), o.answer()
		}),
		grpc.StreamInterceptor(func(any, grpc.ServerStream, *grpc.StreamServerInfo, grpc.StreamHandler) error {
			return o.answer()
		}),
	)
	pb.RegisterSessionStoreServer(server, pb.UnimplementedSessionStoreServer{})
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
}

func (o *overloaded) start(t *testing.T, options ...Option) *Client {
	t.Helper()
	listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	o.serve(t, listener)
	return impatient(t, listener.Addr().String(), options...)
}

// impatient is a client that repeats calls without end.
func impatient(t *testing.T, address string, options ...Option) *Client {
	t.Helper()
	patience := []Option{WithTimeout(longTimeout), WithRetry(Retry{Attempts: 1 << 30, Pause: time.Millisecond})}
	client := must[*Client](t)(New(address, append(patience, options...)...))
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// allFail makes so many calls at the same time, of clients that share a connection, and wants all of them to fail before their deadline.
func allFail(t *testing.T, client *Client, calls int) {
	t.Helper()
	began := time.Now()
	var group sync.WaitGroup
	for range calls {
		group.Go(func() {
			_, _, err := client.In("shop").Touch(t.Context(), "no-such-session-0")
			wantReasonNow(t, err, ErrUnavailable)
		})
	}
	group.Wait()
	if took := time.Since(began); took > longTimeout/10 {
		t.Errorf("the calls took %v", took)
	}
}

func (o *overloaded) wantSeen(t *testing.T, least, most int64) {
	t.Helper()
	if seen := o.seen.Swap(0); seen < least || seen > most {
		t.Errorf("the server saw %d, not %d to %d", seen, least, most)
	}
}

func TestRepetitionsOfAllCallsTogetherAreBounded(t *testing.T) {
	var server overloaded
	client := server.start(t, WithUnary())
	allFail(t, client, manyCalls)
	server.wantSeen(t, manyCalls+reserve, manyCalls+reserve)
	allFail(t, client, 10)
	server.wantSeen(t, 10, 10)

	server.isAvailable.Store(true)
	for range 100 {
		if _, _, err := client.Touch(t.Context(), "no-such-session-0"); err != nil {
			t.Fatal(err)
		}
	}
	server.isAvailable.Store(false)
	server.seen.Store(0)
	allFail(t, client, 30)
	server.wantSeen(t, 40, 40)
}

func TestStreamsThatAreOpenedAgainAreBoundedToo(t *testing.T) {
	var server overloaded
	client := server.start(t)
	// One stream carries all calls that are ready, so fewer calls need more of them.
	const calls = 200
	allFail(t, client, calls)
	server.wantSeen(t, reserve, calls+reserve)
	allFail(t, client, 10)
	server.wantSeen(t, 1, 10)
}

// An answer without gRPC's headers is one too.
func TestAnswersOfAProxyTakeTokens(t *testing.T) {
	var seen atomic.Int64
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	proxy := &http.Server{Protocols: protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		seen.Add(1)
		w.WriteHeader(http.StatusServiceUnavailable)
	})}
	listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	go func() { _ = proxy.Serve(listener) }()
	t.Cleanup(func() { _ = proxy.Close() })
	allFail(t, impatient(t, listener.Addr().String(), WithUnary()), manyCalls)
	if seen.Load() != manyCalls+reserve {
		t.Errorf("the proxy saw %d calls", seen.Load())
	}
}

// The absence of a store costs nothing, so the budget is whole when one comes.
func TestCallsToNoStoreTakeNothingFromTheBudget(t *testing.T) {
	listener := must[net.Listener](t)(net.Listen("tcp", "127.0.0.1:0"))
	address := listener.Addr().String()
	_ = listener.Close()
	client := impatient(t, address, WithUnary())
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	var group sync.WaitGroup
	for range manyCalls {
		group.Go(func() {
			if _, _, err := client.Touch(ctx, "no-such-session-0"); err == nil {
				t.Error("a call succeeded without a store")
			}
		})
	}
	group.Wait()
	var server overloaded
	server.serve(t, must[net.Listener](t)(net.Listen("tcp", address)))
	allFail(t, client, manyCalls)
	server.wantSeen(t, manyCalls+reserve, manyCalls+reserve)
}

// Its answers ask for the repetition, so that a restart fails no call, however many wait.
func TestAStoreThatStartsTakesNothingFromTheBudget(t *testing.T) {
	server := &overloaded{startsFor: 2 * manyCalls}
	client := server.start(t, WithUnary())
	var group sync.WaitGroup
	for range manyCalls {
		group.Go(func() {
			if _, _, err := client.Touch(t.Context(), "no-such-session-0"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	server.wantSeen(t, 3*manyCalls, 3*manyCalls)
}
