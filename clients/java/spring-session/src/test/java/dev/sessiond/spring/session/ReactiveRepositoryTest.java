package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.client.SessiondClient;
import java.time.Duration;
import java.time.Instant;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.session.ReactiveFindByIndexNameSessionRepository;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/** The scenarios of ReactiveRedisSessionRepositoryITests and ReactiveRedisIndexedSessionRepositoryITests. */
class ReactiveRepositoryTest {

    private static final String PRINCIPAL = ReactiveFindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME;

    private final SessiondClient client = SessiondServer.shared().client();
    private final ReactiveSessiondSessionRepository repository = new ReactiveSessiondSessionRepository(client);

    @AfterEach
    void close() {
        client.close();
    }

    private SessiondSession saved(String name, Object value) {
        SessiondSession session = repository.createSession().block();
        session.setAttribute(name, value);
        repository.save(session).block();
        return session;
    }

    private SessiondSession find(String id) {
        return repository.findById(id).block();
    }

    @Test
    void aSessionIsSavedFoundAndDeleted() {
        SessiondSession session = saved("a", "b");
        assertThat(find(session.getId()).<String>getAttribute("a")).isEqualTo("b");
        SessiondSession found = find(session.getId());
        found.setAttribute("1", 2);
        repository.save(found).block();
        assertThat(find(session.getId()).getAttributeNames()).containsExactlyInAnyOrder("a", "1");
        repository.deleteById(session.getId()).block();
        assertThat(find(session.getId())).isNull();
        session.setAttribute("a", "late");
        repository.save(session).block();
        assertThat(find(session.getId())).isNull();
    }

    @Test
    void savesOfOneSessionFollowEachOther() {
        SessiondSession session = repository.createSession().block();
        session.setAttribute("attribute1", "value1");
        Mono<Void> first = repository.save(session);
        session.setAttribute("attribute2", "value2");
        Mono<Void> second = repository.save(session);
        Mono.when(first, second).block();
        assertThat(find(session.getId()).getAttributeNames()).hasSize(2);
    }

    @Test
    void nothingIsSavedBeforeSomebodySubscribes() {
        SessiondSession session = repository.createSession().block();
        Mono<Void> save = repository.save(session);
        assertThat(find(session.getId())).isNull();
        save.block();
        assertThat(find(session.getId())).isNotNull();
    }

    @Test
    void changingTheIdKeepsTheSession() {
        SessiondSession session = saved("a", "b");
        String old = session.getId();
        session.changeSessionId();
        String changed = session.changeSessionId();
        repository.save(session).then(repository.save(session)).block();
        assertThat(find(old)).isNull();
        assertThat(find(changed).<String>getAttribute("a")).isEqualTo("b");
    }

    @Test
    void ofTwoChangesOfTheIdOneWins() {
        String old = saved("a", "b").getId();
        SessiondSession first = find(old);
        SessiondSession second = find(old);
        first.changeSessionId();
        second.changeSessionId();
        Mono.when(repository.save(first), repository.save(second)).block();
        assertThat(find(old)).isNull();
        assertThat(Flux.just(first.getId(), second.getId())
                        .flatMap(repository::findById)
                        .count()
                        .block())
                .isEqualTo(1);
    }

    @Test
    void aPrincipalIsFoundByHandle() {
        SessiondSession session = saved(PRINCIPAL, "ada");
        var found = repository.findByPrincipalName("ada").block();
        assertThat(found).hasSize(1);
        String id = found.keySet().iterator().next();
        assertThat(id).startsWith("handle:");
        assertThat(find(id).<String>getAttribute(PRINCIPAL)).isEqualTo("ada");
        assertThat(new ReactiveRequestSessions(repository).findById(id).block()).isNull();
        repository.deleteById(id).block();
        assertThat(find(session.getId())).isNull();
        assertThat(repository.findByPrincipalName("ada").block()).isEmpty();
        assertThat(repository.findByIndexNameAndIndexValue("other", "ada").block())
                .isEmpty();
    }

    @Test
    void theRequestsOwnSessionHasItsId() {
        SessiondSession own = saved(PRINCIPAL, "grace");
        saved(PRINCIPAL, "grace");
        var found = new ReactiveRequestSessions(repository)
                .findById(own.getId())
                .then(repository.findByPrincipalName("grace"))
                .contextWrite(CurrentRequestFilter::begin)
                .block();
        assertThat(found).hasSize(2).containsKey(own.getId());
        assertThat(repository.findByPrincipalName("grace").block()).hasSize(2).doesNotContainKey(own.getId());
    }

    @Test
    void strangeIdsNameNoSession() {
        for (String id : new String[] {"", "1", "handle:", "handle:nobody", "\ud800"}) {
            assertThat(find(id)).isNull();
            repository.deleteById(id).block();
        }
    }

    @Test
    void noThreadIsBlocked() {
        // Were one blocked, a thread of this scheduler would throw.
        SessiondSession session = Mono.defer(() -> repository.createSession().flatMap(made -> {
                    made.setAttribute("a", "b");
                    made.setLastAccessedTime(Instant.now());
                    return repository.save(made).then(repository.findById(made.getId()));
                }))
                .subscribeOn(Schedulers.parallel())
                .block(Duration.ofSeconds(10));
        assertThat(session.<String>getAttribute("a")).isEqualTo("b");
    }

    @Test
    void sixtyFourSavesOfOtherAttributesAllWin() {
        String id = saved("a", "b").getId();
        Flux.fromStream(IntStream.range(0, 64).boxed())
                .flatMap(
                        i -> repository.findById(id).flatMap(copy -> {
                            copy.setAttribute("attribute" + i, i);
                            return repository.save(copy);
                        }),
                        64)
                .blockLast();
        assertThat(find(id).getAttributeNames()).hasSize(65);
    }
}
