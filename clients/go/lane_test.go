package sessiond

import (
	"context"
	"errors"
	"net"
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

// scripted is a server that answers as a test wants.
type scripted struct {
	pb.UnimplementedSessionStoreServer
	exchange func(pb.SessionStore_ExchangeServer) error
	streams  atomic.Int64
	unary    atomic.Int64
}

func (s *scripted) Exchange(stream pb.SessionStore_ExchangeServer) error {
	s.streams.Add(1)
	return s.exchange(stream)
}

func (s *scripted) CreateSession(context.Context, *pb.CreateSessionRequest) (*pb.CreateSessionResponse, error) {
	s.unary.Add(1)
	return &pb.CreateSessionResponse{SessionId: "unary"}, nil
}

func (s *scripted) GetSession(context.Context, *pb.GetSessionRequest) (*pb.GetSessionResponse, error) {
	s.unary.Add(1)
	return &pb.GetSessionResponse{Session: &pb.Session{Handle: "unary"}}, nil
}

func (s *scripted) start(t *testing.T, options ...Option) *Client {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pb.RegisterSessionStoreServer(server, s)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	client, err := New(listener.Addr().String(), append([]Option{WithTimeout(5 * time.Second)}, options...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// replyToAll replies to the calls of a message with what answer makes of each.
func replyToAll(stream pb.SessionStore_ExchangeServer, answer func(*pb.Call) *pb.Reply) error {
	for {
		message, err := stream.Recv()
		if err != nil {
			return nil
		}
		out := new(pb.ExchangeResponse)
		for _, call := range message.GetCalls() {
			if reply := answer(call); reply != nil {
				reply.Tag = call.GetTag()
				out.Replies = append(out.Replies, reply)
			}
		}
		if err := stream.Send(out); err != nil {
			return err
		}
	}
}

func touched(version uint64) *pb.Reply {
	return &pb.Reply{Result: &pb.Reply_Touch{Touch: &pb.TouchSessionResponse{Version: version}}}
}

func TestStreamThatIsRefusedGivesWayToUnaryCalls(t *testing.T) {
	for _, code := range []codes.Code{codes.Unimplemented, codes.Internal, codes.PermissionDenied, codes.Unauthenticated} {
		t.Run(code.String(), func(t *testing.T) {
			server := &scripted{exchange: func(pb.SessionStore_ExchangeServer) error { return status.Error(code, "no streams here") }}
			client := server.start(t)
			for range 3 {
				created := must[*Created](t)(client.Create(t.Context(), NewSession{}))
				if created.ID != "unary" {
					t.Error("the answer is not that of the unary call")
				}
			}
			if server.streams.Load() != 1 || server.unary.Load() != 3 {
				t.Errorf("there were %d streams and %d unary calls", server.streams.Load(), server.unary.Load())
			}
		})
	}
}

// A proxy that waits for the end of a request holds the stream back for ever.
func TestStreamThatIsHeldBackGivesWayToUnaryCalls(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		<-stream.Context().Done()
		return nil
	}}
	client := server.start(t, WithTimeout(300*time.Millisecond))
	_, err := client.Create(t.Context(), NewSession{})
	wantReason(t, err, ErrDeadlineExceeded)
	// On a busy machine, a call may not even be sent within that time.
	await(t, func() bool {
		created, err := client.Create(t.Context(), NewSession{})
		return err == nil && created.ID == "unary"
	})
}

func TestStreamThatBreaks(t *testing.T) {
	server := &scripted{}
	server.exchange = func(stream pb.SessionStore_ExchangeServer) error {
		if err := stream.SendHeader(nil); err != nil {
			return err
		}
		if _, err := stream.Recv(); err != nil {
			return err
		}
		if server.streams.Load() == 1 {
			return status.Error(codes.Unavailable, "broken")
		}
		return stream.Send(&pb.ExchangeResponse{Replies: []*pb.Reply{{Tag: 1, Result: touched(7).Result}}})
	}
	client := server.start(t)

	// A create may have been carried out: it is not repeated.
	_, err := client.Create(t.Context(), NewSession{})
	wantReason(t, err, ErrUnavailable)
	if server.streams.Load() != 1 || server.unary.Load() != 0 {
		t.Fatal("a call that may have been carried out was repeated")
	}

	// To touch twice is the same as once.
	server.streams.Store(0)
	if _, version, err := client.Touch(t.Context(), "no-such-session-0"); err != nil || version != 7 {
		t.Errorf("the touch answers %d, %v", version, err)
	}
	if server.streams.Load() != 2 {
		t.Errorf("there were %d streams", server.streams.Load())
	}
}

// A server that drains has not carried out what it has not replied to: it is repeated, whatever it is.
func TestStreamOfAServerThatDrains(t *testing.T) {
	server := &scripted{}
	server.exchange = func(stream pb.SessionStore_ExchangeServer) error {
		if server.streams.Load() == 1 {
			if _, err := stream.Recv(); err != nil {
				return err
			}
			draining, err := status.New(codes.Unavailable, "draining").WithDetails(
				&errdetails.ErrorInfo{Reason: "NOT_READY", Domain: "sessiond"})
			if err != nil {
				return err
			}
			return draining.Err()
		}
		return replyToAll(stream, func(*pb.Call) *pb.Reply {
			return &pb.Reply{Result: &pb.Reply_Create{Create: &pb.CreateSessionResponse{SessionId: "second"}}}
		})
	}
	created := must[*Created](t)(server.start(t).Create(t.Context(), NewSession{}))
	if created.ID != "second" {
		t.Error("the call was not repeated over the stream")
	}
}

func TestReplyToAnotherCall(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		return replyToAll(stream, func(*pb.Call) *pb.Reply { return touched(1) })
	}}
	_, err := server.start(t).Create(t.Context(), NewSession{})
	wantReason(t, err, ErrInternal)
}

