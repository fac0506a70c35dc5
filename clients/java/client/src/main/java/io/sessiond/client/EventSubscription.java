package io.sessiond.client;

/** A watch that tells a listener. */
public final class EventSubscription implements AutoCloseable {
    private final EventStream stream;

    private EventSubscription(EventStream stream) {
        this.stream = stream;
    }

    static EventSubscription start(EventStream stream, SessionEventListener listener) {
        return new EventSubscription(stream);
    }

    /** Ends the watch. The listener is not called any more once this returns, unless it closes the watch itself. */
    @Override
    public void close() {
        stream.close();
    }
}
