package dev.sessiond.client;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.ThreadLocalRandom;

/**
 * How often a call is repeated that met an unavailable store. No other error is repeated, nor is a call that may have been
 * carried out, unless twice is the same as once.
 *
 * <p>All calls of a client, and of those that share its connection, have one retry budget: a reserve of 1,000 tokens. A repetition
 * takes one if a server has answered UNAVAILABLE, and none if no server was there or it starts or stops (NOT_READY); each call that succeeds gives a tenth of one
 * back. Without a token a call is not repeated. The end of the fast lane is one answer to all calls that waited on it.
 *
 * @param attempts attempts in all, the first one included; 1 or more. The timeout of the call ends them earlier.
 * @param pause the longest pause after the first attempt; it doubles from attempt to attempt, up to 200 ms or itself if that
 *     is longer. What is taken is random between half of it and all of it, so that many clients don't come back at the same
 *     moment.
 */
public record Retry(int attempts, Duration pause) {
    /** Twenty attempts within two to four seconds: longer than a server needs to restart. */
    public static final Retry DEFAULT = new Retry(20, Duration.ofMillis(100));

    private static final long LONGEST_PAUSE_NANOS = Duration.ofMillis(200).toNanos();

    /** No call is repeated. */
    public static final Retry NONE = new Retry(1, Duration.ZERO);

    /**
     * Makes a rule.
     *
     * @param attempts attempts in all, 1 or more
     * @param pause the longest pause after the first attempt
     * @throws IllegalArgumentException if there is no attempt, or the pause is negative or longer than a minute
     */
    public Retry {
        Objects.requireNonNull(pause, "pause");
        if (attempts < 1) {
            throw new IllegalArgumentException("the retry has " + attempts + " attempts; there must be 1 or more");
        }
        if (pause.isNegative() || pause.compareTo(Duration.ofMinutes(1)) > 0) {
            throw new IllegalArgumentException("the retry has a pause of " + pause + "; it must be from 0 to 1 min");
        }
    }

    /** A pause in nanoseconds after so many attempts. */
    long pauseAfter(int attempt) {
        long doubled = pause.toNanos() << Math.min(attempt - 1, 10);
        long longest = Math.min(doubled, Math.max(pause.toNanos(), LONGEST_PAUSE_NANOS));
        return longest / 2 + ThreadLocalRandom.current().nextLong(longest / 2 + 1);
    }
}
