package dev.sessiond.client;

/** Is told what happens to sessions, one call at a time. */
@FunctionalInterface
public interface SessionEventListener {
    /**
     * Something happened to a session. An exception thrown here is logged, and the next event follows.
     *
     * @param event what happened
     */
    void onEvent(SessionEvent event);

    /**
     * Every event so far was told. Also called when the watch begins.
     *
     * @param resumeToken a point to resume from, to be kept in place of the last event's
     */
    default void onCheckpoint(String resumeToken) {}

    /**
     * The watch has ended, with an error that no repetition mends. After {@link Reason#EVENTS_GONE}, list the sessions and
     * watch from now on.
     *
     * @param error why
     */
    default void onError(SessiondException error) {}
}
