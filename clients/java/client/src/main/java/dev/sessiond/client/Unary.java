package dev.sessiond.client;

import com.google.protobuf.Message;
import dev.sessiond.v1.TraceContext;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.TimeUnit;

/** An attempt that travels by itself. */
final class Unary<Q extends Message, A extends Message> extends ClientCall.Listener<A> {
    private static final Metadata.Key<String> TRACEPARENT =
            Metadata.Key.of("traceparent", Metadata.ASCII_STRING_MARSHALLER);
    private static final Metadata.Key<String> TRACESTATE =
            Metadata.Key.of("tracestate", Metadata.ASCII_STRING_MARSHALLER);

    private final Connection connection;
    private final ClientCall<Q, A> call;
    private final Invocation<Q, A, ?> invocation;
    private A answer;
    private boolean hasHeaders;

    private Unary(Connection connection, ClientCall<Q, A> call, Invocation<Q, A, ?> invocation) {
        this.connection = connection;
        this.call = call;
        this.invocation = invocation;
    }

    /**
     * Starts an attempt. It is never taken back, only not waited for: servers of HTTP/2 end the connection of a client that
     * resets many streams, and so the calls of all others on it.
     */
    static <Q extends Message, A extends Message> void start(Connection connection, Invocation<Q, A, ?> invocation) {
        long left = invocation.deadline() - System.nanoTime();
        ClientCall<Q, A> call = connection
                .channel()
                .newCall(
                        invocation.method().descriptor(),
                        CallOptions.DEFAULT.withDeadlineAfter(left, TimeUnit.NANOSECONDS));
        call.start(new Unary<>(connection, call, invocation), headers(invocation.trace()));
        call.request(2);
        call.sendMessage(invocation.request());
        call.halfClose();
    }

    private static Metadata headers(TraceContext trace) {
        Metadata headers = new Metadata();
        if (trace != null) {
            headers.put(TRACEPARENT, trace.getTraceparent());
            if (!trace.getTracestate().isEmpty()) {
                headers.put(TRACESTATE, trace.getTracestate());
            }
        }
        return headers;
    }

    @Override
    public void onHeaders(Metadata headers) {
        hasHeaders = true;
    }

    @Override
    public void onMessage(A message) {
        answer = message;
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
        if (status.isOk() && answer != null) {
            invocation.succeed(answer);
            return;
        }
        ErrorDetails details = ErrorDetails.of(
                status.isOk() ? Status.INTERNAL.withDescription("the answer has no message") : status, trailers);
        if (details.isNamed() || status.isOk()) {
            invocation.fail(new Failure(Outcome.ANSWERED, details, new RetryBudget.Charge()));
        } else if (connection.isClosed()) {
            invocation.fail(Failure.CLOSED);
        } else {
            boolean connected = call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) != null;
            if (!connected) {
                details = connection.notConnected(details);
            }
            Outcome outcome = connected ? Outcome.UNKNOWN : Outcome.NOT_CARRIED_OUT;
            // What gRPC says itself, such as of a lost connection, comes without any metadata.
            boolean isAnswer = hasHeaders || !trailers.keys().isEmpty();
            invocation.fail(
                    status.getCode() == Status.Code.DEADLINE_EXCEEDED
                            ? Failure.late(outcome)
                            : new Failure(outcome, details, isAnswer ? new RetryBudget.Charge() : null));
        }
    }
}
