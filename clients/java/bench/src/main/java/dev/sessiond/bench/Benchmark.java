package dev.sessiond.bench;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.LongAdder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.session.Session;
import org.springframework.session.SessionRepository;

/**
 * Compares spring-session-sessiond with both repositories of spring-session-data-redis (lettuce): the same site over each, with the
 * servers on one core in turn. Run it by {@code clients/java/benchmark}.
 */
public final class Benchmark {

    private static final int SESSIONS = 1_000;
    private static final int IN_FLIGHT = 32;

    private final int rounds;
    private final long period;
    private final String core;

    private Benchmark(int rounds, long seconds, String core) {
        this.rounds = rounds;
        this.period = seconds * 1_000_000_000L;
        this.core = core;
    }

    /** Medians in microseconds of one at a time; figures per second with 32 in flight. */
    private record Figures(double load, double loads, double read, double write, double requests) {}

    public static void main(String[] arguments) throws Exception {
        int rounds = arguments.length > 0 ? Integer.parseInt(arguments[0]) : 3;
        int seconds = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 3;
        new Benchmark(rounds, seconds, System.getenv().getOrDefault("SERVER_CORE", "0")).run();
        System.exit(0);
    }

    private void run() throws Exception {
        Map<Store, List<Figures>> results = new EnumMap<>(Store.class);
        for (int round = 0; round < rounds; round++) {
            for (Store store : Store.values()) {
                Figures figures = measure(store);
                results.computeIfAbsent(store, key -> new ArrayList<>()).add(figures);
                System.err.println("round " + (round + 1) + " " + store + " " + figures);
            }
        }
        System.out.printf("%-38s %12s %14s %12s%n", "", "Redis", "Redis indexed", "sessiond");
        row("load, 1 in flight, p50, us", results, Figures::load);
        row("load, 32 in flight, per second", results, Figures::loads);
        row("request that reads, p50, us", results, Figures::read);
        row("request that changes, p50, us", results, Figures::write);
        row("requests, 32 in flight, per second", results, Figures::requests);
    }

    private static void row(
            String what, Map<Store, List<Figures>> results, java.util.function.ToDoubleFunction<Figures> of) {
        double[] medians = new double[Store.values().length];
        results.forEach((store, figures) -> {
            double[] sorted = figures.stream().mapToDouble(of).sorted().toArray();
            medians[store.ordinal()] = sorted[sorted.length / 2];
        });
        System.out.printf(
                Locale.ROOT,
                "%-38s %12.0f %14.0f %12.0f   ratio %.2f, to indexed %.2f%n",
                what,
                medians[0],
                medians[1],
                medians[2],
                medians[2] / medians[0],
                medians[2] / medians[1]);
    }

    private Figures measure(Store store) throws Exception {
        try (Server server = new Server(store, core);
                ConfigurableApplicationContext site = Site.start(store, server)) {
            int port = Integer.parseInt(site.getEnvironment().getProperty("local.server.port"));
            @SuppressWarnings("unchecked")
            SessionRepository<Session> repository = site.getBean(SessionRepository.class);
            String[] ids = new String[SESSIONS];
            for (int i = 0; i < ids.length; i++) {
                Session session = repository.createSession();
                for (int key = 0; key < 8; key++) {
                    session.setAttribute(
                            "key" + key, Character.toString('a' + key).repeat(110));
                }
                repository.save(session);
                ids[i] = session.getId();
            }
            AtomicInteger turn = new AtomicInteger();
            Callable<Object> load = () -> {
                Session session = repository.findById(ids[turn.getAndIncrement() % SESSIONS]);
                return session.getAttribute("key1").hashCode();
            };
            together(load, period); // warms up
            double loadTime = oneByOne(load);
            double loads = together(load, period);
            try (Browser browser = new Browser(port)) {
                Callable<Object> read = () -> browser.get("/read", ids[turn.getAndIncrement() % SESSIONS]);
                Callable<Object> write = () -> browser.get("/write", ids[turn.getAndIncrement() % SESSIONS]);
                Callable<Object> mixed = () -> turn.get() % 5 == 0 ? write.call() : read.call();
                together(mixed, period); // warms up
                return new Figures(loadTime, loads, oneByOne(read), oneByOne(write), together(mixed, period));
            }
        }
    }

    private double oneByOne(Callable<Object> step) throws Exception {
        List<Long> times = new ArrayList<>();
        for (long begin = System.nanoTime(); System.nanoTime() - begin < period; ) {
            long before = System.nanoTime();
            step.call();
            times.add(System.nanoTime() - before);
        }
        long[] sorted = times.stream().mapToLong(Long::longValue).sorted().toArray();
        return sorted[sorted.length / 2] / 1_000.0;
    }

    private double together(Callable<Object> step, long period) throws Exception {
        LongAdder done = new LongAdder();
        long begin = System.nanoTime();
        Thread[] threads = new Thread[IN_FLIGHT];
        Throwable[] failure = new Throwable[1];
        Arrays.setAll(
                threads,
                i -> new Thread(() -> {
                    try {
                        while (System.nanoTime() - begin < period) {
                            step.call();
                            done.increment();
                        }
                    } catch (Exception e) {
                        failure[0] = e;
                    }
                }));
        for (Thread thread : threads) {
            thread.start();
        }
        for (Thread thread : threads) {
            thread.join();
        }
        if (failure[0] != null) {
            throw new IllegalStateException(failure[0]);
        }
        return done.sum() / ((System.nanoTime() - begin) / 1e9);
    }
}
