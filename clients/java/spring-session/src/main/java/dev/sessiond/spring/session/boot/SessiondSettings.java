package dev.sessiond.spring.session.boot;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.AllowedClasses;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.boot.context.properties.source.InvalidConfigurationPropertyValueException;
import org.springframework.boot.ssl.SslBundles;

/** Judges the settings, so that a wrong one keeps the application from starting and is named. */
final class SessiondSettings {

    private static final String PREFIX = "spring.session.sessiond.";
    private static final Pattern NAMESPACE = Pattern.compile("[a-z0-9][a-z0-9._-]{0,62}");
    private static final Duration LONGEST = Duration.ofDays(3_660);
    private static final Duration LONGEST_GRACE = Duration.ofSeconds(60);

    private final SessiondSessionProperties properties;
    private final ObjectProvider<SslBundles> bundles;

    SessiondSettings(SessiondSessionProperties properties, ObjectProvider<SslBundles> bundles) {
        this.properties = properties;
        this.bundles = bundles;
    }

    SessiondClient client(ObjectProvider<SessiondClientBuilderCustomizer> customizers) {
        String namespace = properties.namespace();
        if (!NAMESPACE.matcher(namespace).matches()) {
            throw wrong(
                    "namespace",
                    namespace,
                    "It has 1 to 63 of the characters a-z, 0-9, '-', '_' and '.', and begins with a letter or digit.");
        }
        Duration timeout = properties.callTimeout();
        if (timeout.isNegative() || timeout.isZero()) {
            throw wrong("call-timeout", timeout, "It is more than 0.");
        }
        SessiondClient.Builder builder =
                SessiondClient.builder().namespace(namespace).timeout(timeout);
        String address = properties.address();
        if (address != null && !address.isBlank()) {
            builder.address(address);
        }
        if (properties.tokenFile() != null) {
            builder.tokenFile(properties.tokenFile());
        }
        if (properties.token() != null) {
            builder.token(properties.token());
        }
        TlsSettings tls = new TlsSettings(properties, bundles);
        try {
            builder.tls(tls.tls());
            customizers.orderedStream().forEach(customizer -> customizer.customize(builder));
            return builder.build();
        } catch (IllegalArgumentException e) {
            String reason = e.getMessage() + ".";
            // All clients refuse an address in these words.
            if (reason.contains(" is not an address: ")) {
                throw wrong("address", address, reason);
            }
            if (reason.startsWith("the token file ")) {
                throw wrong("token-file", properties.tokenFile(), reason);
            }
            if (reason.startsWith("a token ") || reason.startsWith("the token ")) {
                // Of a property that has this name, and no more, Spring Boot would show the value.
                throw wrong("token, or token-file", "[hidden]", reason);
            }
            throw tls.wrong(reason);
        }
    }

    AllowedClasses allowedClasses(Collection<String> applicationPackages) {
        List<String> names = new ArrayList<>();
        for (String name : properties.allowedClasses()) {
            try {
                AllowedClasses.defaultsAnd(List.of(name));
            } catch (IllegalArgumentException e) {
                throw wrong("allowed-classes", name, e.getMessage() + ".");
            }
            names.add(name);
        }
        if (properties.allowApplicationClasses()) {
            applicationPackages.stream()
                    .filter(name -> !name.isEmpty())
                    .map(name -> name + ".**")
                    .forEach(names::add);
        }
        return AllowedClasses.defaultsAnd(names);
    }

    @Nullable
    Duration absoluteTimeout() {
        Duration timeout = properties.absoluteTimeout();
        if (timeout != null && (timeout.compareTo(Duration.ofMillis(1)) < 0 || timeout.compareTo(LONGEST) > 0)) {
            throw wrong("absolute-timeout", timeout, "It is from 1 ms to 3660 days.");
        }
        return timeout;
    }

    Duration rotationGrace() {
        Duration grace = properties.rotationGrace();
        if (grace.isNegative() || grace.compareTo(LONGEST_GRACE) > 0) {
            throw wrong("rotation-grace", grace, "It is from 0 to 60 s.");
        }
        return grace;
    }

    static InvalidConfigurationPropertyValueException wrong(String name, @Nullable Object value, String reason) {
        return new InvalidConfigurationPropertyValueException(PREFIX + name, value, reason);
    }
}
