package sessiond

import (
	"context"
	"time"

	pb "sessiond/gen/sessiond/v1"
)

var (
	lockSession   = method{pb.SessionStore_LockSession_FullMethodName, false}
	unlockSession = method{pb.SessionStore_UnlockSession_FullMethodName, false}
)

// Lock says how to take a lock; everything may be left out.
type Lock struct {
	// Lease is how long the lock holds unless it is released: 100 ms to 60 s; 0 means 10 s.
	Lease time.Duration
	// Wait is how long to wait for a lock that another holds, at most 30 s. The call may take so much longer.
	Wait time.Duration
	// WithSession reads the session, with its attributes, once the lock is taken.
	WithSession bool
}

// Locked is a lock that is held.
type Locked struct {
	// Token names the lock, in updates and to renew and release it.
	Token Secret
	// ExpireTime is when the lease ends by itself.
	ExpireTime time.Time
	// Session is the session as it was once the lock was taken, if Lock.WithSession is set.
	Session *Session
}

// Lock takes an exclusive lease on a session, for sites that serialise the requests of one session. It binds those who ask
// for it: an update with UnderLock is refused once the lock is lost; an update without is never held up.
//
// Reasons: ErrSessionNotFound, ErrSessionIDRetired, ErrLockHeld.
func (c *Client) Lock(ctx context.Context, id string, lock Lock) (*Locked, error) {
	waiting := *c
	waiting.settings.timeout += max(lock.Wait, 0)
	return waiting.lock(ctx, &pb.LockSessionRequest{
		SessionId: id, Lease: duration(lock.Lease), Wait: duration(lock.Wait), IncludeSession: lock.WithSession,
	})
}

// RenewLock lets the lease of a lock start again from now; 0 means 10 s. The token stays.
//
// Reasons: ErrLockLost, ErrSessionNotFound, ErrSessionIDRetired.
func (c *Client) RenewLock(ctx context.Context, id string, token Secret, lease time.Duration) (*Locked, error) {
	return c.lock(ctx, &pb.LockSessionRequest{SessionId: id, Lease: duration(lease), LockToken: string(token)})
}

func (c *Client) lock(ctx context.Context, request *pb.LockSessionRequest) (*Locked, error) {
	request.Namespace = c.settings.namespace
	answer, err := call(ctx, c, lockSession, request, new(pb.LockSessionResponse))
	if err != nil {
		return nil, err
	}
	locked := &Locked{Token: Secret(answer.GetLockToken()), ExpireTime: moment(answer.GetExpireTime())}
	if answer.GetSession() != nil {
		locked.Session = c.session(answer.GetSession(), decoded)
	}
	return locked, nil
}

// Unlock releases a lock; it answers whether the lock still held.
func (c *Client) Unlock(ctx context.Context, id string, token Secret) (released bool, err error) {
	answer, err := call(ctx, c, unlockSession, &pb.UnlockSessionRequest{
		Namespace: c.settings.namespace, SessionId: id, LockToken: string(token),
	}, new(pb.UnlockSessionResponse))
	return answer.GetReleased(), err
}
