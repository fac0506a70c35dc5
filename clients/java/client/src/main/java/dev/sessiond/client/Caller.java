package dev.sessiond.client;

import com.google.protobuf.Message;
import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.function.Function;

/** Makes calls in a namespace, within a timeout, and completes their futures in an executor. */
record Caller(Connection connection, String namespace, Duration timeout, Executor completion) {
    // A longer timeout would overflow the nanoseconds of a deadline.
    private static final Duration LONGEST_TIMEOUT = Duration.ofDays(365);

    Caller {
        Objects.requireNonNull(namespace, "namespace");
        if (timeout.isZero() || timeout.isNegative() || timeout.compareTo(LONGEST_TIMEOUT) > 0) {
            throw new IllegalArgumentException(
                    "the timeout is " + timeout + "; it must be more than 0, and at most 365 days");
        }
    }

    Caller withNamespace(String other) {
        return new Caller(connection, other, timeout, completion);
    }

    Caller withTimeout(Duration other) {
        return new Caller(connection, namespace, other, completion);
    }

    /** The same for those who wait: the thread that completes a future only wakes them up. */
    Caller completingDirectly() {
        return new Caller(connection, namespace, timeout, Runnable::run);
    }

    <Q extends Message, A extends Message, R> CompletableFuture<R> call(
            Method<Q, A> method, Q request, Function<A, R> convert) {
        Invocation<Q, A, R> invocation = new Invocation<>(this, method, request, convert);
        invocation.attempt();
        return invocation;
    }

    /** Waits for a future that {@link #call} has made. */
    static <R> R await(CompletableFuture<R> future) {
        return ((Invocation<?, ?, R>) future).await();
    }
}
