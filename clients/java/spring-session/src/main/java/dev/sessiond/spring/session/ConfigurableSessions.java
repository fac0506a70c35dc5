package dev.sessiond.spring.session;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.springframework.session.IndexResolver;
import org.springframework.session.SaveMode;
import org.springframework.session.Session;
import org.springframework.session.SessionIdGenerator;
import org.springframework.util.Assert;

/** The settings that both repositories have. They are to be set before the first session is made. */
abstract class ConfigurableSessions {

    final SessionSettings settings;

    ConfigurableSessions(String principalIndex) {
        settings = new SessionSettings(principalIndex);
    }

    /**
     * Sets how long sessions last without an access; 30 minutes unless it is set.
     *
     * @param interval negative for sessions that do not end
     */
    public void setDefaultMaxInactiveInterval(Duration interval) {
        Assert.notNull(interval, "interval must not be null");
        settings.maxInactiveInterval = interval;
    }

    /**
     * Ends sessions so long after their creation, however busy they are.
     *
     * @param timeout 1 ms to 3,660 days; null, the default, for no such end
     */
    public void setAbsoluteTimeout(@Nullable Duration timeout) {
        settings.absoluteTimeout = timeout;
    }

    /**
     * Sets how long an old ID can still be read after it was changed, for the parallel requests of one page.
     *
     * @param grace 0, the default, to 60 s
     */
    public void setRotationGrace(Duration grace) {
        Assert.notNull(grace, "grace must not be null");
        settings.rotationGrace = grace;
    }

    /**
     * Sets which attributes are saved; {@link SaveMode#ON_SET_ATTRIBUTE} unless it is set.
     *
     * @param saveMode the mode
     */
    public void setSaveMode(SaveMode saveMode) {
        Assert.notNull(saveMode, "saveMode must not be null");
        settings.saveMode = saveMode;
    }

    /**
     * Sets whether what happens to sessions is published as events of Spring, from the start of the application on.
     *
     * @param publishEvents true unless it is set
     */
    public void setPublishEvents(boolean publishEvents) {
        settings.publishEvents = publishEvents;
    }

    /**
     * Sets what makes session IDs; they must be hard to guess.
     *
     * @param generator the generator
     */
    public void setSessionIdGenerator(SessionIdGenerator generator) {
        Assert.notNull(generator, "generator must not be null");
        settings.idGenerator = generator;
    }

    /**
     * Sets what finds the principal of a session, under the name of the index of principals.
     *
     * @param indexResolver the resolver
     */
    public void setIndexResolver(IndexResolver<Session> indexResolver) {
        Assert.notNull(indexResolver, "indexResolver must not be null");
        settings.setIndexResolver(indexResolver);
    }

    /**
     * Sets of which classes serialized objects are read.
     *
     * @param allowed the classes
     * @param classLoader finds them
     */
    public void setAllowedClasses(AllowedClasses allowed, ClassLoader classLoader) {
        settings.codec = new AttributeCodec(allowed, classLoader);
    }
}
