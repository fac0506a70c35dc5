package dev.sessiond.spring.session.config;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.springframework.context.annotation.Import;
import org.springframework.session.FlushMode;
import org.springframework.session.MapSession;
import org.springframework.session.SaveMode;

/**
 * Keeps the HTTP sessions of a servlet application in sessiond. It exposes Spring's filter as the bean {@code
 * springSessionRepositoryFilter}, and the {@link SessiondIndexedSessionRepository}. A single {@link SessiondClient} must be a bean:
 *
 * <pre class="code">
 * &#064;Configuration(proxyBeanMethods = false)
 * &#064;EnableSessiondHttpSession
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
@Import(SessiondHttpSessionConfiguration.class)
public @interface EnableSessiondHttpSession {

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
     * When changes are sent.
     *
     * @return the mode
     */
    FlushMode flushMode() default FlushMode.ON_SAVE;

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
