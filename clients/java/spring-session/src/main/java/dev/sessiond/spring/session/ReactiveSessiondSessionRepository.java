package dev.sessiond.spring.session;

import dev.sessiond.client.ListOptions;
import dev.sessiond.client.ReadOptions;
import dev.sessiond.client.Reason;
import dev.sessiond.client.SessionIds;
import dev.sessiond.client.SessionNotFoundException;
import dev.sessiond.client.SessiondAsyncClient;
import dev.sessiond.client.SessiondClient;
import dev.sessiond.client.SessiondException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.function.Supplier;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.springframework.session.ReactiveFindByIndexNameSessionRepository;
import org.springframework.session.ReactiveSessionRepository;
import org.springframework.util.Assert;
import reactor.core.publisher.Flux;
import reactor.core.publisher.Mono;
import reactor.core.scheduler.Schedulers;

/**
 * Keeps sessions in sessiond, without ever blocking a thread.
 *
 * <p>Its promises are those of {@link SessiondIndexedSessionRepository}. What it publishes fails with {@link SessiondException}, at the latest when the client's timeout is over.
 */
public final class ReactiveSessiondSessionRepository extends ConfigurableSessions
        implements ReactiveSessionRepository<SessiondSession>,
                ReactiveFindByIndexNameSessionRepository<SessiondSession> {

    private static final Log logger = LogFactory.getLog(ReactiveSessiondSessionRepository.class);

    private final SessiondClient client;
    private final SessiondAsyncClient async;

    /**
     * Makes a repository.
     *
     * @param client the client, with the namespace of the sessions; it is not closed by the repository
     */
    public ReactiveSessiondSessionRepository(SessiondClient client) {
        super(PRINCIPAL_NAME_INDEX_NAME);
        Assert.notNull(client, "client must not be null");
        this.client = client;
        this.async = client.async();
    }

    @Override
    public Mono<SessiondSession> createSession() {
        // Random numbers may block a thread, so that IDs are made where it does not matter.
        return Mono.fromSupplier(() -> new SessiondSession(settings, session -> {}))
                .subscribeOn(Schedulers.boundedElastic())
                .publishOn(Schedulers.parallel());
    }

    /** Saves of one session are carried out one after the other. */
    @Override
    public Mono<Void> save(SessiondSession session) {
        return answer(() -> {
            synchronized (session) {
                CompletableFuture<Void> save =
                        session.saving.handle((done, failure) -> null).thenCompose(before -> saveNow(session));
                session.saving = save;
                return save;
            }
        });
    }

    private CompletableFuture<Void> saveNow(SessiondSession session) {
        SessionWrite write = SessionWrites.next(session);
        return carryOut(write, session).handle((done, failure) -> {
            Throwable cause = failure instanceof CompletionException ? failure.getCause() : failure;
            if (cause == null) {
                return null;
            }
            if (cause instanceof SessionNotFoundException || isRetired(cause)) {
                session.end();
                logger.debug("A save is ignored: the session has ended, or has got another ID.");
                return null;
            }
            session.notSaved(write);
            throw new CompletionException(cause);
        });
    }

    private static boolean isRetired(Throwable cause) {
        return cause instanceof SessiondException e && e.reason() == Reason.SESSION_ID_RETIRED;
    }

    private CompletableFuture<?> carryOut(SessionWrite write, SessiondSession session) {
        if (write instanceof SessionWrite.Create create) {
            return async.create(create.session()).thenAccept(created -> session.saved(created.session()));
        }
        if (write instanceof SessionWrite.Update update) {
            return async.update(update.id().value(), update.change()).thenAccept(session::saved);
        }
        if (write instanceof SessionWrite.Rotate rotate) {
            return async.rotate(rotate.id().value(), rotate.options())
                    .thenAccept(rotated -> session.saved(rotated.session()));
        }
        if (write instanceof SessionWrite.Touch touch) {
            return async.touch(touch.id().value());
        }
        if (write instanceof SessionWrite.Delete delete) {
            return async.delete(delete.id().value()).thenRun(session::end);
        }
        if (write instanceof SessionWrite.DeleteByHandle delete) {
            return async.deleteByHandle(delete.handle()).thenRun(session::end);
        }
        return CompletableFuture.completedFuture(null);
    }

    @Override
    public Mono<SessiondSession> findById(String id) {
        return Handles.isMadeOfHandle(id) ? findByHandle(Handles.fromId(id)) : find(id, ReadOptions.PEEK);
    }

    /** Finds a session by its ID, and only by that. */
    Mono<SessiondSession> find(String id, ReadOptions options) {
        return Mono.justOrEmpty(SessionIds.map(id))
                .flatMap(sent -> answer(() -> async.get(sent, options)))
                .map(stored -> new SessiondSession(settings, session -> {}, id, stored, stored::attributes))
                .onErrorResume(SessionNotFoundException.class, e -> Mono.empty())
                .onErrorResume(e -> hasReason(e, Reason.SESSION_CORRUPT), e -> {
                    logger.warn("A session is damaged in the store, and counts as absent.");
                    return Mono.empty();
                });
    }

    private Mono<SessiondSession> findByHandle(String handle) {
        ListOptions options = ListOptions.ALL.handles(List.of(handle)).withAttributes();
        return answer(() -> async.listPage(options, ""))
                .flatMap(page -> Mono.justOrEmpty(page.sessions().stream().findFirst()))
                .map(stored -> listed(stored, Optional.empty()))
                .onErrorResume(e -> hasReason(e, Reason.INVALID_ARGUMENT), e -> Mono.empty());
    }

    private static boolean hasReason(Throwable e, Reason reason) {
        return e instanceof SessiondException known && known.reason() == reason;
    }

    @Override
    public Mono<Void> deleteById(String id) {
        if (Handles.isMadeOfHandle(id)) {
            return answer(() -> async.deleteByHandle(Handles.fromId(id)))
                    .onErrorResume(e -> hasReason(e, Reason.INVALID_ARGUMENT), e -> Mono.empty())
                    .then();
        }
        return Mono.justOrEmpty(SessionIds.map(id))
                .flatMap(sent -> answer(() -> async.delete(sent)))
                .then();
    }

    /**
     * Finds the live sessions of a principal, newest first.
     *
     * @param indexName only {@link #PRINCIPAL_NAME_INDEX_NAME} finds anything
     * @param indexValue the name of the principal
     * @return the sessions by their IDs, which are {@linkplain SessiondSession made of their handles}; the session of the request
     *     that asks has its own
     */
    @Override
    public Mono<Map<String, SessiondSession>> findByIndexNameAndIndexValue(String indexName, String indexValue) {
        if (!PRINCIPAL_NAME_INDEX_NAME.equals(indexName) || indexValue.isEmpty()) {
            return Mono.just(Map.of());
        }
        ListOptions options =
                ListOptions.ALL.principal(Principals.of(indexValue)).withAttributes();
        return Mono.deferContextual(context -> answer(() -> async.listPage(options, ""))
                .expand(page ->
                        page.hasNext() ? answer(() -> async.listPage(options, page.nextPageToken())) : Mono.empty())
                .flatMap(page -> Flux.fromIterable(page.sessions()))
                .map(stored -> listed(stored, CurrentRequestFilter.idOf(context, stored.handle())))
                .collect(LinkedHashMap::new, (sessions, session) -> sessions.put(session.getId(), session)));
    }

    private SessiondSession listed(dev.sessiond.client.Session stored, Optional<String> ownId) {
        String id = ownId.orElseGet(() -> Handles.toId(stored.handle()));
        return new SessiondSession(settings, session -> {}, id, stored, stored::attributes);
    }

    /** Answers come on the client's I/O thread, on which a subscriber must not block: it goes on elsewhere. */
    private static <T> Mono<T> answer(Supplier<CompletableFuture<T>> call) {
        return Mono.fromFuture(call).publishOn(Schedulers.parallel());
    }

    SessiondClient client() {
        return client;
    }
}
