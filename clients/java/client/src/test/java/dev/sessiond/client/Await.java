package dev.sessiond.client;

import java.time.Duration;
import java.util.function.BooleanSupplier;

/** Waits for conditions. */
final class Await {
    private Await() {}

    /** Waits until a condition holds, at most 20 s. */
    static void until(BooleanSupplier condition) {
        until(Duration.ofSeconds(20), condition);
    }

    static void until(Duration limit, BooleanSupplier condition) {
        long deadline = System.nanoTime() + limit.toNanos();
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() - deadline > 0) {
                throw new AssertionError("what was waited for did not come about within " + limit);
            }
            try {
                Thread.sleep(2);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
        }
    }
}
