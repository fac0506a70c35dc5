package sessiond

import (
	"context"

	"google.golang.org/grpc/metadata"

	pb "sessiond/gen/sessiond/v1"
)

// The longest traceparent and tracestate that are sent, in bytes.
const longestTrace = 512

// WithTraceContext names a function that tells the trace of the caller's span, by the headers of W3C Trace Context; an empty
// traceparent means that there is none. Every call but Watch carries it, so that the server's spans and access lines belong to the
// caller's trace. The function is asked once for each call, with the context of the call. With OpenTelemetry:
//
//	sessiond.WithTraceContext(func(ctx context.Context) (traceparent, tracestate string) {
//		carrier := propagation.MapCarrier{}
//		propagation.TraceContext{}.Inject(ctx, carrier)
//		return carrier["traceparent"], carrier["tracestate"]
//	})
func WithTraceContext(current func(ctx context.Context) (traceparent, tracestate string)) Option {
	return func(s *settings) { s.currentTrace = current }
}

// trace is what a call carries of the caller's trace; nil for nothing.
func (s *settings) trace(ctx context.Context) *pb.TraceContext {
	if s.currentTrace == nil {
		return nil
	}
	parent, state := s.currentTrace(ctx)
	if !isHeaderText(parent, '!') {
		return nil
	}
	if !isHeaderText(state, ' ') {
		state = ""
	}
	return &pb.TraceContext{Traceparent: parent, Tracestate: state}
}

// isHeaderText is whether a header can have a text, whose characters are printable ones from the lowest on.
func isHeaderText(text string, lowest byte) bool {
	for i := range len(text) {
		if text[i] < lowest || text[i] > '~' {
			return false
		}
	}
	return text != "" && len(text) <= longestTrace
}

// withTrace is a context whose unary calls carry a trace.
func withTrace(ctx context.Context, trace *pb.TraceContext) context.Context {
	if trace == nil {
		return ctx
	}
	// It replaces what the caller may have put there. What FromOutgoingContext answers is a copy.
	headers, _ := metadata.FromOutgoingContext(ctx)
	if headers == nil {
		headers = metadata.MD{}
	}
	headers.Set("traceparent", trace.GetTraceparent())
	headers.Delete("tracestate")
	if state := trace.GetTracestate(); state != "" {
		headers.Set("tracestate", state)
	}
	return metadata.NewOutgoingContext(ctx, headers)
}
