package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.BufferedReader;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLongArray;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** No call fails when the server is restarted under load with the socket that it had. */
class RestartTest {
    private static final Duration LONG = Duration.ofSeconds(60);
    private static final int CALLERS = 16;

    /** In memory the server has nothing to open, so calls meet the one that goes and the one that comes. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void ofServerThatServesAtOnce(boolean fastLane, @TempDir Path folder) throws Exception {
        try (Restartable server = new Restartable(folder, "--engine", "memory");
                SessiondClient client = SessiondClient.builder()
                        .address(server.address)
                        .timeout(LONG)
                        .fastLane(fastLane)
                        .build()) {
            restarts(server, (caller, n) -> client.create());
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void ofServerThatOpensItsData(boolean fastLane, @TempDir Path folder) throws Exception {
        try (Restartable server = new Restartable(folder);
                SessiondClient client = SessiondClient.builder()
                        .address(server.address)
                        .timeout(LONG)
                        .fastLane(fastLane)
                        .build()) {
            List<String> ids = new ArrayList<>();
            for (int i = 0; i < CALLERS; i++) {
                ids.add(client.create().id().value());
            }
            AtomicLongArray counts = restarts(
                    server, (caller, n) -> client.update(ids.get(caller), change -> change.setAttribute("n", n)));
            for (int i = 0; i < CALLERS; i++) {
                assertThat(client.get(ids.get(i)).attribute("n")).isEqualTo(counts.get(i));
            }
        }
    }

    private interface Call {
        void make(int caller, long n);
    }

    /** An exception of a call fails the test. Returns how many calls each caller has made. */
    private static AtomicLongArray restarts(Restartable server, Call call) throws Exception {
        AtomicBoolean stops = new AtomicBoolean();
        AtomicLongArray counts = new AtomicLongArray(CALLERS);
        Threads callers = Threads.start(CALLERS, caller -> {
            for (long n = 1; !stops.get(); n++) {
                call.make(caller, n);
                counts.set(caller, n);
            }
        });
        try {
            for (int restart = 0; restart < 3; restart++) {
                everyCallerGoesOn(callers, counts);
                server.restart();
            }
            everyCallerGoesOn(callers, counts);
        } finally {
            stops.set(true);
        }
        callers.join();
        return counts;
    }

    private static void everyCallerGoesOn(Threads callers, AtomicLongArray counts) {
        for (int i = 0; i < CALLERS; i++) {
            int caller = i;
            long wanted = counts.get(i) + 10;
            Await.until(LONG, () -> {
                callers.noneHasFailed();
                return counts.get(caller) >= wanted;
            });
        }
    }

    /** A server that is restarted as systemd restarts it with a socket of its own. */
    private static final class Restartable implements AutoCloseable {
        final String address;
        private final Process supervisor;
        private final BufferedReader output;

        Restartable(Path folder, String... flags) throws IOException {
            Path script = SharedFiles.FOLDER.resolve("restarts");
            List<String> command = new ArrayList<>(List.of(script.toString(), folder.toString()));
            command.addAll(List.of(flags));
            supervisor = new ProcessBuilder(command)
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            output = supervisor.inputReader();
            address = output.readLine();
        }

        void restart() throws IOException {
            supervisor.outputWriter().append('\n').flush();
            assertThat(output.readLine()).matches("\\d+");
        }

        @Override
        public void close() throws IOException {
            supervisor.outputWriter().close();
            assertThat(supervisor.onExit().join().exitValue()).isZero();
        }
    }
}
