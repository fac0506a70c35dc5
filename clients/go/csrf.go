package sessiond

import (
	"context"

	pb "sessiond/gen/sessiond/v1"
)

var (
	issueCSRFToken  = method{pb.SessionStore_IssueCsrfToken_FullMethodName, true}
	verifyCSRFToken = method{pb.SessionStore_VerifyCsrfToken_FullMethodName, true}
)

// IssueCSRFToken issues a token against cross-site request forgery, for a form or a header. It looks different each time,
// and is valid until the session ends or its ID is rotated. It does not count as activity.
//
// Reasons: ErrSessionNotFound.
func (c *Client) IssueCSRFToken(ctx context.Context, id string) (string, error) {
	answer, err := call(ctx, c, issueCSRFToken,
		&pb.IssueCsrfTokenRequest{Namespace: c.settings.namespace, SessionId: id}, new(pb.IssueCsrfTokenResponse))
	return answer.GetToken(), err
}

// VerifyCSRFToken tells whether a token was issued for this session under this ID. It does not count as activity.
//
// Reasons: ErrSessionNotFound.
func (c *Client) VerifyCSRFToken(ctx context.Context, id, token string) (valid bool, err error) {
	answer, err := call(ctx, c, verifyCSRFToken, &pb.VerifyCsrfTokenRequest{
		Namespace: c.settings.namespace, SessionId: id, Token: token,
	}, new(pb.VerifyCsrfTokenResponse))
	return answer.GetValid(), err
}