// More callers than may be in flight, and a server that leaves some calls without a reply: the others are answered.
func TestMoreCallsThanMayBeInFlight(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		return replyToAll(stream, func(call *pb.Call) *pb.Reply {
			if call.GetTouch().GetSessionId() == "silence" {
				return nil
			}
			return touched(1)
		})
	}}
	client := server.start(t, WithTimeout(30*time.Second))
	var silent, group sync.WaitGroup
	ctx, cancel := context.WithCancel(t.Context())
	for range callsInFlight / 2 {
		silent.Go(func() {
			if _, _, err := client.Touch(ctx, "silence"); !errors.Is(err, ErrCanceled) {
				t.Errorf("the error is %v", err)
			}
		})
	}
	for range 2 * callsInFlight {
		group.Go(func() {
			if _, _, err := client.Touch(t.Context(), "an answer"); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	cancel()
	silent.Wait()
}

// A server that stops reading holds nobody longer than the deadline.
func TestServerThatDoesNotRead(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		if err := stream.SendHeader(nil); err != nil {
			return err
		}
		<-stream.Context().Done()
		return nil
	}}
	client := server.start(t, WithTimeout(300*time.Millisecond))
	large := make([]byte, 30<<10)
	var group sync.WaitGroup
	for range 100 {
		group.Go(func() {
			began := time.Now()
			_, err := client.Create(t.Context(), NewSession{Attributes: map[string]any{"large": large}})
			wantReasonNow(t, err, ErrDeadlineExceeded)
			if took := time.Since(began); took > 3*time.Second {
				t.Errorf("a call took %v", took)
			}
		})
	}
	group.Wait()
}

func wantReasonNow(t *testing.T, err error, reason Reason) {
	t.Helper()
	if !errors.Is(err, reason) {
		t.Errorf("the error is %v, not %v", err, reason)
	}
}

func TestCallTooLargeForTheLaneTravelsByItself(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		return replyToAll(stream, func(*pb.Call) *pb.Reply { return nil })
	}}
	client := server.start(t)
	must[*Created](t)(client.Create(t.Context(), NewSession{Attributes: map[string]any{"large": make([]byte, messageBytes)}}))
	if server.unary.Load() != 1 {
		t.Error("it travelled in the lane")
	}
}

// Calls that are ready at the same time go in one message.
func TestCallsTravelTogether(t *testing.T) {
	var calls, messages atomic.Int64
	server := &scripted{}
	server.exchange = func(stream pb.SessionStore_ExchangeServer) error {
		for {
			message, err := stream.Recv()
			if err != nil {
				return nil
			}
			messages.Add(1)
			out := new(pb.ExchangeResponse)
			for _, call := range message.GetCalls() {
				calls.Add(1)
				out.Replies = append(out.Replies, &pb.Reply{Tag: call.GetTag(), Result: touched(1).Result})
			}
			if err := stream.Send(out); err != nil {
				return err
			}
		}
	}
	client := server.start(t)
	var group sync.WaitGroup
	for range 64 {
		group.Go(func() {
			for range 50 {
				if _, _, err := client.Touch(t.Context(), "no-such-session-0"); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
	if calls.Load() != 64*50 || messages.Load() > calls.Load()/2 {
		t.Errorf("%d calls travelled in %d messages", calls.Load(), messages.Load())
	}
}

// A caller that has given up owns its maps again, although the call may just be on its way out.
func TestCallerThatGivesUpMayChangeItsMaps(t *testing.T) {
	server := &scripted{exchange: func(stream pb.SessionStore_ExchangeServer) error {
		return replyToAll(stream, func(*pb.Call) *pb.Reply { return nil })
	}}
	client := server.start(t)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			labels, attributes := map[string]string{}, map[string]any{}
			for i := range 60 {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(i)*5*time.Microsecond)
				labels[string(rune('a'+i%26))], attributes[string(rune('a'+i%26))] = "x", i
				_, _ = client.Create(ctx, NewSession{Labels: labels, Attributes: attributes})
				_, _ = client.Update(ctx, "no-such-session-0", Change{SetLabels: labels, Set: attributes})
				cancel()
			}
		})
	}
	group.Wait()
}
