package dev.sessiond.spring.session.config;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.AllowedClasses;
import dev.sessiond.spring.session.CurrentRequestFilter;
import dev.sessiond.spring.session.ReactiveRequestSessions;
import dev.sessiond.spring.session.ReactiveSessiondSessionRepository;
import dev.sessiond.spring.session.ResumeTokenStore;
import dev.sessiond.spring.session.SessionEventPublisher;
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
import org.springframework.session.IndexResolver;
import org.springframework.session.MapSession;
import org.springframework.session.ReactiveSessionRepository;
import org.springframework.session.SaveMode;
import org.springframework.session.Session;
import org.springframework.session.SessionIdGenerator;
import org.springframework.session.config.ReactiveSessionRepositoryCustomizer;
import org.springframework.session.config.annotation.web.server.SpringWebSessionConfiguration;
import org.springframework.util.StringValueResolver;
import org.springframework.web.server.adapter.WebHttpHandlerBuilder;
import org.springframework.web.server.session.WebSessionManager;

/**
 * The beans of {@link EnableSessiondWebSession}. Beans of these types are taken up where they are there: {@link AllowedClasses},
 * {@link ResumeTokenStore}, {@link IndexResolver}, {@link SessionIdGenerator} and {@link ReactiveSessionRepositoryCustomizer}.
 */
@Configuration(proxyBeanMethods = false)
public class SessiondWebSessionConfiguration extends SpringWebSessionConfiguration
        implements BeanClassLoaderAware, EmbeddedValueResolverAware, ImportAware {

    private Duration maxInactiveInterval = MapSession.DEFAULT_MAX_INACTIVE_INTERVAL;
    private String namespace = "";
    private SaveMode saveMode = SaveMode.ON_SET_ATTRIBUTE;
    private boolean events = true;
    private ClassLoader classLoader = getClass().getClassLoader();
    private StringValueResolver valueResolver = value -> value;

    /** Makes the configuration. */
    public SessiondWebSessionConfiguration() {}

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
    public ReactiveSessiondSessionRepository sessionRepository(
            SessiondClient client,
            ObjectProvider<AllowedClasses> allowedClasses,
            ObjectProvider<IndexResolver<Session>> indexResolver,
            ObjectProvider<SessionIdGenerator> idGenerator,
            ObjectProvider<ReactiveSessionRepositoryCustomizer<ReactiveSessiondSessionRepository>> customizers) {
        ReactiveSessiondSessionRepository repository =
                new ReactiveSessiondSessionRepository(namespace.isEmpty() ? client : client.withNamespace(namespace));
        repository.setDefaultMaxInactiveInterval(maxInactiveInterval);
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
            ReactiveSessiondSessionRepository repository,
            ApplicationEventPublisher publisher,
            ObjectProvider<ResumeTokenStore> tokens) {
        return new SessionEventPublisher(repository, publisher, tokens.getIfAvailable(ResumeTokenStore::inMemory));
    }

    /**
     * Has the repository know which session a request has.
     *
     * @return the filter
     */
    @Bean
    public CurrentRequestFilter sessiondCurrentRequestFilter() {
        return new CurrentRequestFilter();
    }

    /** Spring's manager, in which a session is found by nothing but its ID. */
    @Bean(WebHttpHandlerBuilder.WEB_SESSION_MANAGER_BEAN_NAME)
    @Override
    public WebSessionManager webSessionManager(ReactiveSessionRepository<? extends Session> repository) {
        return super.webSessionManager(
                repository instanceof ReactiveSessiondSessionRepository sessions
                        ? new ReactiveRequestSessions(sessions)
                        : repository);
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
                metadata.getAnnotationAttributes(EnableSessiondWebSession.class.getName()));
        if (attributes == null) {
            return;
        }
        maxInactiveInterval = Duration.ofSeconds(attributes.<Integer>getNumber("maxInactiveIntervalInSeconds"));
        namespace = valueResolver.resolveStringValue(attributes.getString("namespace"));
        saveMode = attributes.getEnum("saveMode");
        events = attributes.getBoolean("events");
    }
}
