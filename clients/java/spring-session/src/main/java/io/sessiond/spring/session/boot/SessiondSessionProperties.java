package io.sessiond.spring.session.boot;

import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.boot.context.properties.ConfigurationProperties;
import org.springframework.session.FlushMode;
import org.springframework.session.SaveMode;

/**
 * The settings of sessions in sessiond. How long a session lasts without an access is Spring Boot's {@code spring.session.timeout}.
 */
@ConfigurationProperties("spring.session.sessiond")
public class SessiondSessionProperties {

    /** Address of the store: HOST:PORT, unix:PATH, or several separated by commas. If it is not set, the environment variable SESSIOND_ADDR is used, or else 127.0.0.1:50051. */
    private @Nullable String address;

    /** Namespace of the sessions: 1 to 63 of a-z, 0-9, '-', '_' and '.'. */
    private String namespace = "default";

    /** Longest time that a call to the store may take, repetitions included. */
    private Duration callTimeout = Duration.ofSeconds(1);

    /** Time after its creation at which a session ends, however busy it is: 1 ms to 3660 days. If it is not set, sessions have no such end. */
    private @Nullable Duration absoluteTimeout;

    /** Time in which an old session ID can still be read after it was changed, for the parallel requests of one page: 0 to 60 s. */
    private Duration rotationGrace = Duration.ZERO;

    /** When changes of a session are sent to the store. Not supported with a reactive session repository. */
    private FlushMode flushMode = FlushMode.ON_SAVE;

    /** Which attributes of a session are saved. */
    private SaveMode saveMode = SaveMode.ON_SET_ATTRIBUTE;

    /** Classes (com.example.Cart), packages (com.example.*) or packages with all below them (com.example.**) whose serialized objects are read from a session, beside those of Java and Spring Security. */
    private List<String> allowedClasses = new ArrayList<>();

    /** Whether classes in the package of the application's main class, and below it, are allowed too. */
    private boolean allowApplicationClasses = true;

    /** Whether a request gets status 503 when the store is out of reach. Otherwise the error is the application's to handle. */
    private boolean answerUnavailable = true;

    private final Events events = new Events();

    /** Makes the settings. */
    public SessiondSessionProperties() {}

    public @Nullable String getAddress() {
        return address;
    }

    public void setAddress(@Nullable String address) {
        this.address = address;
    }

    public String getNamespace() {
        return namespace;
    }

    public void setNamespace(String namespace) {
        this.namespace = namespace;
    }

    public Duration getCallTimeout() {
        return callTimeout;
    }

    public void setCallTimeout(Duration callTimeout) {
        this.callTimeout = callTimeout;
    }

    public @Nullable Duration getAbsoluteTimeout() {
        return absoluteTimeout;
    }

    public void setAbsoluteTimeout(@Nullable Duration absoluteTimeout) {
        this.absoluteTimeout = absoluteTimeout;
    }

    public Duration getRotationGrace() {
        return rotationGrace;
    }

    public void setRotationGrace(Duration rotationGrace) {
        this.rotationGrace = rotationGrace;
    }

    public FlushMode getFlushMode() {
        return flushMode;
    }

    public void setFlushMode(FlushMode flushMode) {
        this.flushMode = flushMode;
    }

    public SaveMode getSaveMode() {
        return saveMode;
    }

    public void setSaveMode(SaveMode saveMode) {
        this.saveMode = saveMode;
    }

    public List<String> getAllowedClasses() {
        return allowedClasses;
    }

    public void setAllowedClasses(List<String> allowedClasses) {
        this.allowedClasses = allowedClasses;
    }

    public boolean isAllowApplicationClasses() {
        return allowApplicationClasses;
    }

    public void setAllowApplicationClasses(boolean allowApplicationClasses) {
        this.allowApplicationClasses = allowApplicationClasses;
    }

    public boolean isAnswerUnavailable() {
        return answerUnavailable;
    }

    public void setAnswerUnavailable(boolean answerUnavailable) {
        this.answerUnavailable = answerUnavailable;
    }

    public Events getEvents() {
        return events;
    }

    /** The settings of events. */
    public static class Events {

        /** Whether what happens to sessions is published as SessionCreatedEvent, SessionDeletedEvent and SessionExpiredEvent. */
        private boolean enabled = true;

        /** File that keeps how far the events were seen, so that those which happen while the application is down arrive later. Each instance needs its own. If it is not set, an application begins with the events of its start. */
        private @Nullable Path resumeFile;

        /** Makes the settings. */
        public Events() {}

        public boolean isEnabled() {
            return enabled;
        }

        public void setEnabled(boolean enabled) {
            this.enabled = enabled;
        }

        public @Nullable Path getResumeFile() {
            return resumeFile;
        }

        public void setResumeFile(@Nullable Path resumeFile) {
            this.resumeFile = resumeFile;
        }
    }
}
