package dev.sessiond.spring.session;

import dev.sessiond.client.ReadOptions;
import org.springframework.session.ReactiveSessionRepository;
import reactor.core.publisher.Mono;

/**
 * The sessions as the requests of visitors find them. They are found by their ID alone, since a handle is no secret. Finding one is
 * an access, so that a request which only reads costs one call.
 */
public final class ReactiveRequestSessions implements ReactiveSessionRepository<SessiondSession> {

    private final ReactiveSessiondSessionRepository repository;

    /**
     * Makes the view of a repository that the requests of visitors use.
     *
     * @param repository where the sessions are kept
     */
    public ReactiveRequestSessions(ReactiveSessiondSessionRepository repository) {
        this.repository = repository;
    }

    @Override
    public Mono<SessiondSession> createSession() {
        return CurrentRequestFilter.note(repository.createSession());
    }

    @Override
    public Mono<Void> save(SessiondSession session) {
        return repository.save(session);
    }

    @Override
    public Mono<SessiondSession> findById(String id) {
        return Handles.isMadeOfHandle(id)
                ? Mono.empty()
                : CurrentRequestFilter.note(
                        repository.find(id, ReadOptions.TOUCH).map(SessiondSession::countAccess));
    }

    @Override
    public Mono<Void> deleteById(String id) {
        return repository.deleteById(id);
    }
}
