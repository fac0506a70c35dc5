package sessionhttp

import (
	"context"
	"time"

	"sessiond"
)

// IssueHandoff issues a ticket by which the audience, such as "https://shop.example", gets its own ID of this session, once and
// within 30 s: put it into the redirect to the other domain. A new session is stored first.
func (s *Session) IssueHandoff(ctx context.Context, audience string) (sessiond.Secret, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.requireLocked(ctx)
	if err != nil {
		return "", err
	}
	ticket, err := s.manager.client.IssueHandoff(ctx, id, audience, 30*time.Second)
	if err != nil {
		return "", ended(err)
	}
	return ticket.Ticket, nil
}

// RedeemHandoff makes the session that a ticket opens the session of this visitor, on this domain: a log out on either ends
// both. What this request has changed in the session before is forgotten. A ticket that is unknown, used, too old or for
// another audience is sessiond.ErrHandoffInvalid.
func (s *Session) RedeemHandoff(ctx context.Context, ticket sessiond.Secret, audience string) error {
	redeemed, err := s.manager.client.RedeemHandoff(ctx, ticket, audience)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.take(redeemed.ID, redeemed.Session)
	s.setsCookie = true
	return nil
}
