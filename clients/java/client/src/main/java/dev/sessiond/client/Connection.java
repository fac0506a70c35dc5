package dev.sessiond.client;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.Supplier;

/** What the clients of one builder share: the channel, its I/O thread, the fast lane, and the retry budget. */
final class Connection implements AutoCloseable {
    // gRPC waits up to two minutes before it connects again. A server that comes back is to be found sooner.
    private static final long CONNECT_AGAIN = TimeUnit.MILLISECONDS.toNanos(50);

    private final List<String> addresses;
    private final Retry retry;
    private final RetryBudget retryBudget = new RetryBudget();
    private final Supplier<Map<String, String>> traceContext;
    private final IoThread io;
    private final TlsFailures tlsFailures = new TlsFailures();
    private final ManagedChannel channel;
    private final Tokens tokens;
    private final Channel calls;
    private final Lane lane;
    private final AtomicLong connectAgain = new AtomicLong(System.nanoTime());
    // Calls between two attempts.
    private final Set<Invocation<?, ?, ?>> pausing = ConcurrentHashMap.newKeySet();
    private volatile boolean closed;

    /** Opens a connection, over TLS if there is a security. */
    Connection(List<String> addresses, Security security, Tokens tokens, Settings settings) {
        this.addresses = addresses;
        retry = settings.retry;
        traceContext = settings.traceContext;
        io = new IoThread();
        channel = Channels.open(addresses, security, tlsFailures, io, settings.timeout);
        this.tokens = tokens;
        calls = tokens.areSet() ? ClientInterceptors.intercept(channel, tokens) : channel;
        lane = settings.fastLane ? new Lane(this) : null;
    }

    /** The channel, whose calls carry the token. */
    Channel channel() {
        return calls;
    }

    Tokens tokens() {
        return tokens;
    }

    /** The fast lane; null if calls travel one by one. */
    Lane lane() {
        return lane;
    }

    Retry retry() {
        return retry;
    }

    RetryBudget retryBudget() {
        return retryBudget;
    }

    /** Tells the trace of the caller's span; null if calls carry none. */
    Supplier<Map<String, String>> traceContext() {
        return traceContext;
    }

    IoThread io() {
        return io;
    }

    boolean isIoThread() {
        return io.isCurrent();
    }

    boolean isClosed() {
        return closed;
    }

    /** Runs a task in the I/O thread after so many nanoseconds; false if the connection is closed. */
    boolean schedule(Runnable task, long delay) {
        return !closed && io.schedule(task, delay);
    }

    /** Makes another attempt of a call after so many nanoseconds, or ends it if the connection is closed before. */
    void attemptAfter(Invocation<?, ?, ?> call, long pause) {
        pausing.add(call);
        boolean isScheduled = schedule(
                () -> {
                    if (pausing.remove(call)) {
                        call.attemptAgain();
                    }
                },
                pause);
        if (!isScheduled || closed) {
            endPause(call);
        }
    }

    /** The I/O thread does not carry out any more what was to come later. */
    private void endPause(Invocation<?, ?, ?> call) {
        if (pausing.remove(call)) {
            call.fail(Failure.CLOSED);
        }
    }

    /** What to tell of a call that found no connection; the next one is made soon. */
    ErrorDetails notConnected(ErrorDetails details) {
        String why = tlsFailures.latest();
        connectSoon();
        return why == null || details.code() == Status.Code.DEADLINE_EXCEEDED
                ? details
                : ErrorDetails.of(Status.Code.UNAVAILABLE, Reason.UNAVAILABLE, why);
    }

    /** Lets the channel connect again now, not when gRPC's pause is over. */
    void connectSoon() {
        long now = System.nanoTime();
        long next = connectAgain.get();
        if (now - next >= 0 && connectAgain.compareAndSet(next, now + CONNECT_AGAIN)) {
            channel.resetConnectBackoff();
        }
    }

    @Override
    public void close() {
        closed = true;
        if (lane != null) {
            lane.close();
        }
        channel.shutdownNow();
        pausing.forEach(this::endPause);
        io.close();
    }

    @Override
    public String toString() {
        return String.join(",", addresses);
    }
}
