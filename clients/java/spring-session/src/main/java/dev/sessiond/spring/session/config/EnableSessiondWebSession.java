package dev.sessiond.spring.session.config;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.ReactiveSessiondSessionRepository;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.springframework.context.annotation.Import;
import org.springframework.session.MapSession;
import org.springframework.session.SaveMode;

/**
 * Keeps the web sessions of a reactive application in sessiond. It exposes a {@code WebSessionManager} as the bean {@code
 * webSessionManager}, and the {@link ReactiveSessiondSessionRepository}. A single {@link SessiondClient} must be a bean:
 *
 * <pre class="code">
 * &#064;Configuration(proxyBeanMethods = false)
 * &#064;EnableSessiondWebSession
 * public class SessionConfig {
 *
 *     &#064;Bean
 *     public SessiondClient sessiondClient() {
 *         return SessiondClient.fromEnvironment();
 *     }
 * }
 * </pre>
 */
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
@Documented
@Import(SessiondWebSessionConfiguration.class)
public @interface EnableSessiondWebSession {

    /**
     * How many seconds a session lasts without an access.
     *
     * @return the seconds; negative for sessions that do not end
     */
    int maxInactiveIntervalInSeconds() default MapSession.DEFAULT_MAX_INACTIVE_INTERVAL_SECONDS;

    /**
     * The namespace of the sessions.
     *
     * @return the namespace, or a placeholder for it; empty for that of the client
     */
    String namespace() default "";

    /**
     * Which attributes are saved.
     *
     * @return the mode
     */
    SaveMode saveMode() default SaveMode.ON_SET_ATTRIBUTE;

    /**
     * Whether what happens to sessions is published as events of Spring.
     *
     * @return true for events
     */
    boolean events() default true;
}
