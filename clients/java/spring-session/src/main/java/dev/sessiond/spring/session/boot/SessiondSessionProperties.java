package dev.sessiond.spring.session.boot;

import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.boot.context.properties.bind.DefaultValue;
import org.springframework.session.FlushMode;
import org.springframework.session.SaveMode;

/**
 * The settings of sessions in sessiond. How long a session lasts without an access is Spring Boot's {@code spring.session.timeout}.
 *
 * @param address Address of the store: HOST:PORT, https://HOST:PORT, unix:PATH, or several separated by commas. If it is not
 *     set, the environment variable SESSIOND_ADDR is used, or else 127.0.0.1:50051.
 * @param tls Settings of TLS, for addresses with https://.
 * @param ssl Settings of TLS by an SSL bundle of Spring Boot, for addresses with https://.
 * @param token Token by which a store with access rules knows the application, in place of a file. If it is not set, the environment
 *     variable SESSIOND_TOKEN is used.
 * @param tokenFile File whose first line is the token by which a store with access rules knows the application. It is read again
 *     when it has changed. If it is not set, the environment variable SESSIOND_TOKEN_FILE is used.
 * @param namespace Namespace of the sessions: 1 to 63 of a-z, 0-9, '-', '_' and '.'.
 * @param callTimeout Longest time that a call to the store may take, repetitions included.
 * @param absoluteTimeout Time after its creation at which a session ends, however busy it is: 1 ms to 3660 days. If it is not set,
 *     sessions have no such end.
 * @param rotationGrace Time in which an old session ID can still be read after it was changed, for the parallel requests of one page:
 *     0 to 60 s.
 * @param sharedCookie Whether the cookie carries the session's ID as it is, of 192 random bits, so that applications of other
 *     frameworks under the same domain read it. Otherwise it is as Spring Session has it: a UUID in base64.
 * @param flushMode When changes of a session are sent to the store. Not supported with a reactive session repository.
 * @param saveMode Which attributes of a session are saved.
 * @param allowedClasses Classes (com.example.Cart), packages (com.example.*) or packages with all below them (com.example.**) whose
 *     serialized objects are read from a session, beside those of Java and Spring Security.
 * @param allowApplicationClasses Whether classes in the package of the application's main class, and below it, are allowed too.
 * @param answerUnavailable Whether a request gets status 503 when the store is out of reach. Otherwise the error is the
 *     application's to handle.
 * @param events Settings of the events of sessions.
 */
@ConfigurationProperties("spring.session.sessiond")
public record SessiondSessionProperties(
        @Nullable String address,
        @DefaultValue Tls tls,
        @DefaultValue Ssl ssl,
        @Nullable String token,
        @Nullable Path tokenFile,
        @DefaultValue("default") String namespace,
        @DefaultValue("1s") Duration callTimeout,
        @Nullable Duration absoluteTimeout,
        @DefaultValue("0s") Duration rotationGrace,
        @DefaultValue("false") boolean sharedCookie,
        @DefaultValue("on-save") FlushMode flushMode,
        @DefaultValue("on-set-attribute") SaveMode saveMode,
        @DefaultValue List<String> allowedClasses,
        @DefaultValue("true") boolean allowApplicationClasses,
        @DefaultValue("true") boolean answerUnavailable,
        @DefaultValue Events events) {

    /** Names all settings, and hides the token. */
    @Override
    public String toString() {
        String shown = token == null ? "null" : "[hidden]";
        return "SessiondSessionProperties[address=" + address + ", tls=" + tls + ", ssl=" + ssl + ", token=" + shown
                + ", tokenFile=" + tokenFile + ", namespace=" + namespace + ", callTimeout=" + callTimeout
                + ", absoluteTimeout=" + absoluteTimeout + ", rotationGrace=" + rotationGrace
                + ", sharedCookie=" + sharedCookie + ", flushMode=" + flushMode + ", saveMode=" + saveMode
                + ", allowedClasses=" + allowedClasses
                + ", allowApplicationClasses=" + allowApplicationClasses + ", answerUnavailable=" + answerUnavailable
                + ", events=" + events + "]";
    }

    /**
     * The settings of TLS, for addresses with https://.
     *
     * @param caFile PEM file with the certificates that may have signed the store's, and no others. If it is not set, the
     *     environment variable SESSIOND_CA_FILE is used, or else those that Java trusts.
     * @param certificateFile PEM file with the certificate of the application, for stores that ask for one. If it is not set, the
     *     environment variable SESSIOND_CERTIFICATE_FILE is used.
     * @param keyFile PEM file with the private key of that certificate. If it is not set, the environment variable
     *     SESSIOND_KEY_FILE is used.
     * @param serverName Name that the certificate of the store must have, in place of the host of the address. If it is not set,
     *     the environment variable SESSIOND_SERVER_NAME is used.
     */
    public record Tls(
            @Nullable Path caFile,
            @Nullable Path certificateFile,
            @Nullable Path keyFile,
            @Nullable String serverName) {}

    /**
     * The settings of TLS by an SSL bundle.
     *
     * @param bundle Name of the SSL bundle to use for addresses with https://, in place of the files of the TLS settings.
     */
    public record Ssl(@Nullable String bundle) {}

    /**
     * The settings of events.
     *
     * @param enabled Whether what happens to sessions is published as SessionCreatedEvent, SessionDeletedEvent and
     *     SessionExpiredEvent.
     * @param resumeFile File that keeps how far the events were seen, so that those which happen while the application is down
     *     arrive later. Each instance needs its own. If it is not set, an application begins with the events of its start.
     */
    public record Events(
            @DefaultValue("true") boolean enabled, @Nullable Path resumeFile) {}
}
