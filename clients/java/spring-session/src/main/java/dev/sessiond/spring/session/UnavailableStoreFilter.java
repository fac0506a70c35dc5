package dev.sessiond.spring.session;

import dev.sessiond.client.SessiondTimeoutException;
import dev.sessiond.client.SessiondUnavailableException;
import jakarta.servlet.DispatcherType;
import jakarta.servlet.FilterChain;
import jakarta.servlet.ServletException;
import jakarta.servlet.http.HttpFilter;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import java.io.IOException;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.jspecify.annotations.Nullable;

/**
 * Answers 503, "Service Unavailable", to a request that fails because the store is out of reach. It belongs before Spring Session's
 * filter. An error page of the application is of no use then: it is likely to need the session too.
 */
public final class UnavailableStoreFilter extends HttpFilter {

    private static final long serialVersionUID = 1L;
    private static final Log logger = LogFactory.getLog(UnavailableStoreFilter.class);

    /** Makes the filter. */
    public UnavailableStoreFilter() {}

    @Override
    protected void doFilter(HttpServletRequest request, HttpServletResponse response, FilterChain chain)
            throws IOException, ServletException {
        try {
            chain.doFilter(request, response);
        } catch (RuntimeException | ServletException e) {
            Throwable cause = storeFailure(e);
            if (cause == null || response.isCommitted() || request.getDispatcherType() == DispatcherType.ERROR) {
                throw e;
            }
            logger.warn("A request is answered with status 503: " + cause.getMessage());
            response.reset();
            response.setStatus(HttpServletResponse.SC_SERVICE_UNAVAILABLE);
            response.setHeader("Retry-After", "1");
            response.setContentType("text/plain;charset=UTF-8");
            response.getWriter().print("The session store is out of reach. Please try again.");
        }
    }

    private static @Nullable Throwable storeFailure(Throwable e) {
        Throwable cause = e;
        // Who wraps an exception in itself would have this go on for ever.
        for (int depth = 0; cause != null && depth < 10; depth++) {
            if (cause instanceof SessiondUnavailableException || cause instanceof SessiondTimeoutException) {
                return cause;
            }
            cause = cause.getCause();
        }
        return null;
    }
}
