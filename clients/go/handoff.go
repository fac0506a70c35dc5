package sessiond

import (
	"context"
	"time"

	pb "sessiond/gen/sessiond/v1"
)

var (
	issueHandoff  = method{pb.SessionStore_IssueHandoff_FullMethodName, false}
	redeemHandoff = method{pb.SessionStore_RedeemHandoff_FullMethodName, false}
)

// Ticket opens a session to another domain, once.
type Ticket struct {
	// Ticket is the secret for the redirect to the other domain.
	Ticket Secret
	// ExpireTime is when it ends.
	ExpireTime time.Time
}

// IssueHandoff issues a ticket by which the audience, such as "https://shop.example", gets its own ID of the same session:
// cross-domain sign-on. The lifetime is from 1 s to 5 min; 0 means 30 s.
//
// Reasons: ErrSessionNotFound, ErrSessionIDRetired, ErrStorageFull.
func (c *Client) IssueHandoff(ctx context.Context, id, audience string, lifetime time.Duration) (*Ticket, error) {
	answer, err := call(ctx, c, issueHandoff, &pb.IssueHandoffRequest{
		Namespace: c.settings.namespace, SessionId: id, Audience: audience, Lifetime: duration(lifetime),
	}, new(pb.IssueHandoffResponse))
	if err != nil {
		return nil, err
	}
	return &Ticket{Secret(answer.GetTicket()), moment(answer.GetExpireTime())}, nil
}

// RedeemHandoff exchanges a ticket for an ID of the session, which comes with its attributes. The audience must be the
// ticket's to the letter; another one burns the ticket. Logging out on one domain ends the session on both.
//
// Reasons: ErrHandoffInvalid, ErrStorageFull.
func (c *Client) RedeemHandoff(ctx context.Context, ticket Secret, audience string) (*Created, error) {
	answer, err := call(ctx, c, redeemHandoff, &pb.RedeemHandoffRequest{
		Namespace: c.settings.namespace, Ticket: string(ticket), Audience: audience,
	}, new(pb.RedeemHandoffResponse))
	if err != nil {
		return nil, err
	}
	return &Created{Secret(answer.GetSessionId()), c.session(answer.GetSession(), decoded)}, nil
}
