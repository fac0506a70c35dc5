package io.sessiond.client;

import java.time.Duration;
import java.util.Iterator;
import java.util.Optional;

/**
 * What happens to sessions, one event after the other. It ends when it is closed, or with an error that no repetition mends,
 * such as {@link Reason#EVENTS_GONE}: then list the sessions and watch from now on. It is for one thread at a time; another
 * one may close it.
 */
public final class EventStream implements Iterator<SessionEvent>, AutoCloseable {
    EventStream(Caller caller, WatchOptions options) {}

    /**
     * Waits for the next event.
     *
     * @return whether there is one; false if the stream was closed
     * @throws SessiondException if the watch has failed for good
     */
    @Override
    public boolean hasNext() {
        throw new UnsupportedOperationException();
    }

    /**
     * Waits for the next event.
     *
     * @return the event
     * @throws java.util.NoSuchElementException if the stream was closed
     * @throws SessiondException if the watch has failed for good
     */
    @Override
    public SessionEvent next() {
        throw new UnsupportedOperationException();
    }

    /**
     * Waits for the next event, but not for ever.
     *
     * @param timeout how long to wait
     * @return the event; empty if none has come, or the stream was closed
     * @throws SessiondException if the watch has failed for good
     */
    public Optional<SessionEvent> poll(Duration timeout) {
        throw new UnsupportedOperationException();
    }

    /**
     * Resumes after the last event that was taken, or at a later point up to which nothing else happened. Keep it to go on
     * after a restart of your program.
     *
     * @return the token; empty before the server has answered
     */
    public String resumeToken() {
        throw new UnsupportedOperationException();
    }

    /** Ends the watch. */
    @Override
    public void close() {}
}
