package sessiond

import (
	"context"
	"errors"
	"io"
	"runtime"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "sessiond/gen/sessiond/v1"
)

// So many bytes without a reply never make gRPC wait when it sends: it buffers 64 KiB of a stream, and what has a reply has
// left the buffer.
const neverBlocks = 60 << 10

// stream is one Exchange. Whoever has a call to send, and finds nobody sending, sends all that wait; one goroutine reads
// the replies.
type stream struct {
	// What it was opened with; nil without a token.
	token *token
	// A call that waits to be sent or for its reply has one.
	slots chan struct{}
	// Closed when the stream has ended.
	done   chan struct{}
	cancel context.CancelFunc
	// Wakes the goroutine that sends what would block a caller.
	wake chan struct{}

	mu       sync.Mutex
	exchange grpc.ClientStream
	queue    []*pending
	inFlight map[uint64]*pending
	nextTag  uint64
	// Bytes of the calls in flight.
	bytes    int
	sending  bool
	sent     bool
	accepted bool
	// Another stream has taken its place: it is closed as soon as what it was given is sent.
	retired bool
	// It takes no more calls.
	closed bool
	ended  *failure
}

// pending is a call without a reply.
type pending struct {
	// Encoded, without its tag.
	call   []byte
	size   int
	answer chan reply
	// Guarded by the stream's mu.
	state pendingState
}

type pendingState int

const (
	queued pendingState = iota
	underway
	abandoned
)

func openStream(conn grpc.ClientConnInterface, token *token) *stream {
	ctx, cancel := context.WithCancel(context.Background())
	s := &stream{
		token:    token,
		slots:    make(chan struct{}, callsInFlight),
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
		cancel:   cancel,
		inFlight: make(map[uint64]*pending),
	}
	go s.run(ctx, conn)
	return s
}

// call sends a call and waits for its reply, for the end of the stream, or for the end of the context.
func (s *stream) call(ctx context.Context, call []byte) (reply, *failure) {
	select {
	case s.slots <- struct{}{}:
	default:
		select {
		case s.slots <- struct{}{}:
		case <-s.done:
			return reply{}, s.whyNotSent()
		case <-ctx.Done():
			return reply{}, gaveUp(ctx, notCarriedOut)
		}
	}
	p := &pending{call: appendTimeout(call, ctx), size: len(call) + callOverhead, answer: make(chan reply, 1)}
	if !s.submit(p) {
		<-s.slots
		return reply{}, s.whyNotSent()
	}
	select {
	case reply := <-p.answer:
		return reply, nil
	case <-ctx.Done():
		return reply{}, gaveUp(ctx, s.abandon(p))
	case <-s.done:
	}
	select {
	case reply := <-p.answer:
		return reply, nil
	default:
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state == queued {
		return reply{}, s.whyNotSentLocked()
	}
	return reply{}, s.ended
}

func gaveUp(ctx context.Context, outcome outcome) *failure {
	return &failure{outcome: outcome, status: ended(ctx, status.New(codes.Unavailable, "the stream was ended"))}
}

// submit queues a call and sends what is queued, unless another does so already or it could take long. False if the stream
// has ended, or takes no more.
func (s *stream) submit(p *pending) bool {
	s.mu.Lock()
	if s.ended != nil || s.closed {
		s.mu.Unlock()
		return false
	}
	s.queue = append(s.queue, p)
	if s.sending || s.exchange == nil {
		s.mu.Unlock()
		return true
	}
	s.sending = true
	s.mu.Unlock()

	// Goroutines that are ready to run add their calls first: they all travel in one message.
	runtime.Gosched()

	s.mu.Lock()
	if s.bytes+s.queuedBytes() <= neverBlocks {
		s.sendLocked()
	}
	s.sending = false
	isRest := len(s.queue) > 0 || s.retired
	s.mu.Unlock()
	if isRest {
		s.wakeSender()
	}
	return true
}

func (s *stream) wakeSender() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *stream) queuedBytes() int {
	total := 0
	for _, p := range s.queue {
		total += p.size
		if total > messageBytes {
			break
		}
	}
	return total
}

// sendLocked sends one message of what is queued. The caller has set sending and holds mu, which is released meanwhile.
func (s *stream) sendLocked() {
	message := s.takeLocked()
	if len(message) == 0 || s.ended != nil {
		return
	}
	exchange := s.exchange
	s.sent = true
	s.mu.Unlock()
	// An error here ends the reading too, and only there one learns why.
	_ = exchange.SendMsg(message)
	s.mu.Lock()
}

