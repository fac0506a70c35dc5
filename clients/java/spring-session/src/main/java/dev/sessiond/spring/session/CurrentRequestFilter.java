package dev.sessiond.spring.session;

import java.util.Optional;
import org.jspecify.annotations.Nullable;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebFilter;
import org.springframework.web.server.WebFilterChain;
import reactor.core.publisher.Mono;
import reactor.util.context.Context;
import reactor.util.context.ContextView;

/** Has the reactive repository know which session a request has, so that it can show that one under its own ID. */
@Order(Ordered.HIGHEST_PRECEDENCE)
public final class CurrentRequestFilter implements WebFilter {

    /** Makes the filter. */
    public CurrentRequestFilter() {}

    /** A request, and the session that it has. */
    private static final class CurrentRequest {
        private volatile @Nullable SessiondSession session;
    }

    @Override
    public Mono<Void> filter(ServerWebExchange exchange, WebFilterChain chain) {
        return chain.filter(exchange).contextWrite(CurrentRequestFilter::begin);
    }

    /** Begins a request in a context. */
    static Context begin(Context context) {
        return context.put(CurrentRequest.class, new CurrentRequest());
    }

    /** The ID of the session of the request in a context, if that session has this handle. */
    static Optional<String> idOf(ContextView context, String handle) {
        return context.<CurrentRequest>getOrEmpty(CurrentRequest.class)
                .map(request -> request.session)
                .filter(session -> session.getHandle().filter(handle::equals).isPresent())
                .map(SessiondSession::getId);
    }

    /** Notes a session as that of the request in whose context it is found. */
    static Mono<SessiondSession> note(Mono<SessiondSession> found) {
        return Mono.deferContextual(
                context -> found.doOnNext(session -> context.<CurrentRequest>getOrEmpty(CurrentRequest.class)
                        .ifPresent(request -> request.session = session)));
    }
}
