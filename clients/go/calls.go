package sessiond

import (
	"context"
	"maps"
	"time"

	pb "sessiond/gen/sessiond/v1"
)

var (
	createSession = method{pb.SessionStore_CreateSession_FullMethodName, false}
	getSession    = method{pb.SessionStore_GetSession_FullMethodName, true}
	updateSession = method{pb.SessionStore_UpdateSession_FullMethodName, false}
	touchSession  = method{pb.SessionStore_TouchSession_FullMethodName, true}
	rotateSession = method{pb.SessionStore_RotateSession_FullMethodName, false}
	deleteSession = method{pb.SessionStore_DeleteSession_FullMethodName, false}
)

// Create makes a session and never overwrites one. The answer has no attributes: the caller knows them.
//
// Reasons: ErrSessionIDTaken, ErrSessionTooLarge, ErrSessionLimitReached, ErrStorageFull.
func (c *Client) Create(ctx context.Context, session NewSession) (*Created, error) {
	attributes, err := encodeAll(session.Attributes)
	if err != nil {
		return nil, err
	}
	answer, err := call(ctx, c, createSession, &pb.CreateSessionRequest{
		Namespace:      c.settings.namespace,
		SessionId:      session.ID,
		Attributes:     attributes,
		Principal:      session.Principal,
		Labels:         maps.Clone(session.Labels),
		Timeouts:       session.Timeouts.message(),
		CreateTime:     timestamp(session.CreateTime),
		LastAccessTime: timestamp(session.LastAccessTime),
	}, new(pb.CreateSessionResponse))
	if err != nil {
		return nil, err
	}
	return &Created{Secret(answer.GetSessionId()), c.session(answer.GetSession(), without)}, nil
}

// GetOption is how Get and BatchGet read.
type GetOption func(*read)

type read struct {
	access         pb.Access
	ifVersionNot   *uint64
	omitAttributes bool
	storedOnly     bool
}

func reading(options []GetOption) read {
	out := read{access: pb.Access_ACCESS_TOUCH}
	for _, option := range options {
		option(&out)
	}
	return out
}

func (r *read) attributes(leftOut bool) attributes {
	switch {
	case leftOut || r.omitAttributes:
		return without
	case r.storedOnly:
		return stored
	default:
		return decoded
	}
}

// Peek reads without sliding the idle timeout: for polling and monitoring.
func Peek() GetOption {
	return func(r *read) { r.access = pb.Access_ACCESS_PEEK }
}

// IfVersionNot leaves the attributes out (nil) if the session has this version, because the caller knows them.
func IfVersionNot(version uint64) GetOption {
	return func(r *read) { r.ifVersionNot = &version }
}

// OmitAttributes leaves the attributes out (nil), for those who want to know only whose the session is, or when it ends.
func OmitAttributes() GetOption {
	return func(r *read) { r.omitAttributes = true }
}

// StoredOnly gives the attributes only as Session.Stored has them, for those who map values themselves.
func StoredOnly() GetOption {
	return func(r *read) { r.storedOnly = true }
}

// Get reads a session and, unless told to Peek, slides its idle timeout.
//
// Reasons: ErrSessionNotFound, ErrSessionCorrupt.
func (c *Client) Get(ctx context.Context, id string, options ...GetOption) (*Session, error) {
	read := reading(options)
	answer, err := call(ctx, c, getSession, &pb.GetSessionRequest{
		Namespace:      c.settings.namespace,
		SessionId:      id,
		Access:         read.access,
		IfVersionNot:   read.ifVersionNot,
		OmitAttributes: read.omitAttributes,
	}, new(pb.GetSessionResponse))
	if err != nil {
		return nil, err
	}
	return c.session(answer.GetSession(), read.attributes(answer.GetNotModified())), nil
}

// UpdateOption is on which condition Update works.
type UpdateOption func(*pb.UpdateSessionRequest)

// ExpectVersion is compare-and-set: the change is made only if the session has this version.
func ExpectVersion(version uint64) UpdateOption {
	return func(request *pb.UpdateSessionRequest) { request.ExpectedVersion = &version }
}

// Upsert makes a session from the change if there is none. It can revive a session that was ended meanwhile.
func Upsert() UpdateOption {
	return func(request *pb.UpdateSessionRequest) { request.Upsert = true }
}