// takeLocked takes calls for one message from the queue, and gives the message.
func (s *stream) takeLocked() []byte {
	message := make([]byte, 0, min(s.queuedBytes(), messageBytes))
	bytes, taken := 0, 0
	for _, p := range s.queue {
		if bytes > 0 && bytes+p.size > messageBytes {
			break
		}
		taken++
		if p.state == abandoned {
			<-s.slots
			continue
		}
		bytes += p.size
		s.nextTag++
		p.state = underway
		s.inFlight[s.nextTag] = p
		message = appendCall(message, s.nextTag, p.call)
	}
	s.bytes += bytes
	rest := copy(s.queue, s.queue[taken:])
	clear(s.queue[rest:])
	s.queue = s.queue[:rest]
	return message
}

// abandon leaves a call that nobody waits for any more; what is known of it.
func (s *stream) abandon(p *pending) outcome {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.state == queued {
		p.state = abandoned
		return notCarriedOut
	}
	return unknown
}

// run opens the stream and sends what callers leave to it.
func (s *stream) run(ctx context.Context, conn grpc.ClientConnInterface) {
	description := &grpc.StreamDesc{StreamName: "Exchange", ServerStreams: true, ClientStreams: true}
	exchange, err := conn.NewStream(ctx, description, pb.SessionStore_Exchange_FullMethodName, grpc.ForceCodecV2(laneCodec{}))
	if err != nil {
		found := notAccepted(err, nil, nil)
		if found.outcome == unknown {
			found = &failure{outcome: notCarriedOut, status: found.status}
		}
		s.end(found)
		return
	}
	go s.read(exchange)
	s.mu.Lock()
	s.exchange = exchange
	s.mu.Unlock()
	for {
		s.mu.Lock()
		// Whoever sends now wakes this goroutine if something is left.
		for !s.sending && len(s.queue) > 0 && s.ended == nil {
			s.sending = true
			s.sendLocked()
			s.sending = false
		}
		if s.retired && !s.closed && !s.sending && len(s.queue) == 0 && s.ended == nil {
			s.closed = true
			// The server replies to all calls and ends the stream, which is read to its end.
			_ = exchange.CloseSend()
		}
		s.mu.Unlock()
		select {
		case <-s.wake:
		case <-s.done:
			return
		}
	}
}

// retire lets the stream end once the calls that it was given have their replies.
func (s *stream) retire() {
	s.mu.Lock()
	s.retired = true
	s.mu.Unlock()
	s.wakeSender()
}

// read hands out replies until the stream ends.
func (s *stream) read(exchange grpc.ClientStream) {
	header, err := exchange.Header()
	if err == nil && !isTrailersOnly(header) {
		s.mu.Lock()
		s.accepted = true
		s.mu.Unlock()
	}
	var replies []reply
	for {
		switch err := exchange.RecvMsg(&replies); {
		case err == nil:
			s.answer(replies)
			clear(replies)
		case errors.Is(err, io.EOF):
			s.end(&failure{unknown, status.New(codes.Unavailable, "the stream was ended"), new(charge)})
			return
		case s.isAccepted():
			s.end(lost(err, exchange.Trailer()))
			return
		default:
			s.end(notAccepted(err, header, exchange.Trailer()))
			return
		}
	}
}

// isTrailersOnly tells an answer that only refuses: then there are no headers.
func isTrailersOnly(header metadata.MD) bool { return header == nil }

func (s *stream) answer(replies []reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, reply := range replies {
		p := s.inFlight[reply.tag]
		if p == nil {
			continue
		}
		delete(s.inFlight, reply.tag)
		s.bytes -= p.size
		<-s.slots
		p.answer <- reply
	}
}

// end tells everybody who has no reply that there will be none.
func (s *stream) end(why *failure) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != nil {
		return
	}
	s.ended = why
	s.queue, s.inFlight = nil, nil
	close(s.done)
	s.cancel()
}

func (s *stream) hasEnded() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

func (s *stream) isAccepted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

func (s *stream) isSentButNotAccepted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sent && !s.accepted
}

// whyNotSent is what to tell callers whose calls never left.
func (s *stream) whyNotSent() *failure {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.whyNotSentLocked()
}

func (s *stream) whyNotSentLocked() *failure {
	switch {
	case s.closed:
		return outdated
	case s.ended.outcome == refused:
		return s.ended
	default:
		return &failure{notCarriedOut, s.ended.status, s.ended.charge}
	}
}
