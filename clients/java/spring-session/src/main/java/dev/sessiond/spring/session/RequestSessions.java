package dev.sessiond.spring.session;

import dev.sessiond.client.ReadOptions;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.springframework.session.SessionRepository;

/**
 * The sessions as the requests of visitors find them. They are found by their ID alone, since a handle is no secret. Finding one is
 * an access, so that a request which only reads costs one call. And the repository is told which session a request has, so that it
 * can show that one under its own ID.
 */
final class RequestSessions implements SessionRepository<SessiondSession> {

    private final SessiondIndexedSessionRepository repository;
    private final ThreadLocal<@Nullable CurrentRequest> current = new ThreadLocal<>();

    RequestSessions(SessiondIndexedSessionRepository repository) {
        this.repository = repository;
    }

    /** A request on this thread, until it is closed. */
    final class CurrentRequest implements AutoCloseable {
        private final @Nullable CurrentRequest outer;
        private @Nullable SessiondSession session;

        private CurrentRequest(@Nullable CurrentRequest outer) {
            this.outer = outer;
        }

        @Override
        public void close() {
            current.set(outer);
            if (outer == null) {
                current.remove();
            }
        }
    }

    /** Begins a request on this thread. */
    CurrentRequest begin() {
        CurrentRequest request = new CurrentRequest(current.get());
        current.set(request);
        return request;
    }

    /** The ID of the session of this thread's request, if that session has this handle. */
    Optional<String> idOf(String handle) {
        return Optional.ofNullable(current.get())
                .map(request -> request.session)
                .filter(session -> session.getHandle().filter(handle::equals).isPresent())
                .map(SessiondSession::getId);
    }

    /** The session of this thread's request. */
    Optional<SessiondSession> current() {
        return Optional.ofNullable(current.get()).map(request -> request.session);
    }

    private @Nullable SessiondSession note(@Nullable SessiondSession session) {
        CurrentRequest request = current.get();
        if (request != null) {
            request.session = session;
        }
        return session;
    }

    @Override
    public SessiondSession createSession() {
        SessiondSession session = repository.createSession();
        note(session);
        return session;
    }

    @Override
    public void save(SessiondSession session) {
        repository.save(session);
    }

    @Override
    public @Nullable SessiondSession findById(String id) {
        if (Handles.isMadeOfHandle(id)) {
            return null;
        }
        SessiondSession session = repository.find(id, ReadOptions.TOUCH);
        return note(session == null ? null : session.countAccess());
    }

    @Override
    public void deleteById(String id) {
        repository.deleteById(id);
    }
}
