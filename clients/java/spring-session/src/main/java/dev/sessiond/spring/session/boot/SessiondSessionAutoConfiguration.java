package dev.sessiond.spring.session.boot;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.AllowedClasses;
import dev.sessiond.spring.session.RandomSessionIdGenerator;
import dev.sessiond.spring.session.ReactiveSessiondSessionRepository;
import dev.sessiond.spring.session.ResumeTokenStore;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.UnavailableStoreFilter;
import dev.sessiond.spring.session.UnavailableStoreHandler;
import dev.sessiond.spring.session.config.SessiondHttpSessionConfiguration;
import dev.sessiond.spring.session.config.SessiondWebSessionConfiguration;
import java.nio.file.Path;
import java.util.List;
import org.springframework.beans.factory.BeanFactory;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.AutoConfigurationPackages;
import org.springframework.boot.autoconfigure.condition.ConditionalOnBooleanProperty;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.boot.autoconfigure.condition.ConditionalOnMissingBean;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication;
import org.springframework.boot.autoconfigure.condition.ConditionalOnWebApplication.Type;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.session.autoconfigure.DefaultCookieSerializerCustomizer;
import org.springframework.boot.session.autoconfigure.SessionProperties;
import org.springframework.boot.session.autoconfigure.SessionTimeout;
import org.springframework.boot.ssl.SslBundles;
import org.springframework.boot.web.servlet.FilterRegistrationBean;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.Import;
import org.springframework.core.Ordered;
import org.springframework.core.annotation.Order;
import org.springframework.core.env.Environment;
import org.springframework.session.ReactiveSessionRepository;
import org.springframework.session.Session;
import org.springframework.session.SessionIdGenerator;
import org.springframework.session.SessionRepository;
import org.springframework.session.config.ReactiveSessionRepositoryCustomizer;
import org.springframework.session.config.SessionRepositoryCustomizer;
import org.springframework.web.server.session.CookieWebSessionIdResolver;
import org.springframework.web.server.session.WebSessionIdResolver;

/**
 * Keeps the sessions of a web application in sessiond, unless it has a repository of its own. Spring Boot 3 has no {@link
 * SessionTimeout}: there it stands back, and {@code @EnableSessiondHttpSession} does the same.
 */
@AutoConfiguration(
        beforeName = {
            "org.springframework.boot.session.autoconfigure.SessionAutoConfiguration",
            "org.springframework.boot.session.data.redis.autoconfigure.SessionDataRedisAutoConfiguration",
            "org.springframework.boot.session.jdbc.autoconfigure.JdbcSessionAutoConfiguration",
            "org.springframework.boot.webflux.autoconfigure.HttpHandlerAutoConfiguration",
            "org.springframework.boot.webflux.autoconfigure.WebFluxAutoConfiguration"
        },
        afterName = "org.springframework.boot.webflux.autoconfigure.WebSessionIdResolverAutoConfiguration")
@ConditionalOnClass({Session.class, SessionTimeout.class})
@ConditionalOnWebApplication
@ConditionalOnMissingBean({SessionRepository.class, ReactiveSessionRepository.class})
@EnableConfigurationProperties(SessiondSessionProperties.class)
public final class SessiondSessionAutoConfiguration {

    SessiondSessionAutoConfiguration() {}

    @Bean
    SessiondSettings sessiondSettings(SessiondSessionProperties properties, ObjectProvider<SslBundles> bundles) {
        return new SessiondSettings(properties, bundles);
    }

    @Bean
    @ConditionalOnMissingBean
    SessiondClient sessiondClient(
            SessiondSettings settings, ObjectProvider<SessiondClientBuilderCustomizer> customizers) {
        return settings.client(customizers);
    }

    @Bean
    @ConditionalOnMissingBean
    AllowedClasses sessiondAllowedClasses(SessiondSettings settings, BeanFactory beans) {
        return settings.allowedClasses(
                AutoConfigurationPackages.has(beans) ? AutoConfigurationPackages.get(beans) : List.of());
    }

