package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import dev.sessiond.v1.CountSessionsRequest;
import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.WatchSessionsResponse;
import io.grpc.Status;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The token of a client, against a server that looks at the header. */
class TokensTest {
    private static final String ID = "no-such-session-0";

    @TempDir
    Path folder;

    private Path file;

    @BeforeEach
    void setUp() throws Exception {
        file = folder.resolve("token");
        write("one");
    }

    private void write(String token) throws Exception {
        Files.writeString(file, " " + token + "\t\r\nanything else\n");
    }

    private static void assertRefused(ThrowingCallable call) {
        assertThatThrownBy(call)
                .isInstanceOf(UnauthenticatedException.class)
                .hasMessage("the token is not known")
                .isInstanceOfSatisfying(SessiondException.class, e -> {
                    assertThat(e.reason()).isEqualTo(Reason.UNAUTHENTICATED);
                    assertThat(e.code()).isEqualTo(Status.Code.UNAUTHENTICATED);
                });
    }

    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void everyCallCarriesTheToken(boolean fastLane, boolean byFile) throws Exception {
        try (GuardedServer server = new GuardedServer("one");
                SessiondClient client = (byFile
                                ? server.client().tokenFile(file)
                                : server.client().token("one"))
                        .fastLane(fastLane)
                        .build();
                EventStream events = client.withNamespace("other").watch(WatchOptions.DEFAULT)) {
            assertThat(client.touch(ID).version()).isEqualTo(7);
            client.count();
            SessionStoreGrpc.newBlockingStub(client.channel()).countSessions(CountSessionsRequest.getDefaultInstance());
            WatchSessionsResponse first = events.take(System.nanoTime() + TimeUnit.SECONDS.toNanos(20));
            assertThat(first.getCheckpoint().getResumeToken()).isEqualTo("one");
            assertThat(server.calls).hasSize(fastLane ? 2 : 3).containsOnly("one");
            assertThat(server.streams).hasSize(fastLane ? 2 : 1).containsOnly("one");
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void noToken(boolean fastLane) throws Exception {
        try (GuardedServer server = new GuardedServer();
                SessiondClient client = server.client().fastLane(fastLane).build()) {
            assertRefused(() -> client.touch(ID));
            server.accept("");
            assertThat(client.touch(ID).version()).isEqualTo(7);
        }
    }

    /** A token that is refused, and is still the one of the file, is an error at once: nothing is made again. */
    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void refusedToken(boolean fastLane, boolean byFile) throws Exception {
        try (GuardedServer server = new GuardedServer();
                SessiondClient client = (byFile
                                ? server.client().tokenFile(file)
                                : server.client().token("one"))
                        .fastLane(fastLane)
                        .build();
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            assertRefused(() -> client.touch(ID));
            assertThat(all(server)).containsExactly("one");
            assertRefused(events::hasNext);
            // Once it is accepted, or accepted again, so are the calls.
            server.accept("one");
            assertThat(client.touch(ID).version()).isEqualTo(7);
            server.accept();
            assertRefused(() -> client.touch(ID));
            server.accept("one");
            assertThat(client.touch(ID).version()).isEqualTo(7);
        }
    }

    private static List<String> all(GuardedServer server) {
        return Stream.of(server.calls, server.streams).flatMap(List::stream).toList();
    }

    /** A token that is refused while the file has another: the call is made again, once. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void tokenThatIsReplacedWhenItIsRefused(boolean fastLane) throws Exception {
        try (GuardedServer server = new GuardedServer("two");
                SessiondClient client =
                        server.client().tokenFile(file).fastLane(fastLane).build()) {
            write("two");
            assertThat(client.touch(ID).version()).isEqualTo(7);
            assertThat(all(server)).containsExactly("one", "two");

            server.accept("four");
            write("three");
            assertRefused(() -> client.touch(ID));
            assertThat(all(server)).endsWith("three").doesNotContain("four");

            write("four");
            Threads.run(8, n -> assertThat(client.touch(ID).version()).isEqualTo(7));
            server.accept("five");
            write("five");
            assertThat(client.async().touch(ID).get(20, TimeUnit.SECONDS).version())
                    .isEqualTo(7);
        }
    }

    @Test
    void watchWhoseTokenIsReplaced() throws Exception {
        try (GuardedServer server = new GuardedServer("one");
                SessiondClient client = server.client().tokenFile(file).build();
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            assertThat(events.take(deadline).getCheckpoint().getResumeToken()).isEqualTo("one");
            write("two");
            server.accept("two");
            while (!events.take(deadline).getCheckpoint().getResumeToken().equals("two")) {}
            server.accept();
            assertRefused(() -> {
                while (events.take(deadline) != null) {}
            });
            assertThat(server.streams).containsExactly("one", "two");
        }
    }

    /** The file is looked at before a call, if the last look was two seconds ago. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void fileThatChanges(boolean fastLane) throws Exception {
        try (GuardedServer server = new GuardedServer("one", "two");
                SessiondClient client =
                        server.client().tokenFile(file).fastLane(fastLane).build()) {
            client.touch(ID);
            write("two");
            Await.until(() -> {
                client.touch(ID);
                return all(server).contains("two");
            });
            // What can't be used leaves the token before in use, however often it is looked at.
            Secret two = client.caller().connection().tokens().present();
            for (String content : new String[] {"", "two tokens\n", "x".repeat(257)}) {
                Files.writeString(file, content);
                assertThat(client.caller().connection().tokens().hasOther(two)).isFalse();
                client.touch(ID);
            }
            Files.delete(file);
            server.accept();
            assertRefused(() -> client.touch(ID));
            assertThat(all(server)).endsWith("two");
        }
    }

    /** With another token the calls that are under way end on the stream before; the next ones travel over a new one. */
    @Test
    void callsUnderWayWhenTheTokenChanges() throws Exception {
        try (GuardedServer server = new GuardedServer("one", "two");
                SessiondClient client = server.client().tokenFile(file).build()) {
            server.held = new CountDownLatch(1);
            List<CompletableFuture<TouchResult>> earlier = new ArrayList<>();
            // More than may be in flight.
            for (int i = 0; i < 1500; i++) {
                earlier.add(client.async().touch(ID));
            }
            Await.until(() -> server.streams.equals(List.of("one")));
            Tokens tokens = client.caller().connection().tokens();
            write("two");
            assertThat(tokens.hasOther(tokens.present())).isTrue();
            assertThat(client.touch(ID).version()).isEqualTo(7);
            // Those which were sent wait for their replies; the others have gone over the new stream.
            assertThat(earlier).anyMatch(call -> !call.isDone());
            server.held.countDown();
            for (CompletableFuture<TouchResult> call : earlier) {
                assertThat(call.get(20, TimeUnit.SECONDS).version()).isEqualTo(7);
            }
            assertThat(server.firstEnded.await(20, TimeUnit.SECONDS)).isTrue();
            assertThat(server.streams).containsExactly("one", "two");
            assertThat(server.calls).isEmpty();
        }
    }

    /** Calls of an earlier stream end at their deadline, and when the client is closed. */
    @Test
    @SuppressWarnings("try")
    void callsThatAreLeftOnAnEarlierStream() throws Exception {
        try (GuardedServer server = new GuardedServer("one", "two");
                SessiondClient client = server.client().tokenFile(file).build()) {
            server.held = new CountDownLatch(1);
            CompletableFuture<TouchResult> late =
                    client.withTimeout(Duration.ofSeconds(2)).async().touch(ID);
            CompletableFuture<TouchResult> left = client.async().touch(ID);
            Await.until(() -> server.streams.equals(List.of("one")));
            Tokens tokens = client.caller().connection().tokens();
            write("two");
            assertThat(tokens.hasOther(tokens.present())).isTrue();
            client.touch(ID);
            assertThat(catchThrowable(() -> late.get(20, TimeUnit.SECONDS)))
                    .hasCauseInstanceOf(SessiondTimeoutException.class);
            client.close();
            assertThat(catchThrowable(() -> left.get(20, TimeUnit.SECONDS)))
                    .cause()
                    .isInstanceOfSatisfying(
                            SessiondException.class, e -> assertThat(e.reason()).isEqualTo(Reason.CANCELED));
            server.held.countDown();
        }
    }

    /** Many callers change streams again and again: every call has its answer. */
    @Test
    void tokenThatChangesUnderLoad() throws Exception {
        try (GuardedServer server = new GuardedServer("0", "1", "2", "3");
                SessiondClient client =
                        server.client().token("").tokenFile(file).build()) {
            server.accept("one", "0", "1", "2", "3");
            AtomicBoolean isOver = new AtomicBoolean();
            Threads callers = Threads.start(8, n -> {
                while (!isOver.get()) {
                    assertThat(client.touch(ID).version()).isEqualTo(7);
                }
            });
            Tokens tokens = client.caller().connection().tokens();
            for (int i = 0; i < 100; i++) {
                write("" + i % 4);
                assertThat(tokens.hasOther(tokens.present())).isTrue();
                client.touch(ID);
            }
            isOver.set(true);
            callers.join();
            assertThat(server.calls).isEmpty();
        }
    }

    private static Stream<Map<String, String>> wrongSettings() {
        String both = "a token file and a token are both set; use one";
        return Stream.of(
                Map.of("file", "@fine", "token", "secret", "says", both),
                Map.of("fileVar", "@fine", "tokenVar", "secret", "says", both),
                Map.of("file", "@fine", "tokenVar", "secret", "says", both),
                Map.of("fileVar", "/missing", "token", "secret", "says", both),
                Map.of("file", "/missing", "says", "the token file /missing can't be read"),
                Map.of("fileVar", "/missing", "says", "the token file /missing can't be read"),
                Map.of("file", "/", "says", "the token file / can't be read"),
                Map.of("file", "@", "says", "holds no token: its first line has nothing"),
                Map.of("file", "@\nsecret", "says", "holds no token"),
                Map.of("file", "@secret one", "says", "holds no token"),
                Map.of("file", "@secrét", "says", "holds no token"),
                Map.of("file", "@" + "x".repeat(257), "says", "256"),
                Map.of("file", "sdt_secret", "says", "a token stands where the path of the token file belongs"),
                Map.of("token", "secret one", "says", "the token is none"),
                Map.of("tokenVar", "secret\n", "says", "the token is none"),
                Map.of("token", "x".repeat(257), "says", "256"));
    }

    @ParameterizedTest
    @MethodSource
    void wrongSettings(Map<String, String> settings) throws Exception {
        Throwable error = catchThrowable(() -> Tokens.load(
                Path.of(path(settings.getOrDefault("file", ""))), settings.getOrDefault("token", ""), name -> {
                    if (!name.equals(Tokens.TOKEN_FILE)) {
                        return settings.getOrDefault("tokenVar", "");
                    }
                    return path(settings.getOrDefault("fileVar", ""));
                }));
        assertThat(error).isInstanceOf(IllegalArgumentException.class).hasMessageContaining(settings.get("says"));
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            assertThat(cause.toString()).doesNotContain("secr", "xxx");
        }
    }

    /** A file with what stands behind the "@". */
    private String path(String setting) {
        if (!setting.startsWith("@")) {
            return setting;
        }
        try {
            return Files.writeString(folder.resolve("other"), setting.substring(1))
                    .toString();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    @Test
    void theEnvironmentHoldsWhereNothingIsSet() {
        Path none = Path.of("");
        Map<String, String> token = Map.of(Tokens.TOKEN, "by-variable");
        assertThat(Tokens.load(none, "", token::get).look().value()).isEqualTo("by-variable");
        assertThat(Tokens.load(none, "set", token::get).look().value()).isEqualTo("set");
        Map<String, String> byFile = Map.of(Tokens.TOKEN_FILE, file.toString(), Tokens.TOKEN, "");
        assertThat(Tokens.load(none, "", byFile::get).look().value()).isEqualTo("one");
        assertThat(Tokens.load(file, "", Map.of(Tokens.TOKEN_FILE, "/missing")::get)
                        .look()
                        .value())
                .isEqualTo("one");
        assertThat(Tokens.load(none, "~".repeat(256), name -> null).look().value())
                .hasSize(256);
        assertThat(Tokens.load(none, "", name -> null).areSet()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void tokenIsHidden(boolean byFile) throws Exception {
        String secret = "sdt_abcdefgh_XYZZYXYZZY";
        write(secret);
        try (GuardedServer server = new GuardedServer();
                SessiondClient client = (byFile
                                ? server.client().tokenFile(file)
                                : server.client().token(secret))
                        .build()) {
            Throwable error = catchThrowable(() -> client.touch(ID));
            assertThat(error).isInstanceOf(UnauthenticatedException.class);
            Connection connection = client.caller().connection();
            for (Object shown : new Object[] {
                error,
                client,
                client.caller(),
                connection,
                connection.tokens(),
                connection.tokens().present(),
                connection.channel()
            }) {
                assertThat(shown.toString()).doesNotContain("XYZZY");
            }
        }
        assertThat(SessiondClient.builder().token(secret).toString()).doesNotContain("XYZZY");
    }
}
