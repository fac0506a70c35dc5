package dev.sessiond.spring.session.boot;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondServer;
import dev.sessiond.spring.session.TestCertificates;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.ssl.SslAutoConfiguration;
import org.springframework.boot.context.properties.source.InvalidConfigurationPropertyValueException;
import org.springframework.boot.session.autoconfigure.SessionAutoConfiguration;
import org.springframework.boot.test.context.assertj.AssertableWebApplicationContext;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;

/** Sessions over TLS, with the settings of Spring Boot, against a server that asks for a certificate. */
class TlsTest {

    private static final String PREFIX = "spring.session.sessiond.";

    @TempDir
    static Path folder;

    private static TestCertificates certificates;
    private static SessiondServer server;

    private final WebApplicationContextRunner runner = new WebApplicationContextRunner()
            .withConfiguration(AutoConfigurations.of(
                    SessiondSessionAutoConfiguration.class, SessionAutoConfiguration.class, SslAutoConfiguration.class))
            .withPropertyValues(
                    PREFIX + "events.enabled=false",
                    PREFIX + "namespace=" + SessiondServer.namespace(),
                    // More patience than a busy machine needs.
                    PREFIX + "call-timeout=20s",
                    PREFIX + "address=" + server.address());

    @BeforeAll
    static void start() {
        certificates = new TestCertificates(folder);
        server = new SessiondServer(certificates);
    }

    @AfterAll
    static void close() {
        server.close();
    }

    private WebApplicationContextRunner withFiles() {
        return runner.withPropertyValues(
                PREFIX + "tls.ca-file=" + certificates.file("ca"),
                PREFIX + "tls.certificate-file=" + certificates.file("client"),
                PREFIX + "tls.key-file=file:" + certificates.file("client-key"));
    }

    private WebApplicationContextRunner withBundle() {
        return runner.withPropertyValues(
                "spring.ssl.bundle.pem.store.truststore.certificate=file:" + certificates.file("ca"),
                "spring.ssl.bundle.pem.store.keystore.certificate=file:" + certificates.file("client"),
                "spring.ssl.bundle.pem.store.keystore.private-key=file:" + certificates.file("client-key"),
                PREFIX + "ssl.bundle=store");
    }

    private static void assertSaves(AssertableWebApplicationContext context) {
        var repository = context.getBean(SessiondIndexedSessionRepository.class);
        var session = repository.createSession();
        session.setAttribute("theme", "dark");
        repository.save(session);
        assertThat((Object) repository.findById(session.getId()).getAttribute("theme"))
                .isEqualTo("dark");
    }

    private static void assertFails(AssertableWebApplicationContext context, String name, String says) {
        assertThat(context).hasFailed();
        assertThat(context.getStartupFailure())
                .hasRootCauseInstanceOf(InvalidConfigurationPropertyValueException.class)
                .rootCause()
                .hasMessageContaining("Property " + PREFIX + name + " with")
                .extracting("reason")
                .asString()
                .contains(says);
    }

    @Test
    void files() {
        withFiles().run(TlsTest::assertSaves);
        withFiles().withPropertyValues(PREFIX + "tls.server-name=sessiond.test").run(TlsTest::assertSaves);
    }

    @Test
    void aBundle() {
        withBundle().run(TlsTest::assertSaves);
        withBundle()
                .withPropertyValues(
                        "spring.ssl.bundle.pem.store.options.enabled-protocols=TLSv1.2",
                        PREFIX + "tls.server-name=sessiond.test")
                .run(TlsTest::assertSaves);
    }

    @Test
    void aWrongSettingIsNamed() {
        withFiles()
                .withPropertyValues(PREFIX + "tls.key-file=" + certificates.file("server-key"))
                .run(context -> assertFails(context, "tls", certificates.file("server-key") + " holds"));
        withFiles()
                .withPropertyValues(PREFIX + "tls.key-file=")
                .run(context -> assertFails(context, "tls", "a certificate file needs a key file"));
        withFiles()
                .withPropertyValues(PREFIX + "address=127.0.0.1:1")
                .run(context -> assertFails(context, "tls", "TLS settings need an https:// address"));
        withBundle()
                .withPropertyValues(PREFIX + "address=127.0.0.1:1")
                .run(context -> assertFails(context, "ssl.bundle", "TLS settings need an https:// address"));
        withBundle()
                .withPropertyValues(PREFIX + "ssl.bundle=other")
                .run(context -> assertFails(context, "ssl.bundle", "'other'"));
        withBundle()
                .withPropertyValues(PREFIX + "tls.ca-file=" + certificates.file("ca"))
                .run(context -> assertFails(context, "ssl.bundle", "set either"));
        withFiles()
                .withPropertyValues(PREFIX + "address=https://store")
                .run(context -> assertFails(context, "address", "the port is missing"));
    }
}
