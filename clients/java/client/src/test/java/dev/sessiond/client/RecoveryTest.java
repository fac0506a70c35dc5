package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.net.ServerSocket;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What happens while the server is away, and afterwards. */
class RecoveryTest {
    private static final Duration TIMEOUT = Duration.ofSeconds(1);

    /**
     * The server is killed under load: each call ends within its deadline, with an answer or a typed error; the client recovers
     * by itself, and nothing that was acknowledged is missing.
     */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void serverKilledUnderLoad(boolean fastLane) throws Exception {
        try (TestServer server = TestServer.create();
                SessiondClient client = server.client().fastLane(fastLane).build()) {
            SessiondClient hurried = client.withTimeout(TIMEOUT);
            AtomicBoolean stops = new AtomicBoolean();
            AtomicLong total = new AtomicLong();
            AtomicLongArray acknowledged = new AtomicLongArray(16);
            String[] ids = new String[16];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = client.create().id().value();
            }
            Threads load = Threads.start(ids.length, i -> {
                for (long n = 1; !stops.get(); n++) {
                    long value = n;
                    long began = System.nanoTime();
                    try {
                        hurried.update(ids[i], change -> change.setAttribute("n", value));
                        acknowledged.set(i, n);
                        total.incrementAndGet();
                    } catch (SessiondUnavailableException | SessiondTimeoutException e) {
                        // The store is away; any other error fails the test.
                    }
                    assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(TIMEOUT.plusSeconds(5));
                }
            });
            try {
                for (int kills = 0; kills < 3; kills++) {
                    awaitMore(total);
                    server.kill();
                    server.start();
                }
                awaitMore(total);
            } finally {
                stops.set(true);
            }
            load.join();
            for (int i = 0; i < ids.length; i++) {
                assertThat((Long) client.get(ids[i]).attribute("n")).isGreaterThanOrEqualTo(acknowledged.get(i));
            }
        }
    }

    private static void awaitMore(AtomicLong counter) {
        long wanted = counter.get() + 200;
        Await.until(() -> counter.get() >= wanted);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void serverThatHangs(boolean fastLane) throws Exception {
        try (TestServer server = TestServer.create();
                SessiondClient client = server.client().fastLane(fastLane).build()) {
            String id = client.create().id().value();
            SessiondClient hurried = client.withTimeout(Duration.ofMillis(300));
            server.pause();
            long began = System.nanoTime();
            assertThatThrownBy(() -> hurried.get(id)).isInstanceOf(SessiondTimeoutException.class);
            assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(6));
            server.resume();
            assertThat(client.get(id).version()).isEqualTo(1);
        }
    }

    /** The one call that waits for its next attempt ends with its client. */
    @Test
    void clientThatIsClosedBetweenTwoAttempts() throws Exception {
        try (ServerSocket hangsUp = new ServerSocket(0)) {
            SessiondClient client = SessiondClient.builder()
                    .address("127.0.0.1:" + hangsUp.getLocalPort())
                    .timeout(Duration.ofMinutes(10))
                    .retry(new Retry(100, Duration.ofMinutes(1)))
                    .build();
            CompletableFuture<TouchResult> call = client.async().touch("x".repeat(32));
            // The second connection is made because the first attempt has failed.
            hangsUp.accept().close();
            hangsUp.accept().close();
            client.close();
            assertThatThrownBy(() -> call.get(20, TimeUnit.SECONDS)).hasCauseInstanceOf(SessiondException.class);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void noServer(boolean fastLane) {
        try (SessiondClient client = SessiondClient.builder()
                .address("127.0.0.1:" + TestServer.freePort())
                .fastLane(fastLane)
                .build()) {
            long began = System.nanoTime();
            assertThatThrownBy(client::create).isInstanceOf(SessiondUnavailableException.class);
            assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(6));
        }
    }

    @Test
    void severalServers() {
        try (TestServer first = TestServer.create();
                TestServer second = TestServer.create();
                SessiondClient client = SessiondClient.builder()
                        .address("127.0.0.1:" + TestServer.freePort() + "," + first.address() + ", http://"
                                + second.address())
                        .timeout(Duration.ofSeconds(10))
                        .build();
                SessiondClient toFirst =
                        SessiondClient.builder().address(first.address()).build()) {
            String id = client.create().id().value();
            assertThat(toFirst.get(id).version()).isEqualTo(1);
            first.kill();
            Await.until(() -> {
                try {
                    client.get(id);
                    return false;
                } catch (SessionNotFoundException e) {
                    return true;
                } catch (SessiondUnavailableException e) {
                    return false;
                }
            });
        }
    }

    @Test
    void unixSocket(@TempDir Path folder) {
        try (TestServer server = TestServer.createAt("unix:" + folder.resolve("sessiond.sock"));
                SessiondClient client = server.client().build()) {
            assertThat(client.create().session().version()).isEqualTo(1);
        }
    }

    /** Each event comes once, in order, also over a kill of the server. */
    @Test
    void watchGoesOnOverAKill() throws Exception {
        try (TestServer server = TestServer.create();
                SessiondClient client = server.client().build();
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            assertThat(events.poll(Duration.ofMillis(200))).isEmpty();
            String id = client.create().id().value();
            assertThat(events.next().kind()).isEqualTo(EventKind.CREATED);
            server.kill();
            server.start();
            client.update(id, change -> change.setAttribute("a", 1));
            client.delete(id);
            assertThat(events.next().kind()).isEqualTo(EventKind.UPDATED);
            SessionEvent deleted = events.next();
            assertThat(deleted.kind()).isEqualTo(EventKind.DELETED);
            assertThat(events.resumeToken()).isEqualTo(deleted.resumeToken());
            assertThat(events.poll(Duration.ofMillis(200))).isEmpty();
        }
    }

    @Test
    @SuppressWarnings("try")
    void listenerIsToldAndClosed() {
        try (SessiondClient client = TestServer.shared().client().build()) {
            AtomicLong told = new AtomicLong();
            AtomicBoolean began = new AtomicBoolean();
            SessionEventListener listener = new SessionEventListener() {
                @Override
                public void onEvent(SessionEvent event) {
                    // A listener may make calls, and may fail.
                    client.count();
                    told.incrementAndGet();
                    throw new IllegalStateException("a listener that fails is told the next event all the same");
                }

                @Override
                public void onCheckpoint(String resumeToken) {
                    began.set(true);
                }
            };
            try (EventSubscription subscription = client.watch(WatchOptions.DEFAULT, listener)) {
                Await.until(began::get);
                client.create();
                client.create();
                Await.until(() -> told.get() == 2);
            }
        }
    }

    @Test
    void closeEndsAWaitForEvents() {
        try (SessiondClient client = TestServer.shared().client().build()) {
            EventStream events = client.watch(WatchOptions.DEFAULT);
            Threads waiter = Threads.start(1, n -> assertThat(events.hasNext()).isFalse());
            Await.until(() -> !events.resumeToken().isEmpty());
            events.close();
            waiter.join();
        }
    }
}
