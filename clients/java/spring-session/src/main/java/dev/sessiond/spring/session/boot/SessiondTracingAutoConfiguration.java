package dev.sessiond.spring.session.boot;

import io.micrometer.tracing.Span;
import io.micrometer.tracing.Tracer;
import io.micrometer.tracing.propagation.Propagator;
import java.util.HashMap;
import java.util.Map;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.context.annotation.Bean;

/** Has calls to the store carry the trace of Micrometer's current span, where the application is traced. */
@AutoConfiguration
@ConditionalOnClass({Tracer.class, Propagator.class})
public final class SessiondTracingAutoConfiguration {

    SessiondTracingAutoConfiguration() {}

    @Bean
    SessiondClientBuilderCustomizer sessiondTracingCustomizer(
            ObjectProvider<Tracer> tracers, ObjectProvider<Propagator> propagators) {
        return builder -> {
            Tracer tracer = tracers.getIfUnique();
            Propagator propagator = propagators.getIfUnique();
            if (tracer != null && propagator != null) {
                builder.traceContext(() -> current(tracer, propagator));
            }
        };
    }

    private static Map<String, String> current(Tracer tracer, Propagator propagator) {
        Span span = tracer.currentSpan();
        if (span == null) {
            return Map.of();
        }
        Map<String, String> carrier = new HashMap<>();
        propagator.inject(span.context(), carrier, Map::put);
        return carrier;
    }
}
