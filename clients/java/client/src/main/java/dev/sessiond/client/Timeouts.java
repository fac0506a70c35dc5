package dev.sessiond.client;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;

/**
 * How long a session lives. Both bounds hold together and the earlier one wins. What is left out has the default of the
 * namespace: without another setting of the server, an idle timeout of 24 hours and no absolute end. Fractions of a
 * millisecond are dropped.
 */
public final class Timeouts {
    /** The defaults of the namespace. */
    public static final Timeouts DEFAULT = new Timeouts(null, null, null);

    private final Duration idle;
    private final Duration absolute;
    private final Instant absoluteExpireTime;

    private Timeouts(Duration idle, Duration absolute, Instant absoluteExpireTime) {
        this.idle = idle;
        this.absolute = absolute;
        this.absoluteExpireTime = absoluteExpireTime;
    }

    /**
     * Ends a session so long after its last access.
     *
     * @param timeout at least 1 ms, at most 3,660 days
     * @return timeouts with this idle timeout
     */
    public static Timeouts idle(Duration timeout) {
        return new Timeouts(Objects.requireNonNull(timeout, "timeout"), null, null);
    }

    /**
     * Ends a session so long after its last access, and so long after its creation.
     *
     * @param idle at least 1 ms, at most 3,660 days
     * @param absolute at least 1 ms, at most 3,660 days
     * @return timeouts with both bounds
     */
    public static Timeouts of(Duration idle, Duration absolute) {
        return idle(idle).withAbsolute(absolute);
    }

    /**
     * Ends a session so long after its creation, however busy it is.
     *
     * @param timeout at least 1 ms, at most 3,660 days
     * @return these timeouts, with this absolute end
     */
    public Timeouts withAbsolute(Duration timeout) {
        return new Timeouts(idle, Objects.requireNonNull(timeout, "timeout"), null);
    }

    /**
     * Ends a session at a moment, however busy it is.
     *
     * @param moment in the future, at most 3,660 days after the session's creation
     * @return these timeouts, with this absolute end
     */
    public Timeouts withAbsoluteExpireTime(Instant moment) {
        return new Timeouts(idle, null, Objects.requireNonNull(moment, "moment"));
    }

    dev.sessiond.v1.Timeouts message() {
        dev.sessiond.v1.Timeouts.Builder out = dev.sessiond.v1.Timeouts.newBuilder();
        if (idle != null) {
            out.setIdleTimeout(Times.duration(idle));
        }
        if (absolute != null) {
            out.setAbsoluteTimeout(Times.duration(absolute));
        } else if (absoluteExpireTime != null) {
            out.setAbsoluteExpireTime(Times.timestamp(absoluteExpireTime));
        }
        return out.build();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Timeouts timeouts
                && Objects.equals(idle, timeouts.idle)
                && Objects.equals(absolute, timeouts.absolute)
                && Objects.equals(absoluteExpireTime, timeouts.absoluteExpireTime);
    }

    @Override
    public int hashCode() {
        return Objects.hash(idle, absolute, absoluteExpireTime);
    }

    @Override
    public String toString() {
        return "Timeouts[idle=" + idle + ", absolute=" + (absolute != null ? absolute : absoluteExpireTime) + "]";
    }
}
