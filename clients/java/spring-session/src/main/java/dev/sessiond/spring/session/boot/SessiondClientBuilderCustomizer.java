package dev.sessiond.spring.session.boot;

import dev.sessiond.client.SessiondClient;

/** Changes the client that the auto-configuration makes, after the properties. */
@FunctionalInterface
public interface SessiondClientBuilderCustomizer {

    /**
     * Changes the client.
     *
     * @param builder its builder, as the properties have set it
     */
    void customize(SessiondClient.Builder builder);
}
