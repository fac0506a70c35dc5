package dev.sessiond.client;

import dev.sessiond.v1.WatchSessionsResponse;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A watch that tells a listener, in a thread of its own. */
public final class EventSubscription implements AutoCloseable {
    private static final System.Logger LOG = System.getLogger(EventSubscription.class.getName());
    private static final AtomicInteger THREADS = new AtomicInteger();
    private static final long LOOK = TimeUnit.DAYS.toNanos(1);

    private final EventStream stream;
    private final SessionEventListener listener;

    private EventSubscription(EventStream stream, SessionEventListener listener) {
        this.stream = stream;
        this.listener = listener;
    }

    static EventSubscription start(EventStream stream, SessionEventListener listener) {
        EventSubscription subscription = new EventSubscription(stream, listener);
        Thread thread = new Thread(subscription::run, "sessiond-events-" + THREADS.incrementAndGet());
        thread.setDaemon(true);
        thread.start();
        return subscription;
    }

    private void run() {
        while (!stream.isClosed()) {
            WatchSessionsResponse message;
            try {
                message = stream.take(System.nanoTime() + LOOK);
            } catch (SessiondException e) {
                stream.close();
                tell(() -> listener.onError(e));
                return;
            }
            if (message != null) {
                tell(message);
            }
        }
    }

    private void tell(WatchSessionsResponse message) {
        if (message.hasEvent()) {
            tell(() -> listener.onEvent(Events.event(message.getEvent())));
        } else {
            tell(() -> listener.onCheckpoint(Events.resumeToken(message)));
        }
    }

    private static void tell(Runnable call) {
        try {
            call.run();
        } catch (RuntimeException e) {
            LOG.log(System.Logger.Level.ERROR, "a listener of session events failed", e);
        }
    }

    /** Ends the watch. A call of the listener that is under way may end later. */
    @Override
    public void close() {
        stream.close();
    }
}
