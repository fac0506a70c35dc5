package sessiond

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const domain = "sessiond"

// Reason tells programs why a call failed. It is an error itself, for errors.Is:
//
//	if errors.Is(err, sessiond.ErrSessionNotFound) { … }
type Reason string

// The reasons that the server names.
const (
	// ErrInvalidArgument means that a field is out of its bounds; see Error.Fields.
	ErrInvalidArgument Reason = "INVALID_ARGUMENT"
	// ErrSessionNotFound means that the session is unknown, expired or deleted: the three look alike.
	ErrSessionNotFound Reason = "SESSION_NOT_FOUND"
	// ErrSessionIDTaken means that the ID that the caller chose is in use.
	ErrSessionIDTaken Reason = "SESSION_ID_TAKEN"
	// ErrVersionMismatch means that the session has another version than the expected one: read again and repeat.
	ErrVersionMismatch Reason = "VERSION_MISMATCH"
	// ErrSessionIDRetired means that the ID was rotated away and can only read until its grace ends.
	ErrSessionIDRetired Reason = "SESSION_ID_RETIRED"
	// ErrSessionTooLarge means that the session would outgrow a limit.
	ErrSessionTooLarge Reason = "SESSION_TOO_LARGE"
	// ErrMessageTooLarge means that the request is larger than the server takes.
	ErrMessageTooLarge Reason = "MESSAGE_TOO_LARGE"
	// ErrTooManyRequests means that the server has as many requests in flight as it allows.
	ErrTooManyRequests Reason = "TOO_MANY_REQUESTS"
	// ErrSessionLimitReached means that the principal or its namespace has as many sessions as are allowed.
	ErrSessionLimitReached Reason = "SESSION_LIMIT_REACHED"
	// ErrLockHeld means that another holds the lock, and the wait is over.
	ErrLockHeld Reason = "LOCK_HELD"
	// ErrLockLost means that the token is of no lock that holds.
	ErrLockLost Reason = "LOCK_LOST"
	// ErrHandoffInvalid means that the ticket is unknown, used, too old, or for another audience.
	ErrHandoffInvalid Reason = "HANDOFF_INVALID"
	// ErrEventsGone means that the events after the resume token are no longer kept.
	ErrEventsGone Reason = "EVENTS_GONE"
	// ErrWatcherTooSlow means that the watcher did not read for too long.
	ErrWatcherTooSlow Reason = "WATCHER_TOO_SLOW"
	// ErrStorageFull means that free disk space is low; reads and deletes still work.
	ErrStorageFull Reason = "STORAGE_FULL"
	// ErrDeadlineExceeded means that there was no answer in time. The call may have been carried out.
	ErrDeadlineExceeded Reason = "DEADLINE_EXCEEDED"
	// ErrNotReady means that the server is starting or draining.
	ErrNotReady Reason = "NOT_READY"
	// ErrBatchTooLarge means that the answer to a batch has no room for this session.
	ErrBatchTooLarge Reason = "BATCH_TOO_LARGE"
	// ErrSessionCorrupt means that the stored session fails its checksum.
	ErrSessionCorrupt Reason = "SESSION_CORRUPT"
	// ErrUnauthenticated means that the server does not know who calls: there is no token or certificate, or the token is
	// unknown, revoked or expired. The call was not carried out.
	ErrUnauthenticated Reason = "UNAUTHENTICATED"
	// ErrPermissionDenied means that the caller may not do this; the message names the permission. The call was not
	// carried out.
	ErrPermissionDenied Reason = "PERMISSION_DENIED"
	// ErrInternal means that the server's log says more.
	ErrInternal Reason = "INTERNAL"
)

// The reasons that the client finds itself.
const (
	// ErrUnavailable means that no server could be reached, or that the connection was lost. A call that was under way may
	// have been carried out.
	ErrUnavailable Reason = "UNAVAILABLE"
	// ErrCanceled means that the caller's context was canceled. The call may have been carried out.
	ErrCanceled Reason = "CANCELED"
	// ErrUnsupportedValue means that a value is none that other languages can read; see EncodeValue.
	ErrUnsupportedValue Reason = "UNSUPPORTED_VALUE"
)

func (r Reason) Error() string {
	return "sessiond: " + strings.ToLower(strings.ReplaceAll(string(r), "_", " "))
}

// Field is a part of a request that is out of its bounds.
type Field struct {
	// Name is the path of the field, such as "change.set_labels".
	Name string
	// Problem names the bound.
	Problem string
}

// Error is what every call fails with. It never holds a session ID.
type Error struct {
	// Reason is for programs; errors.Is compares it.
	Reason Reason
	// Code is the gRPC status code.
	Code codes.Code
	// Message is for people.
	Message string
	// Metadata has figures of some reasons, such as "current_version" and "limit".
	Metadata map[string]string
	// Fields are those out of bounds, with ErrInvalidArgument.
	Fields []Field

	cause error
}

func (e *Error) Error() string { return "sessiond: " + e.Message }

// Is tells whether target is the error's reason.
func (e *Error) Is(target error) bool {
	reason, isReason := target.(Reason)
	return isReason && (reason == e.Reason || reason == ErrUnavailable && e.Reason == ErrNotReady)
}

// Unwrap is the error of the context, if that ended the call.
func (e *Error) Unwrap() error { return e.cause }

// GRPCStatus is the error as gRPC has it, for status.FromError.
func (e *Error) GRPCStatus() *status.Status { return status.New(e.Code, e.Message) }

// asError makes an Error of a failed call.
func asError(ctx context.Context, found *status.Status) *Error {
	err := &Error{Code: found.Code(), Message: found.Message()}
	for _, detail := range found.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == domain {
				err.Reason = Reason(detail.GetReason())
				err.Metadata = maps.Clone(detail.GetMetadata())
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				err.Fields = append(err.Fields, Field{Name: violation.GetField(), Problem: violation.GetDescription()})
			}
		}
	}
	if err.Reason == "" {
		err.Reason = reasonOf(found.Code())
	}
	switch err.Reason {
	case ErrDeadlineExceeded:
		err.cause = context.DeadlineExceeded
	case ErrCanceled:
		err.cause = context.Canceled
		if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, context.Canceled) {
			err.Message = fmt.Sprintf("%s: %v", err.Message, cause)
		}
	}
	return err
}

// reasonOf is for statuses that no sessiond sent: of this library, or of a proxy.
func reasonOf(code codes.Code) Reason {
	switch code {
	case codes.Unavailable:
		return ErrUnavailable
	case codes.DeadlineExceeded:
		return ErrDeadlineExceeded
	case codes.Canceled:
		return ErrCanceled
	case codes.InvalidArgument:
		return ErrInvalidArgument
	case codes.Unauthenticated:
		return ErrUnauthenticated
	case codes.PermissionDenied:
		return ErrPermissionDenied
	default:
		return ErrInternal
	}
}

// reasonIn is the reason that a sessiond named; empty if it was not a sessiond that answered.
func reasonIn(found *status.Status) Reason {
	for _, detail := range found.Details() {
		if info, isInfo := detail.(*errdetails.ErrorInfo); isInfo && info.GetDomain() == domain {
			return Reason(info.GetReason())
		}
	}
	return ""
}
