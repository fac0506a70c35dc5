package dev.sessiond.client;

import dev.sessiond.v1.WatchSessionsRequest;
import dev.sessiond.v1.WatchSessionsResponse;
import io.grpc.Status;
import java.time.Duration;
import java.util.Iterator;
import java.util.NoSuchElementException;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;

/**
 * What happens to sessions, one event after the other. It ends when it is closed, or with an error that no repetition mends,
 * such as {@link Reason#EVENTS_GONE}: then list the sessions and watch from now on. It is for one thread at a time; another
 * one may close it.
 */
public final class EventStream implements Iterator<SessionEvent>, AutoCloseable {
    private static final long FOREVER = TimeUnit.DAYS.toNanos(365);
    private static final long LONGEST_PAUSE = TimeUnit.SECONDS.toNanos(5);

    private final Caller caller;
    private final long patience;
    private final CountDownLatch closed = new CountDownLatch(1);
    private volatile EventFeed feed;

    // What the feed was opened with.
    private Secret token;

    // The request with which to go on: it resumes after the last message.
    private WatchSessionsRequest request;
    private int failures;
    private long silentUntil;
    private long openAt = System.nanoTime();

    // What was read ahead by hasNext.
    private SessionEvent next;
    private volatile String resumeToken;

    EventStream(Caller caller, WatchOptions options) {
        this.caller = caller;
        WatchSessionsRequest.Builder builder = options.request().toBuilder();
        if (!builder.getAllNamespaces()) {
            builder.setNamespace(caller.namespace());
        }
        request = builder.build();
        resumeToken = request.getResumeToken();
        // Silence means that the connection is dead: a checkpoint comes at each interval.
        patience = caller.timeout()
                .plus(Times.duration(request.getCheckpointInterval()))
                .toNanos();
    }

    /**
     * Waits for the next event.
     *
     * @return whether there is one; false if the stream was closed
     * @throws SessiondException if the watch has failed for good, or the thread was interrupted
     */
    @Override
    public boolean hasNext() {
        return peek(FOREVER) != null;
    }

    /**
     * Waits for the next event.
     *
     * @return the event
     * @throws NoSuchElementException if the stream was closed
     * @throws SessiondException if the watch has failed for good, or the thread was interrupted
     */
    @Override
    public SessionEvent next() {
        return poll(FOREVER).orElseThrow(() -> new NoSuchElementException("the watch was closed"));
    }

    /**
     * Waits for the next event, but not for ever.
     *
     * @param timeout how long to wait
     * @return the event; empty if none has come, or the stream was closed
     * @throws SessiondException if the watch has failed for good, or the thread was interrupted
     */
    public Optional<SessionEvent> poll(Duration timeout) {
        return poll(timeout.compareTo(Duration.ofNanos(FOREVER)) < 0 ? timeout.toNanos() : FOREVER);
    }

    private Optional<SessionEvent> poll(long nanos) {
        SessionEvent event = peek(nanos);
        next = null;
        if (event != null) {
            resumeToken = event.resumeToken();
        }
        return Optional.ofNullable(event);
    }

    private SessionEvent peek(long nanos) {
        long deadline = System.nanoTime() + nanos;
        while (next == null) {
            WatchSessionsResponse message = take(deadline);
            if (message == null) {
                return null;
            }
            if (message.hasEvent()) {
                next = Events.event(message.getEvent());
            } else {
                resumeToken = Events.resumeToken(message);
            }
        }
        return next;
    }

    /**
     * Resumes after the last event that was taken, or at a later point up to which nothing else happened. Keep it to go on
     * after a restart of your program.
     *
     * @return the token; empty before the server has answered
     */
    public String resumeToken() {
        return resumeToken;
    }

    /**
     * Waits for the next message of any kind. A connection that is lost is made again, as often as it takes.
     *
     * @return the message; null if none came until the deadline, or the stream was closed
     */
    WatchSessionsResponse take(long deadline) {
        try {
            while (closed.getCount() > 0) {
                if (feed == null && !open(deadline)) {
                    return null;
                }
                long now = System.nanoTime();
                EventFeed.Item item = feed.poll(Math.min(deadline - now, silentUntil - now));
                if (item != null && item.message() != null) {
                    heard(item.message());
                    return item.message();
                }
                if (item != null) {
                    lost(item.end());
                } else if (System.nanoTime() - silentUntil >= 0) {
                    feed.cancel();
                    lost(ErrorDetails.of(
                            Status.Code.UNAVAILABLE, Reason.UNAVAILABLE, "the stream was cut off: it was silent"));
                } else {
                    return null;
                }
            }
            return null;
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw SessiondException.of(
                    ErrorDetails.of(Status.Code.CANCELLED, Reason.CANCELED, "the caller was interrupted"));
        }
    }

    /** Opens a stream after the pause; false if that is not before the deadline, or the watch is closed. */
    private boolean open(long deadline) throws InterruptedException {
        long until = deadline - openAt < 0 ? deadline : openAt;
        if (closed.await(until - System.nanoTime(), TimeUnit.NANOSECONDS) || deadline - openAt < 0) {
            return false;
        }
        // The first message comes at once.
        silentUntil = System.nanoTime() + caller.timeout().toNanos();
        token = caller.connection().tokens().look();
        feed = EventFeed.open(caller.connection(), request);
        if (closed.getCount() == 0) {
            feed.cancel();
        }
        return true;
    }

    private void heard(WatchSessionsResponse message) {
        failures = 0;
        silentUntil = System.nanoTime() + patience;
        // The point is kept before the event is handed out, so that it does not come twice.
        request =
                request.toBuilder().setResumeToken(Events.resumeToken(message)).build();
    }

    /** Pauses before the next stream, or gives up. */
    private void lost(ErrorDetails why) {
        feed = null;
        if (closed.getCount() == 0) {
            return;
        }
        if (why.code() == Status.Code.UNAUTHENTICATED
                && caller.connection().tokens().hasOther(token)) {
            openAt = System.nanoTime();
            return;
        }
        if (why.code() != Status.Code.UNAVAILABLE && why.reason() != Reason.WATCHER_TOO_SLOW) {
            throw SessiondException.of(why);
        }
        failures++;
        openAt = System.nanoTime() + Math.min(caller.connection().retry().pauseAfter(failures), LONGEST_PAUSE);
    }

    boolean isClosed() {
        return closed.getCount() == 0;
    }

    /** Ends the watch. */
    @Override
    public void close() {
        closed.countDown();
        EventFeed open = feed;
        if (open != null) {
            open.cancel();
        }
    }
}
