package dev.sessiond.spring.session.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.spring.session.AllowedClasses;
import dev.sessiond.spring.session.ReactiveSessiondSessionRepository;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.context.properties.EnableConfigurationProperties;
import org.springframework.boot.context.properties.source.InvalidConfigurationPropertyValueException;
import org.springframework.boot.session.autoconfigure.SessionAutoConfiguration;
import org.springframework.boot.test.context.runner.ReactiveWebApplicationContextRunner;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.web.server.autoconfigure.ServerProperties;
import org.springframework.session.MapSession;
import org.springframework.session.MapSessionRepository;
import org.springframework.session.SessionRepository;
import org.springframework.session.web.http.SessionRepositoryFilter;

/** No server is needed: the client connects at the first call. */
class SettingsTest {

    private static final AutoConfigurations CONFIGURATIONS =
            AutoConfigurations.of(SessiondSessionAutoConfiguration.class, SessionAutoConfiguration.class);

    private final WebApplicationContextRunner runner = new WebApplicationContextRunner()
            .withConfiguration(CONFIGURATIONS)
            .withPropertyValues("spring.session.sessiond.events.enabled=false");

    @EnableConfigurationProperties(ServerProperties.class)
    static class ServerSettings {}

    @Test
    void aServletApplicationHasItsBeans() {
        runner.run(context -> assertThat(context)
                .hasSingleBean(SessiondIndexedSessionRepository.class)
                .hasSingleBean(SessionRepositoryFilter.class)
                .hasBean("sessiondUnavailableStoreFilter"));
    }

    @Test
    void aReactiveApplicationHasItsBeans() {
        new ReactiveWebApplicationContextRunner()
                .withConfiguration(CONFIGURATIONS)
                .withUserConfiguration(ServerSettings.class)
                .withPropertyValues("spring.session.sessiond.events.enabled=false")
                .run(context -> assertThat(context)
                        .hasSingleBean(ReactiveSessiondSessionRepository.class)
                        .hasBean("webSessionManager"));
    }

    @Test
    void anOwnRepositoryGoesFirst() {
        runner.withBean(SessionRepository.class, () -> new MapSessionRepository(new java.util.HashMap<>()))
                .run(context -> assertThat(context).doesNotHaveBean(SessiondIndexedSessionRepository.class));
    }

    @Test
    void listedClassesAreAllowed() {
        runner.withPropertyValues("spring.session.sessiond.allowed-classes=java.net.*")
                .run(context -> assertThat(context.getBean(AllowedClasses.class).allows(java.net.URL.class))
                        .isTrue());
        runner.run(context -> assertThat(context.getBean(AllowedClasses.class).allows(MapSession.class))
                .isFalse());
    }

    @ParameterizedTest
    @CsvSource({
        "address, localhost",
        "address, https://localhost",
        "namespace, UPPER",
        "call-timeout, 0s",
        "absolute-timeout, 4000d",
        "rotation-grace, 2m",
        "allowed-classes, *",
        "allowed-classes, !com.example.Cart"
    })
    void aWrongSettingIsNamed(String name, String value) {
        runner.withPropertyValues("spring.session.sessiond." + name + "=" + value)
                .run(context -> {
                    assertThat(context).hasFailed();
                    assertThat(context.getStartupFailure())
                            .hasRootCauseInstanceOf(InvalidConfigurationPropertyValueException.class)
                            .rootCause()
                            .hasMessageContaining("spring.session.sessiond." + name);
                });
    }
}
