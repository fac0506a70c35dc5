package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME;

import dev.sessiond.client.SessiondClient;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.session.Session;
import org.springframework.session.events.AbstractSessionEvent;
import org.springframework.session.events.SessionCreatedEvent;
import org.springframework.session.events.SessionDeletedEvent;
import org.springframework.session.events.SessionExpiredEvent;

class EventsTest {

    private final SessiondServer server = new SessiondServer();
    private final SessiondClient client = server.client();
    private final SessiondIndexedSessionRepository repository = new SessiondIndexedSessionRepository(client);
    private final List<AbstractSessionEvent> events = new CopyOnWriteArrayList<>();

    @AfterEach
    void close() {
        client.close();
        server.close();
    }

    private SessionEventPublisher publisher(ResumeTokenStore tokens) {
        SessionEventPublisher publisher =
                new SessionEventPublisher(repository, event -> events.add((AbstractSessionEvent) event), tokens);
        publisher.start();
        Awaitility.await().until(() -> !tokens.read().isEmpty());
        return publisher;
    }

    private SessiondSession saved(Duration interval) {
        SessiondSession session = repository.createSession();
        session.setMaxInactiveInterval(interval);
        session.setAttribute(PRINCIPAL_NAME_INDEX_NAME, "ada");
        session.setAttribute("visits", 3);
        repository.save(session);
        return session;
    }

    private List<? extends Class<?>> eventsOf(SessiondSession session) {
        return events.stream()
                .filter(event -> event.getSessionId()
                        .equals("handle:" + session.getHandle().orElseThrow()))
                .map(Object::getClass)
                .toList();
    }

    private void await(SessiondSession session, Class<?>... wanted) {
        Awaitility.await()
                .atMost(Duration.ofSeconds(30))
                .until(() -> eventsOf(session).equals(List.of(wanted)));
    }

    @Test
    void eachEventComesOnceWithTheData() {
        SessionEventPublisher publisher = publisher(ResumeTokenStore.inMemory());
        SessiondSession deleted = saved(Duration.ofMinutes(5));
        await(deleted, SessionCreatedEvent.class);
        assertThat(events.get(0).<Session>getSession().<Object>getAttribute("visits"))
                .isEqualTo(3);
        assertThat(events.get(0).getSource()).isSameAs(repository);
        deleted.changeSessionId();
        repository.save(deleted);
        repository.deleteById(deleted.getId());
        SessiondSession expired = saved(Duration.ofMillis(200));
        SessiondSession revoked = saved(Duration.ofMinutes(5));
        client.revokeHandles(List.of(revoked.getHandle().orElseThrow()));
        await(deleted, SessionCreatedEvent.class, SessionDeletedEvent.class);
        await(expired, SessionCreatedEvent.class, SessionExpiredEvent.class);
        await(revoked, SessionCreatedEvent.class, SessionDeletedEvent.class);
        for (AbstractSessionEvent event : events) {
            if (!(event instanceof SessionCreatedEvent)) {
                assertThat(event.<Session>getSession().<Object>getAttribute("visits"))
                        .isEqualTo(3);
                assertThat(event.<Session>getSession().<Object>getAttribute(PRINCIPAL_NAME_INDEX_NAME))
                        .isEqualTo("ada");
            }
        }
        publisher.stop();
        assertThat(publisher.isRunning()).isFalse();
    }

    @Test
    void eventsOfAnotherNamespaceDoNotCome() {
        SessionEventPublisher publisher = publisher(ResumeTokenStore.inMemory());
        try (SessiondClient other = server.client()) {
            SessiondIndexedSessionRepository elsewhere = new SessiondIndexedSessionRepository(other);
            elsewhere.save(elsewhere.createSession());
        }
        await(saved(Duration.ofMinutes(5)), SessionCreatedEvent.class);
        assertThat(events).hasSize(1);
        publisher.stop();
    }

    @Test
    void eventsOutliveTheServer() {
        SessionEventPublisher publisher = publisher(ResumeTokenStore.inMemory());
        SessiondSession before = saved(Duration.ofMillis(500));
        SessiondSession deleted = saved(Duration.ofMinutes(5));
        await(before, SessionCreatedEvent.class);
        await(deleted, SessionCreatedEvent.class);
        server.kill();
        server.start();
        SessiondSession after = saved(Duration.ofMinutes(5));
        repository.deleteById(deleted.getId());
        await(before, SessionCreatedEvent.class, SessionExpiredEvent.class);
        await(deleted, SessionCreatedEvent.class, SessionDeletedEvent.class);
        await(after, SessionCreatedEvent.class);
        assertThat(events).hasSize(5);
        publisher.stop();
    }

    @Test
    void eventsOutliveTheApplication(@TempDir Path folder) {
        Path file = folder.resolve("token");
        publisher(ResumeTokenStore.inFile(file)).stop();
        SessiondSession missed = saved(Duration.ofMinutes(5));
        repository.deleteById(missed.getId());
        SessionEventPublisher publisher = publisher(ResumeTokenStore.inFile(file));
        await(missed, SessionCreatedEvent.class, SessionDeletedEvent.class);
        publisher.stop();
        publisher = publisher(ResumeTokenStore.inFile(file));
        await(saved(Duration.ofMinutes(5)), SessionCreatedEvent.class);
        assertThat(events).hasSize(3);
        publisher.stop();
    }

    @Test
    void aFailingListenerDoesNotHoldUpOthers() {
        SessionEventPublisher publisher = new SessionEventPublisher(
                repository,
                event -> {
                    events.add((AbstractSessionEvent) event);
                    throw new IllegalStateException("a listener's own fault");
                },
                ResumeTokenStore.inMemory());
        publisher.start();
        SessiondSession first = saved(Duration.ofMinutes(5));
        Awaitility.await().until(() -> {
            saved(Duration.ofMinutes(5));
            return events.size() >= 2;
        });
        assertThat(first.getHandle()).isPresent();
        publisher.stop();
    }
}
