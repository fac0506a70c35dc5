package dev.sessiond.client;

import java.time.Duration;

/** Another holds the lock, and the wait is over. */
public final class LockHeldException extends SessiondException {
    private static final long serialVersionUID = 1L;

    LockHeldException(ErrorDetails details) {
        super(details);
    }

    /**
     * For how long the lock has been held.
     *
     * @return the time since it was taken
     */
    public Duration heldFor() {
        return Duration.ofMillis(Figures.read(metadata(), "held_for_ms"));
    }

    /**
     * When the lock ends by itself.
     *
     * @return the time that is left of its lease
     */
    public Duration endsIn() {
        return Duration.ofMillis(Figures.read(metadata(), "ends_in_ms"));
    }
}
