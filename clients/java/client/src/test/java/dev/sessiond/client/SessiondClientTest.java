package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every call, against a real server. */
class SessiondClientTest {
    private static SessiondClient client(boolean fastLane) {
        return TestServer.shared().client().fastLane(fastLane).build();
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void lifeOfASession(boolean fastLane) {
        try (SessiondClient client = client(fastLane)) {
            IssuedSession issued = client.create(session -> session.attribute("theme", "dark")
                    .attribute("visits", 1)
                    .label("device", "laptop")
                    .timeouts(Timeouts.of(Duration.ofMinutes(30), Duration.ofHours(12))));
            String id = issued.id().value();
            Session session = client.get(id);
            assertThat(session.attributes()).containsEntry("theme", "dark").containsEntry("visits", 1L);
            assertThat(session.labels()).containsEntry("device", "laptop");
            assertThat(session.idleTimeout()).isEqualTo(Duration.ofMinutes(30));
            assertThat(session.absoluteExpireTime())
                    .contains(session.createTime().plus(Duration.ofHours(12)));

            SessionChange change = SessionChange.builder()
                    .setAttribute("theme", "light")
                    .removeAttribute("visits")
                    .build();
            Session changed = client.update(id, change, UpdateOptions.DEFAULT.ifVersion(1));
            assertThat(changed.version()).isEqualTo(2);
            assertThatThrownBy(changed::attributes).isInstanceOf(IllegalStateException.class);
            VersionMismatchException mismatch = catchThrowableOfType(
                    VersionMismatchException.class,
                    () -> client.update(id, change, UpdateOptions.DEFAULT.ifVersion(1)));
            assertThat(mismatch.currentVersion()).isEqualTo(2);

            assertThat(client.get(id, ReadOptions.TOUCH.ifVersionNot(2)).hasAttributes())
                    .isFalse();
            assertThat(client.touch(id).version()).isEqualTo(2);

            IssuedSession rotated = client.rotate(id, RotateOptions.DEFAULT.change(c -> c.setPrincipal("user-42")));
            assertThatThrownBy(() -> client.get(id)).isInstanceOf(SessionNotFoundException.class);
            String next = rotated.id().value();
            session = client.get(next, ReadOptions.PEEK);
            assertThat(session.principal()).contains("user-42");
            assertThat(session.handle()).isEqualTo(issued.session().handle());

            assertThat(client.delete(next)).isTrue();
            assertThat(client.delete(next)).isFalse();
            assertThatThrownBy(() -> client.update(next, late -> late.setAttribute("late", true)))
                    .isInstanceOf(SessionNotFoundException.class);
        }
    }

    @Test
    void listsAndRevocation() {
        try (SessiondClient client = client(true)) {
            List<IssuedSession> issued = IntStream.range(0, 5)
                    .mapToObj(n -> client.create(s -> s.principal("user-1").attribute("n", n)))
                    .toList();
            client.create(session -> session.principal("user-2"));
            assertThat(client.list(ListOptions.ALL
                                    .principal("user-1")
                                    .pageSize(2)
                                    .withAttributes())
                            .map(session -> session.attribute("n")))
                    // Newest first is by the millisecond.
                    .containsExactlyInAnyOrder(4L, 3L, 2L, 1L, 0L);
            assertThat(client.count()).isEqualTo(6);
            assertThat(client.count("user-1")).isEqualTo(5);
            IssuedSession first = issued.get(0);
            assertThat(client.revokeOthers("user-1", first.id().value())).isEqualTo(4);
            assertThatThrownBy(() -> client.revokeOthers("user-1", "no-such-session-0"))
                    .isInstanceOf(SessionNotFoundException.class);
            assertThat(client.revokeHandles(List.of(first.session().handle()))).isEqualTo(1);
            assertThat(client.revokeNamespace()).isEqualTo(1);
        }
    }

    @Test
    void locksTicketsTokensAndBatches() {
        try (SessiondClient client = client(true)) {
            IssuedSession issued = client.create();
            String id = issued.id().value();
            SessionChange change = SessionChange.builder().setAttribute("a", 1).build();
            Secret token;
            try (SessionLock lock = client.lock(
                    id, LockOptions.DEFAULT.lease(Duration.ofSeconds(20)).withSession())) {
                token = lock.token();
                assertThat(lock.session().orElseThrow().handle())
                        .isEqualTo(issued.session().handle());
                LockHeldException held = catchThrowableOfType(
                        LockHeldException.class,
                        () -> client.lock(id, LockOptions.DEFAULT.waitUpTo(Duration.ofMillis(50))));
                assertThat(held.endsIn()).isBetween(Duration.ofSeconds(1), Duration.ofSeconds(20));
                lock.renew(Duration.ofSeconds(30));
                client.update(id, change, UpdateOptions.DEFAULT.underLock(token));
            }
            assertThatThrownBy(() -> client.update(id, change, UpdateOptions.DEFAULT.underLock(token)))
                    .isInstanceOfSatisfying(
                            SessiondException.class, e -> assertThat(e.reason()).isEqualTo(Reason.LOCK_LOST));

            HandoffTicket ticket = client.issueHandoff(id, "https://shop.example", Duration.ofMinutes(1));
            IssuedSession other = client.redeemHandoff(ticket.ticket(), "https://shop.example");
            assertThat(other.session().attribute("a")).isEqualTo(1L);
            assertThatThrownBy(() -> client.redeemHandoff(ticket.ticket(), "https://shop.example"))
                    .isInstanceOfSatisfying(
                            SessiondException.class, e -> assertThat(e.reason()).isEqualTo(Reason.HANDOFF_INVALID));

            String csrf = client.issueCsrfToken(id);
            assertThat(client.verifyCsrfToken(id, csrf)).isTrue();
            assertThat(client.verifyCsrfToken(id, csrf + "x")).isFalse();

            List<BatchResult<Session>> read = client.batchGet(List.of(id, "no-such-session-0"), ReadOptions.PEEK);
            assertThat(read.get(0).get().attribute("a")).isEqualTo(1L);
            assertThatThrownBy(() -> read.get(1).get()).isInstanceOf(SessionNotFoundException.class);
            assertThat(client.batchDelete(List.of("no-such-session-0", id)))
                    .extracting(BatchResult::get)
                    .containsExactly(false, true);
            assertThat(client.statistics().created()).isPositive();
            client.sweepNow();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void errorsNameTheField(boolean fastLane) {
        try (SessiondClient client = client(fastLane)) {
            SessiondException error =
                    catchThrowableOfType(SessiondException.class, () -> client.create(session -> session.id("short")));
            assertThat(error.reason()).isEqualTo(Reason.INVALID_ARGUMENT);
            assertThat(error.fields())
                    .isNotEmpty()
                    .allSatisfy(field -> assertThat(field.problem()).isNotEmpty());
        }
    }

    /** Each call sets another key of the same session: every one must be there. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void parallelChangesOfOneSession(boolean fastLane) {
        try (SessiondClient client = client(fastLane)) {
            String id = client.create().id().value();
            CompletableFuture<?>[] all = IntStream.range(0, 64)
                    .mapToObj(n -> client.async().update(id, change -> change.setAttribute("key" + n, n)))
                    .toArray(CompletableFuture<?>[]::new);
            CompletableFuture.allOf(all).join();
            Session session = client.get(id);
            IntStream.range(0, 64)
                    .forEach(n -> assertThat(session.attribute("key" + n)).isEqualTo((long) n));
        }
    }

    /** Many threads read sessions of their own: an answer that is given to the wrong caller shows. */
    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void everyCallerGetsItsOwnAnswer(boolean fastLane) {
        try (SessiondClient client = client(fastLane)) {
            Threads.run(32, owner -> {
                String id = client.create(session -> session.attribute("owner", owner))
                        .id()
                        .value();
                for (int n = 0; n < 50; n++) {
                    if (n % 7 == 0) {
                        // Some give up early: their replies come when their tags could be those of others.
                        client.async().get(id).cancel(true);
                    }
                    assertThat(client.get(id).attribute("owner")).isEqualTo((long) owner);
                }
            });
        }
    }

    @Test
    void secretsAreHidden() {
        try (SessiondClient client = client(true)) {
            IssuedSession issued = client.create(session -> session.attribute("password", "swordfish"));
            String id = issued.id().value();
            SessiondException taken =
                    catchThrowableOfType(SessiondException.class, () -> client.create(session -> session.id(id)));
            SessionLock lock = client.lock(id);
            HandoffTicket ticket = client.issueHandoff(id, "shop", Duration.ofSeconds(5));
            assertThat(List.of(
                            issued,
                            client,
                            client.get(id),
                            taken,
                            taken.metadata(),
                            lock,
                            ticket,
                            NewSession.builder()
                                    .id(id)
                                    .attribute("a", "swordfish")
                                    .build(),
                            client.async().get(id),
                            client.async()))
                    .allSatisfy(shown -> assertThat(shown.toString())
                            .doesNotContain(id)
                            .doesNotContain("swordfish")
                            .doesNotContain(lock.token().value())
                            .doesNotContain(ticket.ticket().value()));
        }
    }

    @Test
    void blockingInTheIoThreadIsRefused() throws Exception {
        try (SessiondClient client = client(true)) {
            String id = client.create().id().value();
            SessionLock held = client.lock(id, LockOptions.DEFAULT);
            // The answer waits for the lock: it can't be there before the stage that depends on it.
            CompletableFuture<Session> future = client.async()
                    .lock(id, LockOptions.DEFAULT.waitUpTo(Duration.ofSeconds(10)))
                    .thenApply(lock -> client.get(id));
            held.unlock();
            assertThatThrownBy(future::get)
                    .isInstanceOf(ExecutionException.class)
                    .hasCauseInstanceOf(IllegalStateException.class);
        }
    }

    @Test
    void futuresCompleteInTheExecutor() {
        try (SessiondClient client = TestServer.shared()
                .client()
                .completionExecutor(task -> new Thread(task, "completes").start())
                .build()) {
            String id = client.create().id().value();
            CompletableFuture<String> name = client.async()
                    .get(id)
                    .thenApply(session -> Thread.currentThread().getName());
            assertThat(name.join()).isIn("completes", Thread.currentThread().getName());
        }
    }

    @Test
    void interruptedCaller() {
        try (SessiondClient client = client(true)) {
            Thread.currentThread().interrupt();
            assertThatThrownBy(client::create)
                    .isInstanceOfSatisfying(
                            SessiondException.class, e -> assertThat(e.reason()).isEqualTo(Reason.CANCELED));
            assertThat(Thread.interrupted()).isTrue();
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void closedClient(boolean fastLane) {
        SessiondClient client = client(fastLane);
        client.create();
        client.close();
        assertThatThrownBy(client::create)
                .isInstanceOfSatisfying(
                        SessiondException.class, e -> assertThat(e.reason()).isEqualTo(Reason.CANCELED));
    }
}
