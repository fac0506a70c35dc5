package dev.sessiond.spring.session;

import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import java.util.function.Function;
import org.springframework.session.SessionRepository;
import org.springframework.session.web.http.SessionRepositoryFilter;

/**
 * Spring's filter over the sessions {@linkplain RequestSessions as requests find them}, which it tells when a request begins and
 * ends.
 */
public final class SessiondSessionRepositoryFilter extends SessionRepositoryFilter<SessiondSession> {

    private final RequestSessions sessions;
    private final SessionRepositoryFilter<?> delegate;

    /**
     * Makes the filter.
     *
     * @param repository where the sessions are kept
     * @param delegate makes Spring's filter over a repository, with its settings for cookies and headers
     */
    public SessiondSessionRepositoryFilter(
            SessiondIndexedSessionRepository repository,
            Function<SessionRepository<SessiondSession>, SessionRepositoryFilter<?>> delegate) {
        super(repository.requestSessions());
        sessions = repository.requestSessions();
        this.delegate = delegate.apply(sessions);
    }

    @Override
    protected void doFilterInternal(HttpServletRequest request, HttpServletResponse response, FilterChain filterChain)
            throws ServletException, IOException {
        RequestSessions.CurrentRequest current = sessions.begin();
        try {
            delegate.doFilter(request, response, filterChain);
        } finally {
            current.close();
        }
    }
}
