package dev.sessiond.spring.session.boot;

import dev.sessiond.client.SessiondClient;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.health.autoconfigure.contributor.ConditionalOnEnabledHealthIndicator;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.context.annotation.Bean;

/** Makes the store a part of the application's health, as {@code sessiond}. */
@AutoConfiguration(after = SessiondSessionAutoConfiguration.class)
@ConditionalOnClass({HealthIndicator.class, ConditionalOnEnabledHealthIndicator.class})
@ConditionalOnBean(SessiondClient.class)
@ConditionalOnEnabledHealthIndicator("sessiond")
public final class SessiondHealthAutoConfiguration {

    SessiondHealthAutoConfiguration() {}

    @Bean
    @ConditionalOnMissingBean(name = "sessiondHealthIndicator")
    SessiondHealthIndicator sessiondHealthIndicator(SessiondClient client) {
        return new SessiondHealthIndicator(client);
    }
}
