package sessiond

import (
	"context"
	"iter"

	pb "sessiond/gen/sessiond/v1"
)

var (
	listSessions   = method{pb.SessionStore_ListSessions_FullMethodName, true}
	countSessions  = method{pb.SessionStore_CountSessions_FullMethodName, true}
	revokeSessions = method{pb.SessionStore_RevokeSessions_FullMethodName, false}
)

// List says which sessions to list, and how.
type List struct {
	// Principal keeps to the sessions of one user; empty for all of the namespace.
	Principal string
	// Handles keeps to these sessions, at most 1,000. It can't be combined with Principal or PageSize.
	Handles []string
	// PageSize is how many sessions to ask for at a time: 1 to 1,000; 0 means 100.
	PageSize int
	// Attributes asks for the attributes too.
	Attributes bool
}

// Page is a part of a list.
type Page struct {
	// Sessions, newest first.
	Sessions []*Session
	// NextPageToken asks for the next page; empty if this is the last. A page may be empty and not the last.
	NextPageToken string
}

// ListPage reads one page of a list of live sessions; the token is empty for the first. A list never shows a session ID.
func (c *Client) ListPage(ctx context.Context, list List, pageToken string) (*Page, error) {
	view, shown := pb.SessionView_SESSION_VIEW_BASIC, without
	if list.Attributes {
		view, shown = pb.SessionView_SESSION_VIEW_FULL, decoded
	}
	answer, err := call(ctx, c, listSessions, &pb.ListSessionsRequest{
		Namespace: c.settings.namespace,
		Principal: list.Principal,
		PageSize:  uint32(max(0, min(list.PageSize, 1<<31-1))),
		PageToken: pageToken,
		View:      view,
		Handles:   list.Handles,
	}, new(pb.ListSessionsResponse))
	if err != nil {
		return nil, err
	}
	page := &Page{NextPageToken: answer.GetNextPageToken(), Sessions: make([]*Session, len(answer.GetSessions()))}
	for i, session := range answer.GetSessions() {
		page.Sessions[i] = c.session(session, shown)
	}
	return page, nil
}

// List reads all pages of a list, one at a time; an error ends it.
func (c *Client) List(ctx context.Context, list List) iter.Seq2[*Session, error] {
	return func(yield func(*Session, error) bool) {
		token := ""
		for {
			page, err := c.ListPage(ctx, list, token)
			if err != nil {
				yield(nil, err)
				return
			}
			for _, session := range page.Sessions {
				if !yield(session, nil) {
					return
				}
			}
			if token = page.NextPageToken; token == "" {
				return
			}
		}
	}
}

// Count counts the live sessions of a principal, or of the whole namespace if it is empty. The server looks at each, at its
// leisure: a deadline of the context can be later than the client's timeout.
func (c *Client) Count(ctx context.Context, principal string) (uint64, error) {
	answer, err := slowCall(ctx, c, countSessions,
		&pb.CountSessionsRequest{Namespace: c.settings.namespace, Principal: principal}, new(pb.CountSessionsResponse))
	return answer.GetCount(), err
}

// Revoke ends all sessions of a principal, "log out everywhere"; it answers how many. A deadline of the context can be
// later than the client's timeout. If the call is cut off, what it has ended stays ended.
func (c *Client) Revoke(ctx context.Context, principal string) (revoked uint64, err error) {
	return c.RevokeOthers(ctx, principal, "")
}

// RevokeOthers ends all sessions of a principal but the one with this ID, "log out all my other devices".
//
// Reasons: ErrSessionNotFound if there is no such session; then nothing is revoked.
func (c *Client) RevokeOthers(ctx context.Context, principal, exceptID string) (revoked uint64, err error) {
	return c.revoke(ctx, &pb.RevokeSessionsRequest{Scope: &pb.RevokeSessionsRequest_Principal{
		Principal: &pb.PrincipalScope{Principal: principal, ExceptSessionId: exceptID},
	}})
}

// RevokeHandles ends the sessions with these handles, 1 to 1,000. Those that are not there are passed over.
func (c *Client) RevokeHandles(ctx context.Context, handles ...string) (revoked uint64, err error) {
	return c.revoke(ctx, &pb.RevokeSessionsRequest{
		Scope: &pb.RevokeSessionsRequest_Handles{Handles: &pb.HandleScope{Handles: handles}},
	})
}

// RevokeNamespace ends every session of the client's namespace.
func (c *Client) RevokeNamespace(ctx context.Context) (revoked uint64, err error) {
	return c.revoke(ctx, &pb.RevokeSessionsRequest{
		Scope: &pb.RevokeSessionsRequest_WholeNamespace{WholeNamespace: &pb.NamespaceScope{}},
	})
}

func (c *Client) revoke(ctx context.Context, request *pb.RevokeSessionsRequest) (uint64, error) {
	request.Namespace = c.settings.namespace
	answer, err := slowCall(ctx, c, revokeSessions, request, new(pb.RevokeSessionsResponse))
	return answer.GetRevoked(), err
}
