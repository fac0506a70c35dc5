package dev.sessiond.client;

import com.google.protobuf.Message;
import dev.sessiond.v1.TraceContext;
import io.grpc.Status;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Function;

/**
 * One call, from its start to its answer: it makes attempts until one succeeds, fails for good, the budget has nothing left, or
 * the deadline is over. It is the future that the caller holds.
 */
final class Invocation<Q extends Message, A extends Message, R> extends CompletableFuture<R> {
    // The I/O thread ends calls at their deadline. A caller looks a little later whether it is too busy to.
    private static final long BACKSTOP = TimeUnit.MILLISECONDS.toNanos(50);

    private final Caller caller;
    private final Method<Q, A> method;
    private final Q request;
    private final Function<A, R> convert;
    private final TraceContext trace;
    private final long begin = System.nanoTime();
    private final long deadline;

    private int attempts;

    // The token that the attempt was made with, unless there was another in between.
    private Secret token;
    private boolean isRenewed;
    private Failure unavailable;

    Invocation(Caller caller, Method<Q, A> method, Q request, Function<A, R> convert) {
        this.caller = caller;
        this.method = method;
        this.request = request;
        this.convert = convert;
        trace = Traces.current(caller.connection().traceContext());
        deadline = begin + caller.timeout().toNanos();
    }

    Method<Q, A> method() {
        return method;
    }

    Q request() {
        return request;
    }

    /** The trace that the call belongs to; null if there is none. */
    TraceContext trace() {
        return trace;
    }

    /** When the call began, by {@link System#nanoTime}. */
    long begin() {
        return begin;
    }

    /** When the call ends at the latest, by {@link System#nanoTime}. */
    long deadline() {
        return deadline;
    }

    /** Makes the next attempt, over the fast lane if it can. */
    void attempt() {
        attempts++;
        token = caller.connection().tokens().look();
        Lane lane = caller.connection().lane();
        if (lane == null || method.lane() == null || !lane.submit(this)) {
            attemptUnary();
        }
    }

    private void attemptUnary() {
        Unary.start(caller.connection(), this);
    }

    void succeed(A answer) {
        if (!isDone()) {
            caller.connection().retryBudget().noteSuccess();
            caller.completion().execute(() -> complete(convert.apply(answer)));
        }
    }

    /** What an attempt failed with: the call is repeated, or fails with it. */
    void fail(Failure failure) {
        if (isDone()) {
            return;
        }
        if (failure.outcome() == Outcome.REFUSED) {
            attemptUnary();
            return;
        }
        if (failure.details().code() == Status.Code.UNAUTHENTICATED && !isRenewed && hasOtherToken()) {
            // It was not carried out, and is made once more.
            isRenewed = true;
            attempts--;
            attempt();
            return;
        }
        if (failure.details().code() == Status.Code.DEADLINE_EXCEEDED && unavailable != null) {
            // That the store was unavailable a moment ago says more than that time is up.
            end(unavailable);
            return;
        }
        Retry retry = caller.connection().retry();
        if (!failure.mayBeRepeated(method.idempotent()) || attempts >= retry.attempts()) {
            end(failure);
            return;
        }
        long pause = retry.pauseAfter(attempts);
        if (deadline - System.nanoTime() <= pause
                || !failure.isPaidFrom(caller.connection().retryBudget())) {
            end(failure);
            return;
        }
        unavailable = failure;
        caller.connection().attemptAfter(this, pause);
    }

    private boolean hasOtherToken() {
        return caller.connection().tokens().hasOther(token) && deadline - System.nanoTime() > 0;
    }

    /** Makes the next attempt, unless the call has ended meanwhile. */
    void attemptAgain() {
        if (!isDone()) {
            attempt();
        }
    }

    private void end(Failure failure) {
        SessiondException error = SessiondException.of(failure.details());
        caller.completion().execute(() -> completeExceptionally(error));
    }

    /** Dependent stages are plain futures: this one is bound to its call. */
    @Override
    public <U> CompletableFuture<U> newIncompleteFuture() {
        return new CompletableFuture<>();
    }

    /** Waits for the answer. */
    R await() {
        if (!isDone() && caller.connection().isIoThread()) {
            cancel(false);
            throw new IllegalStateException("a blocking call would wait for the thread that it is made in;"
                    + " see SessiondClient.Builder.completionExecutor");
        }
        try {
            return get(deadline - System.nanoTime() + BACKSTOP, TimeUnit.NANOSECONDS);
        } catch (ExecutionException e) {
            if (e.getCause() instanceof SessiondException error) {
                throw error.raisedHere();
            }
            throw new IllegalStateException("an answer can't be read", e.getCause());
        } catch (TimeoutException e) {
            cancel(false);
            throw SessiondException.of(Failure.late(Outcome.UNKNOWN).details());
        } catch (InterruptedException e) {
            cancel(false);
            Thread.currentThread().interrupt();
            throw canceled("the caller was interrupted");
        } catch (CancellationException e) {
            throw canceled("the call was canceled");
        }
    }

    private static SessiondException canceled(String message) {
        return SessiondException.of(ErrorDetails.of(Status.Code.CANCELLED, Reason.CANCELED, message));
    }
}
