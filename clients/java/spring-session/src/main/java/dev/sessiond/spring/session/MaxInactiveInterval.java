package dev.sessiond.spring.session;

import java.time.Duration;

/** Maps Spring's interval, of which a negative one means "never", to the idle timeout of the store, which has bounds. */
final class MaxInactiveInterval {

    private static final Duration SHORTEST = Duration.ofMillis(1);
    private static final Duration LONGEST = Duration.ofDays(3_660);
    private static final Duration NEVER = Duration.ofSeconds(-1);

    private MaxInactiveInterval() {}

    /** The idle timeout for an interval that is not zero. */
    static Duration toIdleTimeout(Duration interval) {
        if (interval.isNegative() || interval.compareTo(LONGEST) > 0) {
            return LONGEST;
        }
        return interval.compareTo(SHORTEST) < 0 ? SHORTEST : interval;
    }

    static Duration fromIdleTimeout(Duration idleTimeout) {
        return idleTimeout.compareTo(LONGEST) >= 0 ? NEVER : idleTimeout;
    }
}
