package dev.sessiond.client;

import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.function.IntConsumer;

/** Runs a task in many threads at once. */
final class Threads {
    private final List<Thread> threads = new ArrayList<>();
    private final Queue<Throwable> failures = new ConcurrentLinkedQueue<>();

    /** Runs the task, with a number of its own, in each thread, and waits for all. */
    static void run(int count, IntConsumer task) {
        start(count, task).join();
    }

    static Threads start(int count, IntConsumer task) {
        Threads all = new Threads();
        for (int i = 0; i < count; i++) {
            int number = i;
            Thread thread = new Thread(() -> task.accept(number));
            thread.setUncaughtExceptionHandler((ignored, failure) -> all.failures.add(failure));
            all.threads.add(thread);
            thread.start();
        }
        return all;
    }

    /** Waits for all; fails with what the first one failed with. */
    void join() {
        try {
            for (Thread thread : threads) {
                thread.join();
            }
        } catch (InterruptedException e) {
            throw new AssertionError(e);
        }
        noneHasFailed();
    }

    /** Fails with what the first one has failed with so far. */
    void noneHasFailed() {
        if (!failures.isEmpty()) {
            throw new AssertionError(failures.size() + " threads failed", failures.peek());
        }
    }
}
