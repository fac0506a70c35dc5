package dev.sessiond.spring.session;

import java.time.Duration;
import org.jspecify.annotations.Nullable;
import org.springframework.session.DelegatingIndexResolver;
import org.springframework.session.FlushMode;
import org.springframework.session.IndexResolver;
import org.springframework.session.MapSession;
import org.springframework.session.PrincipalNameIndexResolver;
import org.springframework.session.SaveMode;
import org.springframework.session.Session;
import org.springframework.session.SessionIdGenerator;
import org.springframework.session.UuidSessionIdGenerator;
import org.springframework.util.ClassUtils;

/** What both repositories can be told, with the defaults of Spring Session. */
final class SessionSettings {
    Duration maxInactiveInterval = MapSession.DEFAULT_MAX_INACTIVE_INTERVAL;

    @Nullable
    Duration absoluteTimeout;

    Duration rotationGrace = Duration.ZERO;
    boolean publishEvents = true;
    SaveMode saveMode = SaveMode.ON_SET_ATTRIBUTE;
    FlushMode flushMode = FlushMode.ON_SAVE;
    SessionIdGenerator idGenerator = UuidSessionIdGenerator.getInstance();

    /** The attribute that names the principal, and the index: Spring has two names for it, one for each kind of application. */
    final String principalIndex;

    IndexResolver<Session> indexResolver;
    /** Whether other attributes than those of Spring may name the principal. */
    boolean hasOwnIndexes;

    AttributeCodec codec = new AttributeCodec(AllowedClasses.defaults(), ClassUtils.getDefaultClassLoader());

    SessionSettings(String principalIndex) {
        this.principalIndex = principalIndex;
        indexResolver = new DelegatingIndexResolver<>(new PrincipalNameIndexResolver<>(principalIndex));
    }

    void setIndexResolver(IndexResolver<Session> indexResolver) {
        this.indexResolver = indexResolver;
        hasOwnIndexes = true;
    }
}
