package dev.sessiond.demo;

import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.util.Optional;
import java.util.function.Supplier;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.DeferredSecurityContext;
import org.springframework.security.core.context.SecurityContext;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.web.context.HttpRequestResponseHolder;
import org.springframework.security.web.context.SecurityContextRepository;
import org.springframework.session.FindByIndexNameSessionRepository;
import org.springframework.stereotype.Component;

/**
 * Who is logged in is who the session belongs to in the store, whichever site they logged in at. Spring Security's own repository
 * keeps a serialized object in the session, which no other language reads.
 */
@Component
class PrincipalRepository implements SecurityContextRepository {

    private final SessiondIndexedSessionRepository sessions;

    PrincipalRepository(SessiondIndexedSessionRepository sessions) {
        this.sessions = sessions;
    }

    /** The session of a request, which Spring Session loads when it is first asked for. */
    Optional<SessiondSession> sessionOf(HttpServletRequest request) {
        return request.getSession(false) == null ? Optional.empty() : sessions.findCurrent();
    }

    @Override
    public DeferredSecurityContext loadDeferredContext(HttpServletRequest request) {
        return new Deferred(() -> load(request));
    }

    private SecurityContext load(HttpServletRequest request) {
        SecurityContext context = SecurityContextHolder.createEmptyContext();
        sessionOf(request)
                .flatMap(SessiondSession::getPrincipal)
                .map(principal -> UsernamePasswordAuthenticationToken.authenticated(
                        principal, null, AuthorityUtils.createAuthorityList("ROLE_USER")))
                .ifPresent(context::setAuthentication);
        return context;
    }

    @Override
    @SuppressWarnings("removal")
    @Deprecated
    public SecurityContext loadContext(HttpRequestResponseHolder holder) {
        return load(holder.getRequest());
    }

    /** Makes the session the user's when it is saved. */
    @Override
    public void saveContext(SecurityContext context, HttpServletRequest request, HttpServletResponse response) {
        if (context.getAuthentication() != null) {
            request.getSession()
                    .setAttribute(
                            FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME,
                            context.getAuthentication().getName());
        }
    }

    @Override
    public boolean containsContext(HttpServletRequest request) {
        return sessionOf(request).flatMap(SessiondSession::getPrincipal).isPresent();
    }

    /** A context that is loaded when it is first asked for. */
    private static final class Deferred implements DeferredSecurityContext {
        private final Supplier<SecurityContext> loader;
        private SecurityContext loaded;

        private Deferred(Supplier<SecurityContext> loader) {
            this.loader = loader;
        }

        @Override
        public SecurityContext get() {
            if (loaded == null) {
                loaded = loader.get();
            }
            return loaded;
        }

        @Override
        public boolean isGenerated() {
            return get().getAuthentication() == null;
        }
    }
}
