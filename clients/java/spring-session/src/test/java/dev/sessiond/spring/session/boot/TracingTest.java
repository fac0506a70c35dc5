package dev.sessiond.spring.session.boot;

import static org.assertj.core.api.Assertions.assertThat;
import static org.mockito.Mockito.mock;
import static org.mockito.Mockito.when;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondServer;
import io.micrometer.tracing.Span;
import io.micrometer.tracing.TraceContext;
import io.micrometer.tracing.Tracer;
import io.micrometer.tracing.propagation.Propagator;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.AutoConfigurations;
import org.springframework.boot.session.autoconfigure.SessionAutoConfiguration;
import org.springframework.boot.test.context.FilteredClassLoader;
import org.springframework.boot.test.context.assertj.AssertableWebApplicationContext;
import org.springframework.boot.test.context.runner.WebApplicationContextRunner;

/** The trace of Micrometer's current span, as the server sees it. */
class TracingTest {

    private static final String PREFIX = "spring.session.sessiond.";
    private static final String TRACE = "4bf92f3577b34da6a3ce929d0e0e4736";

    private static SessiondServer server;

    private final String namespace = SessiondServer.namespace();
    private final WebApplicationContextRunner runner = new WebApplicationContextRunner()
            .withConfiguration(AutoConfigurations.of(
                    SessiondSessionAutoConfiguration.class,
                    SessiondTracingAutoConfiguration.class,
                    SessionAutoConfiguration.class))
            .withPropertyValues(
                    PREFIX + "events.enabled=false",
                    PREFIX + "namespace=" + namespace,
                    PREFIX + "call-timeout=20s",
                    PREFIX + "address=" + server.address());

    @BeforeAll
    static void start() {
        server = new SessiondServer("--access-log", "--log-format", "json");
    }

    @AfterAll
    static void close() {
        server.close();
    }

    /** Makes a call, and answers its line in the server's log. */
    private String lineOfCall(AssertableWebApplicationContext context) {
        assertThat(context).hasNotFailed();
        context.getBean(SessiondIndexedSessionRepository.class).findById("no-such-session-0000");
        return Awaitility.await()
                .atMost(Duration.ofSeconds(20))
                .until(
                        () -> server.readLog()
                                .lines()
                                .filter(line -> line.endsWith("}") && line.contains("\"" + namespace + "\""))
                                .findFirst()
                                .orElse(""),
                        line -> !line.isEmpty());
    }

    @Test
    void aCallCarriesTheCurrentSpan() {
        TraceContext context = mock();
        Span span = mock();
        when(span.context()).thenReturn(context);
        Tracer tracer = mock();
        when(tracer.currentSpan()).thenReturn(span);
        runner.withBean(Tracer.class, () -> tracer)
                .withBean(Propagator.class, () -> new W3c(context))
                .run(running -> assertThat(lineOfCall(running)).contains("\"trace_id\":\"" + TRACE + "\""));
    }

    @Test
    void withoutASpanThereIsNone() {
        Tracer tracer = mock();
        runner.withBean(Tracer.class, () -> tracer)
                .withBean(Propagator.class, () -> new W3c(null))
                .run(running -> assertThat(lineOfCall(running)).doesNotContain("trace_id"));
    }

    @Test
    void withoutTracingNothingIsMissing() {
        runner.run(running -> assertThat(lineOfCall(running)).doesNotContain("trace_id"));
        runner.withClassLoader(new FilteredClassLoader("io.micrometer.tracing"))
                .run(running -> assertThat(running).hasNotFailed().hasSingleBean(SessiondClient.class));
    }

    @Test
    void aCustomizerOfTheApplicationIsHeard() {
        runner.withBean(
                        SessiondClientBuilderCustomizer.class,
                        () -> builder -> builder.traceContext(() -> Map.of("traceparent", W3c.PARENT)))
                .run(running -> assertThat(lineOfCall(running)).contains("\"trace_id\":\"" + TRACE + "\""));
    }

    /** Injects one traceparent, if it is asked for the right span. */
    private record W3c(TraceContext expected) implements Propagator {

        static final String PARENT = "00-" + TRACE + "-00f067aa0ba902b7-01";

        @Override
        public List<String> fields() {
            return List.of("traceparent");
        }

        @Override
        public <C> void inject(TraceContext context, C carrier, Setter<C> setter) {
            assertThat(context).isSameAs(expected);
            setter.set(carrier, "traceparent", PARENT);
        }

        @Override
        public <C> Span.Builder extract(C carrier, Getter<C> getter) {
            throw new UnsupportedOperationException();
        }
    }
}
