package dev.sessiond.client;

import java.util.concurrent.atomic.AtomicInteger;

/**
 * Bounds how much more a store that is reached, but can't be used, gets to do by the repetitions of all calls of a connection
 * together. Each answer UNAVAILABLE takes a token before its call is repeated, and each call that succeeds gives a tenth of one
 * back: in the long run, repetitions are at most a tenth of the calls that succeed. A store that is not there has nothing to
 * bear, so its absence takes none; one that starts or stops (NOT_READY) soon ends or serves, refuses at little cost, and asks for the
 * repetition.
 */
final class RetryBudget {
    // The budget is counted in tenths of a token.
    private static final int TOKEN = 10;

    // The reserve: a thousand tokens.
    private static final int FULL = 1_000 * TOKEN;

    private final AtomicInteger tenths = new AtomicInteger(FULL);

    /** A call has succeeded. */
    void noteSuccess() {
        // All threads come by here: while nothing is missing they share what they only read.
        if (tenths.get() < FULL) {
            tenths.updateAndGet(left -> Math.min(left + 1, FULL));
        }
    }

    /** Tells whether there was a token, which is taken. */
    boolean take() {
        return tenths.getAndUpdate(left -> left < TOKEN ? left : left - TOKEN) >= TOKEN;
    }

    /**
     * What the repetition costs after one answer of a server. If it was the end of a stream, all calls on it share the charge, and
     * with it whether it was paid: they are repeated together.
     */
    static final class Charge {
        private Boolean paid;

        /** Tells whether there is a token for it. */
        synchronized boolean isPaidFrom(RetryBudget budget) {
            if (paid == null) {
                paid = budget.take();
            }
            return paid;
        }
    }
}
