package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.grpc.Status;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Tokens, against a real server with access rules. */
class AccessTest {
    private static TestAccess access;

    @TempDir
    Path folder;

    @BeforeAll
    static void start() {
        access = new TestAccess();
    }

    @AfterAll
    static void close() {
        access.close();
    }

    private SessiondClient client(String token, boolean byFile, boolean fastLane) throws Exception {
        SessiondClient.Builder builder = access.client().fastLane(fastLane);
        return byFile
                ? builder.tokenFile(Files.writeString(folder.resolve("token"), token + "\n"))
                        .build()
                : builder.token(token).build();
    }

    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void calls(boolean byFile, boolean fastLane) throws Exception {
        try (SessiondClient client = client(access.firstToken(), byFile, fastLane);
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            assertThat(events.poll(Duration.ofMillis(200))).isEmpty();
            String id = client.create(session -> session.attribute("large", new byte[60_000]))
                    .id()
                    .value();
            assertThat(client.get(id).version()).isEqualTo(1);
            client.count("somebody");
            assertThat(events.next().kind()).isEqualTo(EventKind.CREATED);
        }
    }

    private static void assertRefused(Throwable error, Class<?> kind, Reason reason, Status.Code code) {
        assertThat(error).isInstanceOf(kind).isInstanceOfSatisfying(SessiondException.class, e -> {
            assertThat(e.reason()).isEqualTo(reason);
            assertThat(e.code()).isEqualTo(code);
        });
    }

    private static void assertUnauthenticated(SessiondClient client) {
        for (Throwable error : new Throwable[] {
            catchThrowable(client::create),
            catchThrowable(client::count),
            catchThrowable(() -> {
                try (EventStream events = client.watch(WatchOptions.DEFAULT)) {
                    events.hasNext();
                }
            })
        }) {
            assertRefused(error, UnauthenticatedException.class, Reason.UNAUTHENTICATED, Status.Code.UNAUTHENTICATED);
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void callsThatAreNotLetIn(boolean fastLane) throws Exception {
        String token = access.firstToken();
        String unknown = token.substring(0, token.length() - 8) + "AAAAAAAA";
        for (String wrong : new String[] {"", unknown, "x"}) {
            try (SessiondClient client = client(wrong, false, fastLane)) {
                assertUnauthenticated(client);
                assertThatThrownBy(client::create).hasMessageNotContaining(unknown);
            }
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void whatIsNotAllowed(boolean fastLane) throws Exception {
        try (SessiondClient client = client(access.firstToken(), false, fastLane)) {
            for (int i = 0; i < 2; i++) {
                Throwable error = catchThrowable(client.withNamespace("blog")::create);
                assertRefused(
                        error,
                        PermissionDeniedException.class,
                        Reason.PERMISSION_DENIED,
                        Status.Code.PERMISSION_DENIED);
                assertThat(error).hasMessageContainingAll("shop", "sessions", "blog");
                assertThat(client.create().session().version()).isEqualTo(1);
            }
            assertThatThrownBy(client::statistics).isInstanceOf(PermissionDeniedException.class);
        }
    }

    @ParameterizedTest
    @CsvSource({"true, true", "true, false", "false, true", "false, false"})
    void tokenThatIsRevoked(boolean byFile, boolean fastLane) throws Exception {
        String token = access.renew();
        try (SessiondClient client = client(token, byFile, fastLane);
                SessiondClient other = client(access.firstToken(), false, fastLane)) {
            client.create();
            access.revoke(token);
            // Of the stream that is open, too.
            assertUnauthenticated(client);
            assertThat(other.create().session().version()).isEqualTo(1);
        }
    }

    /** A token is renewed under load: the new one is written, the old one revoked. No call fails, and no watch. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void tokenThatIsRenewedUnderLoad(boolean fastLane) throws Exception {
        String token = access.renew();
        Path file = folder.resolve("token");
        try (SessiondClient client = client(token, true, fastLane);
                EventStream events = client.watch(WatchOptions.DEFAULT)) {
            assertThat(events.poll(Duration.ofMillis(200))).isEmpty();
            AtomicBoolean isOver = new AtomicBoolean();
            AtomicInteger calls = new AtomicInteger();
            Threads callers = Threads.start(8, n -> {
                while (!isOver.get()) {
                    String id = client.create().id().value();
                    client.update(id, change -> change.setAttribute("n", n));
                    calls.addAndGet(2);
                }
            });
            for (int i = 0; i < 3; i++) {
                awaitMore(calls);
                String next = access.renew();
                Files.writeString(file, next + "\n");
                awaitMore(calls);
                access.revoke(token);
                token = next;
                awaitMore(calls);
            }
            isOver.set(true);
            callers.join();
            client.create(session -> session.principal("last"));
            int created = 0;
            SessionEvent event;
            do {
                event = events.next();
                created += event.kind() == EventKind.CREATED ? 1 : 0;
            } while (!event.session().principal().equals(Optional.of("last")));
            assertThat(created).isEqualTo(calls.get() / 2 + 1);
        }
    }

    private static void awaitMore(AtomicInteger calls) {
        int wanted = calls.get() + 100;
        Await.until(() -> calls.get() >= wanted);
    }
}
