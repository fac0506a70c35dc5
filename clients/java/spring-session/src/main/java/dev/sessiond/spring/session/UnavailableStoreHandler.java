package dev.sessiond.spring.session;

import dev.sessiond.client.SessiondTimeoutException;
import dev.sessiond.client.SessiondUnavailableException;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.core.annotation.Order;
import org.springframework.http.HttpHeaders;
import org.springframework.http.HttpStatus;
import org.springframework.http.server.reactive.ServerHttpResponse;
import org.springframework.web.server.ServerWebExchange;
import org.springframework.web.server.WebExceptionHandler;
import reactor.core.publisher.Mono;

/**
 * Answers 503, "Service Unavailable", to a request of a reactive application that fails because the store is out of reach. It goes
 * before Spring Boot's handler, whose error page is likely to need the session too.
 */
@Order(-2)
public final class UnavailableStoreHandler implements WebExceptionHandler {

    private static final Log logger = LogFactory.getLog(UnavailableStoreHandler.class);

    /** Makes the handler. */
    public UnavailableStoreHandler() {}

    @Override
    public Mono<Void> handle(ServerWebExchange exchange, Throwable failure) {
        ServerHttpResponse response = exchange.getResponse();
        boolean ofStore =
                failure instanceof SessiondUnavailableException || failure instanceof SessiondTimeoutException;
        if (!ofStore || response.isCommitted()) {
            return Mono.error(failure);
        }
        logger.warn("A request is answered with status 503: " + failure.getMessage());
        response.setStatusCode(HttpStatus.SERVICE_UNAVAILABLE);
        response.getHeaders().set(HttpHeaders.RETRY_AFTER, "1");
        return response.setComplete();
    }
}
