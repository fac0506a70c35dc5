package dev.sessiond.client;

import com.google.protobuf.Duration;
import com.google.protobuf.Message;
import dev.sessiond.v1.Call;
import dev.sessiond.v1.Reply;
import io.grpc.Status;
import java.util.concurrent.TimeUnit;

/** An attempt that travels over the fast lane. */
final class LaneCall<Q extends Message, A extends Message> {
    // The tag, the timeout and the framing of a call, in bytes, at most.
    private static final int OVERHEAD = 48;
    private static final long SHORTEST_TIMEOUT = TimeUnit.MILLISECONDS.toNanos(1);

    private final Invocation<Q, A, ?> invocation;
    private final int size;

    LaneCall(Invocation<Q, A, ?> invocation) {
        this.invocation = invocation;
        int trace = invocation.trace() == null ? 0 : invocation.trace().getSerializedSize();
        size = invocation.request().getSerializedSize() + trace + OVERHEAD;
    }

    /** The bytes that the call takes in a message, at most. */
    int size() {
        return size;
    }

    long deadline() {
        return invocation.deadline();
    }

    /** Tells whether nobody waits for an answer any more. */
    boolean isAbandoned() {
        return invocation.isDone();
    }

    /** Tells whether the call has waited for more than half of its time. Who gives up early had reasons of its own. */
    boolean hasWaitedLong(long now) {
        return now - invocation.begin() >= (invocation.deadline() - invocation.begin()) / 2;
    }

    Call message(long tag, long now) {
        long left = Math.max(invocation.deadline() - now, SHORTEST_TIMEOUT);
        Call.Builder call = Call.newBuilder()
                .setTag(tag)
                .setTimeout(
                        Duration.newBuilder().setSeconds(left / 1_000_000_000).setNanos((int) (left % 1_000_000_000)));
        invocation.method().lane().put().accept(call, invocation.request());
        if (invocation.trace() != null) {
            call.setTraceContext(invocation.trace());
        }
        return call.build();
    }

    void answer(Reply reply) {
        Method.OnLane<Q, A> lane = invocation.method().lane();
        if (reply.getResultCase() == lane.result()) {
            invocation.succeed(lane.take().apply(reply));
        } else if (reply.getResultCase() == Reply.ResultCase.ERROR) {
            fail(new Failure(Outcome.ANSWERED, ErrorDetails.of(reply.getError()), new RetryBudget.Charge()));
        } else {
            fail(new Failure(
                    Outcome.ANSWERED,
                    ErrorDetails.of(Status.Code.INTERNAL, Reason.INTERNAL, "the reply is one to another call")));
        }
    }

    void fail(Failure failure) {
        invocation.fail(failure);
    }
}
