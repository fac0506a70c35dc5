package dev.sessiond.client;

import com.google.protobuf.Message;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;

/**
 * The fast lane: one stream that carries the calls of all threads. It is opened at the first call, and again after it was lost.
 *
 * <p>Callers leave their calls in a queue and wake the I/O thread, which sends all that are there in one message. Everything
 * but that queue belongs to the I/O thread, so there are no locks.
 */
final class Lane {
    // A message is sent once its calls take so many bytes. Below what every server takes (its setting
    // max-message-size).
    static final int MESSAGE_BYTES = 48 << 10;

    // How long calls travel one by one after the stream was refused, before it is tried again.
    // The server may be newer then, and the proxy gone.
    private static final long UNARY_PERIOD = TimeUnit.MINUTES.toNanos(1);

    // Calls that wait to be sent; more are refused, as the server is far behind then.
    static final int QUEUED_CALLS = 16_384;

    private final Connection connection;
    private final Queue<LaneCall<?, ?>> arrived = new ConcurrentLinkedQueue<>();
    private final Semaphore room = new Semaphore(QUEUED_CALLS);
    private final AtomicBoolean awaited = new AtomicBoolean();

    // Of the I/O thread.
    private LaneStream stream;

    // Those of earlier tokens, which still wait for replies.
    private final List<LaneStream> retired = new ArrayList<>();
    private long nextExpiry = Long.MAX_VALUE;

    // When unary calls end, if the stream is refused. Written by the I/O thread, and read by callers.
    private volatile long unaryUntil;
    private volatile boolean refused;

    Lane(Connection connection) {
        this.connection = connection;
    }

    /** Takes a call; false if it is to travel by itself. */
    <Q extends Message, A extends Message> boolean submit(Invocation<Q, A, ?> invocation) {
        if (isRefused()) {
            return false;
        }
        LaneCall<Q, A> call = new LaneCall<>(invocation);
        if (call.size() > MESSAGE_BYTES) {
            // It could be larger than the server takes, which would end the stream for all.
            return false;
        }
        if (!room.tryAcquire()) {
            call.fail(Failure.TOO_MANY_CALLS);
            return true;
        }
        arrived.add(call);
        if (awaited.compareAndSet(false, true) && !connection.io().execute(this::sendArrived)) {
            failArrived();
        }
        return true;
    }

    private boolean isRefused() {
        return refused && unaryUntil - System.nanoTime() > 0;
    }

    private void failArrived() {
        failArrived(Failure.CLOSED);
    }

    private void failArrived(Failure failure) {
        for (LaneCall<?, ?> call = arrived.poll(); call != null; call = arrived.poll()) {
            waitsNoLonger();
            call.fail(failure);
        }
    }

    /** A call was sent, or will not be. */
    void waitsNoLonger() {
        room.release();
    }

    private void sendArrived() {
        awaited.set(false);
        if (connection.isClosed()) {
            failArrived();
            return;
        }
        Secret token = connection.tokens().present();
        if (stream == null || stream.hasEnded() || stream.token() != token) {
            if (arrived.isEmpty()) {
                return;
            }
            if (isRefused()) {
                failArrived(Failure.REFUSED);
                return;
            }
            openStream(token);
        }
        for (LaneCall<?, ?> call = arrived.poll(); call != null; call = arrived.poll()) {
            stream.add(call);
            expireAt(call.deadline());
        }
        stream.send();
    }

    /** Opens a stream. Calls of the one before end there, if they have been sent; the others travel over the new one. */
    private void openStream(Secret token) {
        LaneStream before = stream;
        stream = new LaneStream(this, connection, token);
        stream.open();
        if (before != null && !before.hasEnded()) {
            before.retire(stream);
            retired.removeIf(LaneStream::hasEnded);
            retired.add(before);
        }
    }

    /** Looks for late calls at a moment, unless that is done before. */
    private void expireAt(long deadline) {
        if (nextExpiry == Long.MAX_VALUE || deadline - nextExpiry < 0) {
            nextExpiry = deadline;
            connection.schedule(() -> expire(deadline), deadline - System.nanoTime());
        }
    }

    private void expire(long planned) {
        if (planned != nextExpiry) {
            // An earlier one has taken its place.
            return;
        }
        nextExpiry = Long.MAX_VALUE;
        long now = System.nanoTime();
        retired.removeIf(LaneStream::hasEnded);
        retired.forEach(earlier -> expire(earlier, now));
        if (stream != null) {
            expire(stream, now);
        }
    }

    private void expire(LaneStream of, long now) {
        Long next = of.expire(now);
        if (next != null) {
            expireAt(next);
        }
    }

    /** Goes on one by one for a while. */
    void refuse() {
        unaryUntil = System.nanoTime() + UNARY_PERIOD;
        refused = true;
    }

    void close() {
        connection.io().execute(() -> {
            failArrived();
            retired.forEach(earlier -> earlier.end(Failure.CLOSED));
            if (stream != null) {
                stream.end(Failure.CLOSED);
            }
        });
    }
}
