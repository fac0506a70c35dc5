package sessiond

import (
	"maps"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	pb "sessiond/gen/sessiond/v1"
)

// Session is what the store knows of one visitor. It never holds the session ID.
type Session struct {
	// Handle names the session for its whole life, across rotation of its ID. Not a secret; safe to log.
	Handle    string
	Namespace string
	// Version is 1 at creation and grows by one with every change of data.
	Version uint64
	// Attributes are the data as DecodeValue reads it; nil where the answer leaves them out, which is not the same as
	// empty.
	Attributes map[string]any
	// Principal is the user that the session belongs to; empty while nobody is logged in.
	Principal string
	// Labels are short texts about the client, to be shown in session lists.
	Labels         map[string]string
	CreateTime     time.Time
	LastAccessTime time.Time
	UpdateTime     time.Time
	// IdleTimeout ends the session this long after its last access.
	IdleTimeout time.Duration
	// AbsoluteExpireTime ends the session however busy it is; zero if there is no such end.
	AbsoluteExpireTime time.Time
	// ExpireTime is when the session ends if nothing more happens.
	ExpireTime time.Time
	// Sealed says that only the session's ID opens its attributes (policy sealed): in lists and events they are unknown, not empty.
	Sealed bool

	stored map[string]*pb.Value
}

// Stored is the attributes as they are stored, for those who map values themselves; nil where the answer leaves them out.
func (s *Session) Stored() map[string]*pb.Value { return s.stored }

// Created is a session and the ID that leads to it: the secret for the visitor's cookie.
type Created struct {
	ID      Secret
	Session *Session
}

// Timeouts say how long a session lives. Both bounds hold together and the earlier one wins. What is left out has the
// default of the namespace: without another setting of the server, an idle timeout of 24 hours and no absolute end.
type Timeouts struct {
	// Idle ends the session this long after its last access.
	Idle time.Duration
	// Absolute ends it this long after its creation.
	Absolute time.Duration
	// AbsoluteExpireTime ends it at this moment; set at most one of the two.
	AbsoluteExpireTime time.Time
}

// IsZero tells whether nothing is set.
func (t Timeouts) IsZero() bool {
	return t.Idle == 0 && t.Absolute == 0 && t.AbsoluteExpireTime.IsZero()
}

func (t Timeouts) message() *pb.Timeouts {
	if t.IsZero() {
		return nil
	}
	out := &pb.Timeouts{IdleTimeout: duration(t.Idle)}
	switch {
	case !t.AbsoluteExpireTime.IsZero():
		out.Absolute = &pb.Timeouts_AbsoluteExpireTime{AbsoluteExpireTime: timestamppb.New(t.AbsoluteExpireTime)}
	case t.Absolute != 0:
		out.Absolute = &pb.Timeouts_AbsoluteTimeout{AbsoluteTimeout: durationpb.New(t.Absolute)}
	}
	return out
}

func duration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func timestamp(moment time.Time) *timestamppb.Timestamp {
	if moment.IsZero() {
		return nil
	}
	return timestamppb.New(moment)
}

func moment(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

// attributes is what an answer has of them, and in which form the caller wants them.
type attributes int

const (
	without attributes = iota
	stored
	decoded
)

// session reads an answer.
func (c *Client) session(found *pb.Session, has attributes) *Session {
	out := &Session{
		Handle:             found.GetHandle(),
		Namespace:          found.GetNamespace(),
		Version:            found.GetVersion(),
		Principal:          found.GetPrincipal(),
		Labels:             found.GetLabels(),
		CreateTime:         moment(found.GetCreateTime()),
		LastAccessTime:     moment(found.GetLastAccessTime()),
		UpdateTime:         moment(found.GetUpdateTime()),
		IdleTimeout:        found.GetIdleTimeout().AsDuration(),
		AbsoluteExpireTime: moment(found.GetAbsoluteExpireTime()),
		ExpireTime:         moment(found.GetExpireTime()),
		Sealed:             found.GetSealed(),
	}
	if has != without {
		out.stored = found.GetAttributes()
		if out.stored == nil {
			out.stored = map[string]*pb.Value{}
		}
	}
	if has == decoded {
		out.Attributes = decodeAll(found.GetAttributes(), c.settings.orderedMaps)
	}
	return out
}

// NewSession is what to create; everything may be left out.
type NewSession struct {
	// ID is one that a framework must choose. Left empty, and better so, the server mints one.
	ID string
	// Attributes are the first data; see EncodeValue.
	Attributes map[string]any
	Principal  string
	Labels     map[string]string
	Timeouts   Timeouts
	// CreateTime is when the session was made, if that was before this call. An absolute timeout counts from here.
	CreateTime time.Time
	// LastAccessTime is when the visitor was last active. The idle timeout counts from here.
	LastAccessTime time.Time
}

// Change changes a session's data in one atomic step. What it does not name stays as it is, so two changes of different
// attributes both survive.
type Change struct {
	// Set sets attributes; see EncodeValue.
	Set map[string]any
	// Remove removes attributes; a name that is not there is ignored.
	Remove []string
	// Clear removes every attribute first: with it, Set replaces the whole data.
	Clear bool
	// Principal sets the user that the session belongs to; a pointer to an empty text removes it, nil changes nothing.
	Principal *string
	SetLabels map[string]string
	// RemoveLabels removes labels; a name that is not there is ignored.
	RemoveLabels []string
	// Timeouts replace both timeouts; left out, neither changes.
	Timeouts Timeouts
}

// message is the change as it is sent. It shares no map with the caller, who may change its own while a call that it has given
// up is being sent.
func (c Change) message() (*pb.SessionChange, error) {
	set, err := encodeAll(c.Set)
	if err != nil {
		return nil, err
	}
	return &pb.SessionChange{
		SetAttributes:    set,
		RemoveAttributes: slices.Clone(c.Remove),
		ClearAttributes:  c.Clear,
		Principal:        c.Principal,
		SetLabels:        maps.Clone(c.SetLabels),
		RemoveLabels:     slices.Clone(c.RemoveLabels),
		Timeouts:         c.Timeouts.message(),
	}, nil
}
