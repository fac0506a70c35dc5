package dev.sessiond.spring.session.boot;

import dev.sessiond.client.ReadOptions;
import dev.sessiond.client.SessionNotFoundException;
import dev.sessiond.client.SessiondClient;
import org.springframework.boot.health.contributor.AbstractHealthIndicator;
import org.springframework.boot.health.contributor.Health;

/**
 * Tells whether sessions can be read: it is up if the store answers a read, which it makes in the way of every request. After the
 * client's timeout at the latest it is down.
 */
public final class SessiondHealthIndicator extends AbstractHealthIndicator {

    /** There is no such session. */
    private static final String NOBODY = "health-check-of-spring-session";

    private final SessiondClient client;

    /**
     * Makes an indicator.
     *
     * @param client the client of the store
     */
    public SessiondHealthIndicator(SessiondClient client) {
        super("The session store is out of reach");
        this.client = client;
    }

    @Override
    protected void doHealthCheck(Health.Builder builder) {
        try {
            client.get(NOBODY, ReadOptions.PEEK.omitAttributes());
        } catch (SessionNotFoundException e) {
            // This is the answer of a store that works.
        }
        builder.up();
    }
}
