package dev.sessiond.spring.session.boot;

import java.util.Locale;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.actuate.endpoint.SanitizableData;
import org.springframework.boot.actuate.endpoint.SanitizingFunction;
import org.springframework.boot.autoconfigure.AutoConfiguration;
import org.springframework.boot.autoconfigure.condition.ConditionalOnClass;
import org.springframework.context.annotation.Bean;

/** Hides tokens in what the actuator shows of the environment and of properties, also where it is set to show values. */
@AutoConfiguration
@ConditionalOnClass(SanitizingFunction.class)
public final class SessiondSanitizingAutoConfiguration {

    /** The names by which a token is set: the property, the same as a variable, and the variable of the client. */
    private static final Set<String> NAMES = Set.of("springsessionsessiondtoken", "sessiondtoken");

    /** A token of a sessiond within other text: a command line, or SPRING_APPLICATION_JSON. */
    private static final String TOKEN = "(?s).*sdt_[a-z0-9]{8}_.*";

    SessiondSanitizingAutoConfiguration() {}

    @Bean
    SanitizingFunction sessiondTokenSanitizingFunction() {
        return SanitizingFunction.of(SanitizableData::withSanitizedValue)
                .ifKeyMatches(SessiondSanitizingAutoConfiguration::isToken)
                .ifValueStringMatches(TOKEN);
    }

    /** Names of properties are the same in other cases and with other marks between their words. */
    private static boolean isToken(@Nullable String name) {
        return name != null && NAMES.contains(name.toLowerCase(Locale.ROOT).replaceAll("[^a-z0-9]", ""));
    }
}