    @Bean
    @ConditionalOnMissingBean
    ResumeTokenStore sessiondResumeTokenStore(SessiondSessionProperties properties) {
        Path file = properties.events().resumeFile();
        return file == null ? ResumeTokenStore.inMemory() : ResumeTokenStore.inFile(file);
    }

    /** IDs like those that the store makes, where other frameworks read them too. */
    @Bean
    @ConditionalOnMissingBean
    @ConditionalOnBooleanProperty(name = "spring.session.sessiond.shared-cookie")
    SessionIdGenerator sessiondSessionIdGenerator() {
        return new RandomSessionIdGenerator();
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnWebApplication(type = Type.SERVLET)
    @Import(SessiondHttpSessionConfiguration.class)
    static class ServletConfiguration {

        @Bean
        @Order(Ordered.HIGHEST_PRECEDENCE)
        SessionRepositoryCustomizer<SessiondIndexedSessionRepository> sessiondPropertiesCustomizer(
                SessiondSessionProperties properties, SessiondSettings settings, SessionTimeout timeout) {
            return repository -> {
                if (timeout.getTimeout() != null) {
                    repository.setDefaultMaxInactiveInterval(timeout.getTimeout());
                }
                repository.setAbsoluteTimeout(settings.absoluteTimeout());
                repository.setRotationGrace(settings.rotationGrace());
                repository.setFlushMode(properties.flushMode());
                repository.setSaveMode(properties.saveMode());
                repository.setPublishEvents(properties.events().enabled());
            };
        }

        /** Has the cookie carry the ID as it is. The reactive session's cookie always does. */
        @Bean
        @Order(Ordered.HIGHEST_PRECEDENCE)
        @ConditionalOnBooleanProperty(name = "spring.session.sessiond.shared-cookie")
        DefaultCookieSerializerCustomizer sessiondSharedCookieCustomizer() {
            return serializer -> serializer.setUseBase64Encoding(false);
        }

        /** Stands just before Spring Session's filter. */
        @Bean
        @ConditionalOnBooleanProperty(name = "spring.session.sessiond.answer-unavailable", matchIfMissing = true)
        FilterRegistrationBean<UnavailableStoreFilter> sessiondUnavailableStoreFilter(SessionProperties properties) {
            FilterRegistrationBean<UnavailableStoreFilter> registration =
                    new FilterRegistrationBean<>(new UnavailableStoreFilter());
            registration.setOrder(properties.getServlet().getFilterOrder() - 1);
            return registration;
        }
    }

    @Configuration(proxyBeanMethods = false)
    @ConditionalOnWebApplication(type = Type.REACTIVE)
    @Import(SessiondWebSessionConfiguration.class)
    static class ReactiveConfiguration {

        @Bean
        @Order(Ordered.HIGHEST_PRECEDENCE)
        ReactiveSessionRepositoryCustomizer<ReactiveSessiondSessionRepository> sessiondPropertiesCustomizer(
                SessiondSessionProperties properties, SessiondSettings settings, SessionTimeout timeout) {
            return repository -> {
                if (timeout.getTimeout() != null) {
                    repository.setDefaultMaxInactiveInterval(timeout.getTimeout());
                }
                repository.setAbsoluteTimeout(settings.absoluteTimeout());
                repository.setRotationGrace(settings.rotationGrace());
                repository.setSaveMode(properties.saveMode());
                repository.setPublishEvents(properties.events().enabled());
            };
        }

        /** Spring's cookie is SameSite=Lax; Spring Boot 4.0 takes that away where no property says what it is to be. */
        @Autowired
        void keepSameSite(ObjectProvider<WebSessionIdResolver> resolvers, Environment environment) {
            if (!environment.containsProperty("server.reactive.session.cookie.same-site")
                    && resolvers.getIfUnique() instanceof CookieWebSessionIdResolver resolver) {
                resolver.addCookieInitializer(cookie -> {
                    if (cookie.build().getSameSite() == null) {
                        cookie.sameSite("Lax");
                    }
                });
            }
        }

        @Bean
        @ConditionalOnBooleanProperty(name = "spring.session.sessiond.answer-unavailable", matchIfMissing = true)
        UnavailableStoreHandler sessiondUnavailableStoreHandler() {
            return new UnavailableStoreHandler();
        }
    }
}
