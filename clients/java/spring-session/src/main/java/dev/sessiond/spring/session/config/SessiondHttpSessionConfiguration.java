package dev.sessiond.spring.session.config;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.AllowedClasses;
import dev.sessiond.spring.session.ResumeTokenStore;
import dev.sessiond.spring.session.SessionEventPublisher;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondSession;
import dev.sessiond.spring.session.SessiondSessionRepositoryFilter;
import java.time.Duration;
import org.springframework.beans.factory.BeanClassLoaderAware;
import org.springframework.beans.factory.ObjectProvider;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.EmbeddedValueResolverAware;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.context.annotation.ImportAware;
import org.springframework.core.annotation.AnnotationAttributes;
import org.springframework.core.type.AnnotationMetadata;
import org.springframework.session.FlushMode;
import org.springframework.session.IndexResolver;
import org.springframework.session.MapSession;
import org.springframework.session.SaveMode;
import org.springframework.session.Session;
import org.springframework.session.SessionIdGenerator;
import org.springframework.session.SessionRepository;
import org.springframework.session.config.SessionRepositoryCustomizer;
import org.springframework.session.config.annotation.web.http.SpringHttpSessionConfiguration;
import org.springframework.session.web.http.SessionRepositoryFilter;
import org.springframework.util.StringValueResolver;

/**
 * The beans of {@link EnableSessiondHttpSession}. Beans of these types are taken up where they are there: {@link AllowedClasses},
 * {@link ResumeTokenStore}, {@link IndexResolver}, {@link SessionIdGenerator} and {@link SessionRepositoryCustomizer}.
 */
@Configuration(proxyBeanMethods = false)
public class SessiondHttpSessionConfiguration extends SpringHttpSessionConfiguration
        implements BeanClassLoaderAware, EmbeddedValueResolverAware, ImportAware {

    private Duration maxInactiveInterval = MapSession.DEFAULT_MAX_INACTIVE_INTERVAL;
    private String namespace = "";
    private FlushMode flushMode = FlushMode.ON_SAVE;
    private SaveMode saveMode = SaveMode.ON_SET_ATTRIBUTE;
    private boolean events = true;
    private ClassLoader classLoader = getClass().getClassLoader();
    private StringValueResolver valueResolver = value -> value;

    /** Makes the configuration. */
    public SessiondHttpSessionConfiguration() {}

    /**
     * The repository.
     *
     * @param client the client
     * @param allowedClasses of which classes serialized objects are read
     * @param indexResolver finds the principal of a session
     * @param idGenerator makes session IDs
     * @param customizers have the last word
     * @return the repository
     */
    @Bean
    public SessiondIndexedSessionRepository sessionRepository(
            SessiondClient client,
            ObjectProvider<AllowedClasses> allowedClasses,
            ObjectProvider<IndexResolver<Session>> indexResolver,
            ObjectProvider<SessionIdGenerator> idGenerator,
            ObjectProvider<SessionRepositoryCustomizer<SessiondIndexedSessionRepository>> customizers) {
        SessiondIndexedSessionRepository repository =
                new SessiondIndexedSessionRepository(namespace.isEmpty() ? client : client.withNamespace(namespace));
        repository.setDefaultMaxInactiveInterval(maxInactiveInterval);
        repository.setFlushMode(flushMode);
        repository.setSaveMode(saveMode);
        repository.setPublishEvents(events);
        repository.setAllowedClasses(allowedClasses.getIfAvailable(AllowedClasses::defaults), classLoader);
        indexResolver.ifAvailable(repository::setIndexResolver);
        idGenerator.ifAvailable(repository::setSessionIdGenerator);
        customizers.orderedStream().forEach(customizer -> customizer.customize(repository));
        return repository;
    }

    /**
     * Publishes the events of the repository.
     *
     * @param repository the repository
     * @param publisher told of each event
     * @param tokens keeps how far the events were seen
     * @return the publisher
     */
    @Bean
    public SessionEventPublisher sessionEventPublisher(
            SessiondIndexedSessionRepository repository,
            ApplicationEventPublisher publisher,
            ObjectProvider<ResumeTokenStore> tokens) {
        return new SessionEventPublisher(repository, publisher, tokens.getIfAvailable(ResumeTokenStore::inMemory));
    }

    /** Spring's filter, in which a session is found by nothing but its ID. */
    @Bean
    @Override
    public <S extends Session> SessionRepositoryFilter<? extends Session> springSessionRepositoryFilter(
            SessionRepository<S> sessionRepository) {
        if (sessionRepository instanceof SessiondIndexedSessionRepository repository) {
            return new SessiondSessionRepositoryFilter(repository, this::springFilter);
        }
        return super.springSessionRepositoryFilter(sessionRepository);
    }

    private SessionRepositoryFilter<?> springFilter(SessionRepository<SessiondSession> sessions) {
        return super.springSessionRepositoryFilter(sessions);
    }

    @Override
    public void setBeanClassLoader(ClassLoader classLoader) {
        this.classLoader = classLoader;
    }

    @Override
    public void setEmbeddedValueResolver(StringValueResolver resolver) {
        valueResolver = resolver;
    }

    @Override
    public void setImportMetadata(AnnotationMetadata metadata) {
        AnnotationAttributes attributes = AnnotationAttributes.fromMap(
                metadata.getAnnotationAttributes(EnableSessiondHttpSession.class.getName()));
        if (attributes == null) {
            return;
        }
        maxInactiveInterval = Duration.ofSeconds(attributes.<Integer>getNumber("maxInactiveIntervalInSeconds"));
        namespace = valueResolver.resolveStringValue(attributes.getString("namespace"));
        flushMode = attributes.getEnum("flushMode");
        saveMode = attributes.getEnum("saveMode");
        events = attributes.getBoolean("events");
    }
}