// UnderLock makes the change only if the lock holds.
func UnderLock(lock Secret) UpdateOption {
	return func(request *pb.UpdateSessionRequest) { request.LockToken = string(lock) }
}

// ThenUnlock makes the change only if the lock holds, and releases it in the same step.
func ThenUnlock(lock Secret) UpdateOption {
	return func(request *pb.UpdateSessionRequest) { request.LockToken, request.Unlock = string(lock), true }
}

// Update changes a session in one atomic step and slides its idle timeout. It never creates a session, nor revives one that
// has ended, unless told to Upsert. The answer has no attributes.
//
// Reasons: ErrSessionNotFound, ErrSessionIDRetired, ErrVersionMismatch, ErrSessionTooLarge, ErrLockLost, ErrStorageFull.
func (c *Client) Update(ctx context.Context, id string, change Change, options ...UpdateOption) (*Session, error) {
	message, err := change.message()
	if err != nil {
		return nil, err
	}
	request := &pb.UpdateSessionRequest{Namespace: c.settings.namespace, SessionId: id, Change: message}
	for _, option := range options {
		option(request)
	}
	answer, err := call(ctx, c, updateSession, request, new(pb.UpdateSessionResponse))
	if err != nil {
		return nil, err
	}
	return c.session(answer.GetSession(), without), nil
}

// Touch slides a session's idle timeout; it answers when the session ends if nothing more happens, and its version.
//
// Reasons: ErrSessionNotFound.
func (c *Client) Touch(ctx context.Context, id string) (expires time.Time, version uint64, err error) {
	answer, err := call(ctx, c, touchSession,
		&pb.TouchSessionRequest{Namespace: c.settings.namespace, SessionId: id}, new(pb.TouchSessionResponse))
	if err != nil {
		return time.Time{}, 0, err
	}
	return moment(answer.GetExpireTime()), answer.GetVersion(), nil
}

// Rotation is how Rotate works; everything may be left out.
type Rotation struct {
	// NewID is one that a framework must choose. Left empty, and better so, the server mints one.
	NewID string
	// Grace is how long the old ID can still read, for the parallel requests of one page; at most a minute.
	Grace time.Duration
	// Change is made in the same atomic step, such as setting the principal at log in.
	Change Change
	// ExpectedVersion makes it compare-and-set, unless it is 0.
	ExpectedVersion uint64
}

// Rotate gives a session a new ID and keeps everything else: the answer to session fixation, at every log in. The session
// of the answer has no attributes.
//
// Reasons: ErrSessionNotFound, ErrSessionIDRetired, ErrSessionIDTaken, ErrVersionMismatch, ErrSessionTooLarge,
// ErrStorageFull.
func (c *Client) Rotate(ctx context.Context, id string, rotation Rotation) (*Created, error) {
	change, err := rotation.Change.message()
	if err != nil {
		return nil, err
	}
	request := &pb.RotateSessionRequest{
		Namespace:    c.settings.namespace,
		SessionId:    id,
		NewSessionId: rotation.NewID,
		Grace:        duration(rotation.Grace),
		Change:       change,
	}
	if rotation.ExpectedVersion != 0 {
		request.ExpectedVersion = &rotation.ExpectedVersion
	}
	answer, err := call(ctx, c, rotateSession, request, new(pb.RotateSessionResponse))
	if err != nil {
		return nil, err
	}
	return &Created{Secret(answer.GetSessionId()), c.session(answer.GetSession(), without)}, nil
}

// Delete ends a session; it answers whether there was one. After it no slower request brings the session back.
func (c *Client) Delete(ctx context.Context, id string) (deleted bool, err error) {
	return c.delete(ctx, &pb.DeleteSessionRequest{Target: &pb.DeleteSessionRequest_SessionId{SessionId: id}})
}

// DeleteHandle ends the session with this handle; it answers whether there was one.
func (c *Client) DeleteHandle(ctx context.Context, handle string) (deleted bool, err error) {
	return c.delete(ctx, &pb.DeleteSessionRequest{Target: &pb.DeleteSessionRequest_Handle{Handle: handle}})
}

func (c *Client) delete(ctx context.Context, request *pb.DeleteSessionRequest) (bool, error) {
	request.Namespace, request.AllowMissing = c.settings.namespace, true
	answer, err := call(ctx, c, deleteSession, request, new(pb.DeleteSessionResponse))
	return answer.GetDeleted(), err
}
