package dev.sessiond.spring.session;

import dev.sessiond.client.EventKind;
import dev.sessiond.client.EventSubscription;
import dev.sessiond.client.ListOptions;
import dev.sessiond.client.Reason;
import dev.sessiond.client.SessionEvent;
import dev.sessiond.client.SessionEventListener;
import dev.sessiond.client.SessiondClient;
import dev.sessiond.client.SessiondException;
import dev.sessiond.client.WatchOptions;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.jspecify.annotations.Nullable;
import org.springframework.context.ApplicationEvent;
import org.springframework.context.ApplicationEventPublisher;
import org.springframework.context.SmartLifecycle;
import org.springframework.session.events.SessionCreatedEvent;
import org.springframework.session.events.SessionDeletedEvent;
import org.springframework.session.events.SessionExpiredEvent;

/**
 * Publishes what happens to the sessions of a namespace as events of Spring: created, deleted (a log-out, or a revocation) and
 * expired. Each event comes once to each application, in the order of a session's life. What happens while the store or the
 * connection is down comes when they are up again.
 *
 * <p>The session of an event has the ID {@code handle:…}. A session that has ended has its last attributes if the namespace keeps
 * them, by the server's setting {@code event-attributes}; one that was created has those of the moment when they are asked for.
 */
public final class SessionEventPublisher implements SmartLifecycle {

    private static final Log logger = LogFactory.getLog(SessionEventPublisher.class);
    private static final int SECONDS_BEFORE_RETRY = 5;

    private final Object source;
    private final SessionSettings settings;
    private final Consumer<SessiondSession> saver;
    private final SessiondClient client;
    private final ApplicationEventPublisher publisher;
    private final ResumeTokenStore tokens;
    private @Nullable EventSubscription subscription;

    /**
     * Publishes the events of the sessions of a repository.
     *
     * @param repository the source of the events
     * @param publisher told of each event
     * @param tokens keeps how far the events were seen
     */
    public SessionEventPublisher(
            SessiondIndexedSessionRepository repository, ApplicationEventPublisher publisher, ResumeTokenStore tokens) {
        this(repository, repository.settings, repository::save, repository.client(), publisher, tokens);
    }

    /**
     * Publishes the events of the sessions of a repository.
     *
     * @param repository the source of the events
     * @param publisher told of each event
     * @param tokens keeps how far the events were seen
     */
    public SessionEventPublisher(
            ReactiveSessiondSessionRepository repository,
            ApplicationEventPublisher publisher,
            ResumeTokenStore tokens) {
        this(repository, repository.settings, session -> {}, repository.client(), publisher, tokens);
    }

    private SessionEventPublisher(
            Object source,
            SessionSettings settings,
            Consumer<SessiondSession> saver,
            SessiondClient client,
            ApplicationEventPublisher publisher,
            ResumeTokenStore tokens) {
        this.source = source;
        this.settings = settings;
        this.saver = saver;
        this.client = client;
        this.publisher = publisher;
        this.tokens = tokens;
    }

    @Override
    public boolean isAutoStartup() {
        return settings.publishEvents;
    }

    @Override
    public synchronized void start() {
        if (subscription == null) {
            subscription = watch(tokens.read());
        }
    }

    private EventSubscription watch(String token) {
        WatchOptions options = WatchOptions.DEFAULT
                .kinds(EventKind.CREATED, EventKind.DELETED, EventKind.REVOKED, EventKind.EXPIRED)
                .withAttributes()
                .resumeAfter(token);
        return client.watch(options, new Listener());
    }

    /** Watches again after the watch has failed. */
    private synchronized void restart(String token) {
        if (subscription != null) {
            subscription = watch(token);
        }
    }

    @Override
    public void stop() {
        EventSubscription last;
        synchronized (this) {
            last = subscription;
            subscription = null;
        }
        if (last != null) {
            last.close();
        }
    }

    @Override
    public synchronized boolean isRunning() {
        return subscription != null;
    }

    private final class Listener implements SessionEventListener {

        @Override
        public void onEvent(SessionEvent event) {
            try {
                publisher.publishEvent(toSpring(event));
            } catch (RuntimeException e) {
                // A listener's fault must not keep the others from later events.
                logger.error(
                        "A listener failed on the event of session "
                                + event.session().handle(),
                        e);
            }
            tokens.write(event.resumeToken());
        }

        @Override
        public void onCheckpoint(String resumeToken) {
            tokens.write(resumeToken);
        }

        @Override
        public void onError(SessiondException error) {
            if (error.reason() == Reason.CANCELED) {
                return;
            }
            if (error.reason() == Reason.EVENTS_GONE || error.reason() == Reason.INVALID_ARGUMENT) {
                logger.warn(
                        "Session events were missed: the store no longer keeps those since the last one seen here.");
                tokens.write("");
                restart("");
                return;
            }
            logger.warn(
                    "Session events can't be watched, and are tried again in " + SECONDS_BEFORE_RETRY + " s", error);
            CompletableFuture.delayedExecutor(SECONDS_BEFORE_RETRY, TimeUnit.SECONDS)
                    .execute(() -> restart(tokens.read()));
        }
    }

    private ApplicationEvent toSpring(SessionEvent event) {
        dev.sessiond.client.Session stored = event.session();
        String id = Handles.toId(stored.handle());
        return switch (event.kind()) {
            case CREATED ->
                new SessionCreatedEvent(
                        source, new SessiondSession(settings, saver, id, stored, () -> present(stored.handle())));
            case EXPIRED ->
                new SessionExpiredEvent(source, new SessiondSession(settings, saver, id, stored, () -> last(stored)));
            default ->
                new SessionDeletedEvent(source, new SessiondSession(settings, saver, id, stored, () -> last(stored)));
        };
    }

    private Map<String, Object> present(String handle) {
        return client.list(ListOptions.ALL.handles(List.of(handle)).withAttributes())
                .findFirst()
                .map(dev.sessiond.client.Session::attributes)
                .orElse(Map.of());
    }

    private static Map<String, Object> last(dev.sessiond.client.Session stored) {
        return stored.hasAttributes() ? stored.attributes() : Map.of();
    }
}
