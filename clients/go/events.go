package sessiond

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	pb "sessiond/gen/sessiond/v1"
)

// EventKind is what happened to a session.
type EventKind string

// The kinds of events.
const (
	// EventCreated means that the session was made.
	EventCreated EventKind = "created"
	// EventUpdated means that its data changed.
	EventUpdated EventKind = "updated"
	// EventRotated means that it got a new ID; perhaps its data changed in the same step.
	EventRotated EventKind = "rotated"
	// EventDeleted means that it was ended by its ID or handle: a log out.
	EventDeleted EventKind = "deleted"
	// EventExpired means that it reached the end of a timeout; sent once it is swept, a little later.
	EventExpired EventKind = "expired"
	// EventRevoked means that it was ended from outside.
	EventRevoked EventKind = "revoked"
	// EventCheckpoint is none: every event so far was sent. It has no session, and a resume token to keep.
	EventCheckpoint EventKind = "checkpoint"
)

var eventKinds = map[EventKind]pb.EventKind{
	EventCreated: pb.EventKind_EVENT_KIND_CREATED,
	EventUpdated: pb.EventKind_EVENT_KIND_UPDATED,
	EventRotated: pb.EventKind_EVENT_KIND_ROTATED,
	EventDeleted: pb.EventKind_EVENT_KIND_DELETED,
	EventExpired: pb.EventKind_EVENT_KIND_EXPIRED,
	EventRevoked: pb.EventKind_EVENT_KIND_REVOKED,
}

// Event is one event. The events of one session come in the order in which they happened; the order of events of
// different sessions means nothing.
type Event struct {
	Kind EventKind
	// Time is when it was carried out.
	Time time.Time
	// Session is the session after the event; before it, if the event ended the session.
	Session *Session
	// ResumeToken resumes after this event, also across a restart of the server. It also names the event.
	ResumeToken string
}

// Watch says what to watch; everything may be left out.
type Watch struct {
	// AllNamespaces watches every namespace instead of the client's.
	AllNamespaces bool
	// Principal keeps to the sessions of one user.
	Principal string
	// Kinds keeps to these kinds.
	Kinds []EventKind
	// Attributes asks for the last attributes with deleted, expired and revoked events, where the namespace keeps them.
	Attributes bool
	// ResumeToken begins after the event or checkpoint that had it; empty begins now.
	ResumeToken string
	// Checkpoints yields checkpoints too, the first one at once.
	Checkpoints bool
	// CheckpointInterval is how often they come while there is nothing else: 100 ms to 1 h; 0 means 10 s.
	CheckpointInterval time.Duration
}

const defaultCheckpointInterval = 10 * time.Second

// Watch yields what happens to sessions, until the context ends, the loop is left, or with an error that no repetition
// mends, such as ErrEventsGone: then list the sessions and watch from now on. A connection that is lost is made again, and
// the stream goes on after the last event, as often as it takes: no event is left out and none comes twice.
func (c *Client) Watch(ctx context.Context, watch Watch) iter.Seq2[*Event, error] {
	return func(yield func(*Event, error) bool) {
		request, err := c.watchRequest(watch)
		if err != nil {
			yield(nil, err)
			return
		}
		w := watcher{client: c, request: request, watch: watch, yield: yield}
		for failures := 0; ; {
			token := c.tokens.look()
			found := w.follow(ctx)
			if found == nil {
				return
			}
			if ctx.Err() != nil {
				yield(nil, asError(ctx, ended(ctx, found)))
				return
			}
			if found.Code() == codes.Unauthenticated && c.tokens.hasOther(token) {
				continue
			}
			if found.Code() != codes.Unavailable && reasonIn(found) != ErrWatcherTooSlow {
				yield(nil, asError(ctx, found))
				return
			}
			if w.seen {
				w.seen, failures = false, 0
			}
			failures++
			timer := time.NewTimer(min(c.settings.retry.pauseAfter(failures), 5*time.Second))
			select {
			case <-timer.C:
			case <-ctx.Done():
				timer.Stop()
			}
		}
	}
}

func (c *Client) watchRequest(watch Watch) (*pb.WatchSessionsRequest, error) {
	request := &pb.WatchSessionsRequest{
		Namespace:          c.settings.namespace,
		AllNamespaces:      watch.AllNamespaces,
		Principal:          watch.Principal,
		IncludeAttributes:  watch.Attributes,
		CheckpointInterval: durationpb.New(defaultCheckpointInterval),
		ResumeToken:        watch.ResumeToken,
	}
	if watch.AllNamespaces {
		request.Namespace = ""
	}
	if watch.CheckpointInterval != 0 {
		request.CheckpointInterval = durationpb.New(watch.CheckpointInterval)
	}
	for _, kind := range watch.Kinds {
		number, known := eventKinds[kind]
		if !known {
			return nil, &Error{
				Reason: ErrInvalidArgument, Code: codes.InvalidArgument, Message: "kinds: there is no kind " + string(kind),
			}
		}
		request.Kinds = append(request.Kinds, number)
	}
	return request, nil
}

type watcher struct {
	client  *Client
	request *pb.WatchSessionsRequest
	watch   Watch
	yield   func(*Event, error) bool
	// Whether the server has answered since the last failure.
	seen bool
}

// follow reads one stream to its end; nil if the loop was left.
func (w *watcher) follow(ctx context.Context) *status.Status {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Silence means that the connection is dead: the first message comes at once, and a checkpoint at each interval.
	patience := w.request.GetCheckpointInterval().AsDuration() + w.client.settings.timeout
	silence := time.AfterFunc(w.client.settings.timeout, cancel)
	defer silence.Stop()
	stream, err := w.client.store().WatchSessions(ctx, w.request)
	if err != nil {
		return w.lost(err)
	}
	for {
		message, err := stream.Recv()
		if err != nil {
			return w.lost(err)
		}
		silence.Stop()
		w.seen = true
		event := w.event(message)
		// The point is kept before the event is handed out, so that it does not come twice.
		w.request.ResumeToken = event.ResumeToken
		if (event.Kind != EventCheckpoint || w.watch.Checkpoints) && !w.yield(event, nil) {
			return nil
		}
		silence.Reset(patience)
	}
}

// lost is why a stream ended, with a code that tells whether to go on.
func (w *watcher) lost(err error) *status.Status {
	found := status.Convert(err)
	if errors.Is(err, io.EOF) || reasonIn(found) == "" && isBroken(found.Code()) {
		return status.New(codes.Unavailable, "the stream was cut off: "+found.Message())
	}
	return found
}

func isBroken(code codes.Code) bool {
	return code == codes.Internal || code == codes.Unknown || code == codes.Canceled
}

func (w *watcher) event(message *pb.WatchSessionsResponse) *Event {
	if checkpoint := message.GetCheckpoint(); checkpoint != nil {
		return &Event{Kind: EventCheckpoint, ResumeToken: checkpoint.GetResumeToken()}
	}
	found := message.GetEvent()
	has := without
	if len(found.GetSession().GetAttributes()) > 0 {
		has = decoded
	}
	event := &Event{
		Time:        moment(found.GetEventTime()),
		Session:     w.client.session(found.GetSession(), has),
		ResumeToken: found.GetResumeToken(),
	}
	for kind, number := range eventKinds {
		if number == found.GetKind() {
			event.Kind = kind
		}
	}
	return event
}
