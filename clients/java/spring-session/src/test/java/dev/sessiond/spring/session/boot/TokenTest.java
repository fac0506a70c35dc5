package dev.sessiond.spring.session.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.sessiond.client.PermissionDeniedException;
import dev.sessiond.client.SessiondClient;
import dev.sessiond.client.UnauthenticatedException;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondServer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.actuate.autoconfigure.context.properties.ConfigurationPropertiesReportEndpointAutoConfiguration;
import org.springframework.boot.actuate.autoconfigure.env.EnvironmentEndpointAutoConfiguration;
import org.springframework.boot.actuate.context.properties.ConfigurationPropertiesReportEndpoint;
import org.springframework.boot.actuate.env.EnvironmentEndpoint;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.session.autoconfigure.SessionAutoConfiguration;
import org.springframework.boot.test.context.assertj.AssertableWebApplicationContext;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;
import org.springframework.boot.test.system.CapturedOutput;
import org.springframework.boot.test.system.OutputCaptureExtension;
import org.springframework.core.env.SystemEnvironmentPropertySource;
import tools.jackson.databind.json.JsonMapper;

/** The token, as Spring Boot sets it, against a server with access rules. */
@ExtendWith(OutputCaptureExtension.class)
class TokenTest {

    private static final String PREFIX = "spring.session.sessiond.";
    private static final String SECRET = "sdt_abcdefgh_XYZZYXYZZY";

    @TempDir
    static Path folder;

    private static SessiondServer server;
    private static String token;

    private final WebApplicationContextRunner runner = new WebApplicationContextRunner()
            .withConfiguration(AutoConfigurations.of(
                    SessiondSessionAutoConfiguration.class,
                    SessiondSanitizingAutoConfiguration.class,
                    SessionAutoConfiguration.class,
                    ConfigurationPropertiesReportEndpointAutoConfiguration.class,
                    EnvironmentEndpointAutoConfiguration.class))
            .withPropertyValues(
                    PREFIX + "events.enabled=false",
                    PREFIX + "namespace=shop",
                    // More patience than a busy machine needs.
                    PREFIX + "call-timeout=20s",
                    PREFIX + "address=" + server.address(),
                    "management.endpoints.web.exposure.include=*",
                    "management.endpoint.env.show-values=always",
                    "management.endpoint.configprops.show-values=always");

    @BeforeAll
    static void start() throws Exception {
        Path rules = Files.writeString(folder.resolve("access.toml"), """
                [caller.shop]
                allow = [{ namespaces = ["shop"], may = ["application"] }]
                """);
        Path tokens = folder.resolve("tokens");
        token = SessiondServer.run("token", "create", "--access-tokens", tokens.toString(), "shop")
                .strip();
        server = new SessiondServer("--access-file", rules.toString(), "--access-tokens", tokens.toString());
    }

    @AfterAll
    static void close() {
        server.close();
    }

    private static void save(AssertableWebApplicationContext context) {
        var repository = context.getBean(SessiondIndexedSessionRepository.class);
        var session = repository.createSession();
        session.setAttribute("theme", "dark");
        repository.save(session);
        assertThat((Object) repository.findById(session.getId()).getAttribute("theme"))
                .isEqualTo("dark");
    }

    @Test
    void aFileOrAToken() throws Exception {
        Path file = Files.writeString(folder.resolve("token"), token + "\n");
        runner.withPropertyValues(PREFIX + "token-file=" + file).run(TokenTest::save);
        runner.withPropertyValues(PREFIX + "token=" + token).run(TokenTest::save);
        runner.run(context -> assertThatThrownBy(() -> save(context)).isInstanceOf(UnauthenticatedException.class));
        runner.withPropertyValues(PREFIX + "token=" + token, PREFIX + "namespace=blog")
                .run(context -> assertThatThrownBy(() -> save(context)).isInstanceOf(PermissionDeniedException.class));
    }

    @ParameterizedTest
    @CsvSource({
        "/missing, '', the token file /missing can't be read",
        "/missing, secret, a token file and a token are both set; use one",
        "'', secret one, the token is none",
        "sdt_secret, '', a token stands where the path of the token file belongs"
    })
    void aWrongSettingIsNamed(String tokenFile, String wrong, String says) {
        runner.withPropertyValues(PREFIX + "token-file=" + tokenFile, PREFIX + "token=" + wrong)
                .run(context -> {
                    assertThat(context).hasFailed();
                    assertThat(context.getStartupFailure()).rootCause().hasMessageContainingAll(PREFIX + "token", says);
                    for (Throwable e = context.getStartupFailure(); e != null; e = e.getCause()) {
                        assertThat(e.toString()).doesNotContain("secret");
                    }
                });
    }

    @EnableAutoConfiguration
    static class Application {}

    /** Of a property that it names Spring Boot shows the value, wherever it is set. */
    @ParameterizedTest
    @CsvSource({"token-file, sdt_secret", "token, secret one"})
    void aTokenIsNotShownWhenTheApplicationCantStart(String name, String value, CapturedOutput output) {
        assertThatThrownBy(() -> new SpringApplication(Application.class)
                        .run("--server.port=0", "--" + PREFIX + name + "=" + value))
                .isNotNull();
        assertThat(output.getAll())
                .contains("APPLICATION FAILED TO START", PREFIX + "token, or token-file")
                .doesNotContain("secret");
    }

    /** Boot's processor takes what stands first behind "@param token". */
    @Test
    void theMetadataDescribesBothProperties() {
        var metadata = new JsonMapper()
                .readTree(getClass().getResourceAsStream("/META-INF/spring-configuration-metadata.json"));
        var descriptions = new HashMap<String, String>();
        metadata.get("properties")
                .forEach(property -> descriptions.put(
                        property.get("name").asString(),
                        property.path("description").asString()));
        assertThat(descriptions.get(PREFIX + "token"))
                .startsWith("Token by which")
                .contains("SESSIOND_TOKEN");
        assertThat(descriptions.get(PREFIX + "token-file"))
                .startsWith("File whose first line")
                .contains("SESSIOND_TOKEN_FILE");
    }

    @Test
    void aTokenIsHidden(CapturedOutput output) {
        Map<String, Object> variables = Map.of(
                "SPRING_SESSION_SESSIOND_TOKEN",
                SECRET,
                "SESSIOND_TOKEN",
                "other-XYZZY",
                "COMMAND",
                "--token=" + SECRET);
        runner.withPropertyValues(PREFIX + "token=other-XYZZY")
                .withInitializer(context -> context.getEnvironment()
                        .getPropertySources()
                        .addLast(new SystemEnvironmentPropertySource("variables", variables)))
                .run(context -> {
                    JsonMapper json = new JsonMapper();
                    String properties =
                            json.writeValueAsString(context.getBean(ConfigurationPropertiesReportEndpoint.class)
                                    .configurationProperties());
                    String environment = json.writeValueAsString(
                            context.getBean(EnvironmentEndpoint.class).environment(null));
                    assertThat(properties)
                            .contains(server.address(), "\"token\":\"******\"")
                            .doesNotContain("XYZZY");
                    assertThat(environment)
                            .contains(server.address(), "SESSIOND_TOKEN", "COMMAND")
                            .doesNotContain("XYZZY");
                    assertThat(context.getBean(SessiondSessionProperties.class).toString())
                            .contains("namespace=shop", "token=[hidden]")
                            .doesNotContain("XYZZY");
                    assertThat(context.getBean(SessiondClient.class).toString()).doesNotContain("XYZZY");
                });
        assertThat(output.getAll()).doesNotContain("XYZZY");
    }
}
