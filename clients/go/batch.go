package sessiond

import (
	"context"

	"google.golang.org/grpc/codes"

	pb "sessiond/gen/sessiond/v1"
)

var (
	batchGetSessions    = method{pb.SessionStore_BatchGetSessions_FullMethodName, true}
	batchDeleteSessions = method{pb.SessionStore_BatchDeleteSessions_FullMethodName, false}
)

// BatchSession is one result of BatchGet: a session or an error.
type BatchSession struct {
	Session *Session
	Err     error
}

// BatchGet reads many sessions at once, 1 to 1,000, with a result for each in the order of the IDs. Of the options
// Peek and StoredOnly count.
//
// Reasons of a result: ErrSessionNotFound, ErrInvalidArgument, ErrSessionCorrupt, ErrBatchTooLarge.
func (c *Client) BatchGet(ctx context.Context, ids []string, options ...GetOption) ([]BatchSession, error) {
	read := reading(options)
	answer, err := call(ctx, c, batchGetSessions, &pb.BatchGetSessionsRequest{
		Namespace: c.settings.namespace, SessionIds: ids, Access: read.access,
	}, new(pb.BatchGetSessionsResponse))
	if err != nil {
		return nil, err
	}
	results := make([]BatchSession, len(answer.GetResults()))
	for i, result := range answer.GetResults() {
		if session := result.GetSession(); session != nil {
			results[i].Session = c.session(session, read.attributes(false))
		} else {
			results[i].Err = itemError(result.GetError())
		}
	}
	return results, nil
}

// BatchDeleted is one result of BatchDelete.
type BatchDeleted struct {
	// Deleted tells whether this call ended the session; false if there was none.
	Deleted bool
	Err     error
}

// BatchDelete ends many sessions at once, 1 to 1,000, in one atomic step, with a result for each in the order of the IDs.
func (c *Client) BatchDelete(ctx context.Context, ids []string) ([]BatchDeleted, error) {
	answer, err := call(ctx, c, batchDeleteSessions,
		&pb.BatchDeleteSessionsRequest{Namespace: c.settings.namespace, SessionIds: ids}, new(pb.BatchDeleteSessionsResponse))
	if err != nil {
		return nil, err
	}
	results := make([]BatchDeleted, len(answer.GetResults()))
	for i, result := range answer.GetResults() {
		results[i].Deleted = result.GetDeleted()
		if found := result.GetError(); found != nil {
			results[i].Err = itemError(found)
		}
	}
	return results, nil
}

func itemError(found *pb.ItemError) *Error {
	code := codes.Unknown
	switch Reason(found.GetReason()) {
	case ErrSessionNotFound:
		code = codes.NotFound
	case ErrInvalidArgument:
		code = codes.InvalidArgument
	case ErrSessionCorrupt:
		code = codes.DataLoss
	case ErrBatchTooLarge:
		code = codes.ResourceExhausted
	}
	return &Error{Reason: Reason(found.GetReason()), Code: code, Message: found.GetMessage()}
}
