package dev.sessiond.spring.session;

import dev.sessiond.client.ListOptions;
import dev.sessiond.client.ReadOptions;
import dev.sessiond.client.Reason;
import dev.sessiond.client.SessionIds;
import dev.sessiond.client.SessionNotFoundException;
import dev.sessiond.client.SessiondClient;
import dev.sessiond.client.SessiondException;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.commons.logging.Log;
import org.apache.commons.logging.LogFactory;
import org.jspecify.annotations.Nullable;
import org.springframework.session.FindByIndexNameSessionRepository;
import org.springframework.session.FlushMode;
import org.springframework.util.Assert;

/**
 * Keeps sessions in sessiond.
 *
 * <p>A save sends what changed, in one step: requests that change different attributes at the same time both win. It never makes a
 * session that is not there any more: a log-out is final, and the save of a session that has ended is ignored, as other indexed
 * repositories of Spring do.
 *
 * <p>Sessions are indexed by {@link #PRINCIPAL_NAME_INDEX_NAME}; of other indexes nothing is found. The store never tells session
 * IDs, so {@link #findByIndexNameAndIndexValue} names sessions by their handles, {@code handle:…}: {@link #findById} and {@link
 * #deleteById} take such an ID. Only the session of the request that asks has its own ID there.
 *
 * <p>Where a call fails, because the store is out of reach for example, methods throw {@link SessiondException}, at the latest when
 * the client's timeout is over.
 */
public final class SessiondIndexedSessionRepository extends ConfigurableSessions
        implements FindByIndexNameSessionRepository<SessiondSession> {

    private static final Log logger = LogFactory.getLog(SessiondIndexedSessionRepository.class);

    private final SessiondClient client;
    private final RequestSessions requestSessions = new RequestSessions(this);

    /**
     * Makes a repository.
     *
     * @param client the client, with the namespace of the sessions; it is not closed by the repository
     */
    public SessiondIndexedSessionRepository(SessiondClient client) {
        super(PRINCIPAL_NAME_INDEX_NAME);
        Assert.notNull(client, "client must not be null");
        this.client = client;
    }

    /**
     * Sets when changes are sent; {@link FlushMode#ON_SAVE} unless it is set.
     *
     * @param flushMode the mode
     */
    public void setFlushMode(FlushMode flushMode) {
        Assert.notNull(flushMode, "flushMode must not be null");
        settings.flushMode = flushMode;
    }

    @Override
    public SessiondSession createSession() {
        SessiondSession session = new SessiondSession(settings, this::save);
        if (settings.flushMode == FlushMode.IMMEDIATE) {
            save(session);
        }
        return session;
    }

    @Override
    public void save(SessiondSession session) {
        SessionWrite write = SessionWrites.next(session);
        try {
            carryOut(write, session);
        } catch (SessionNotFoundException e) {
            session.end();
            logger.debug("A save is ignored: the session has ended.");
        } catch (SessiondException e) {
            if (e.reason() == Reason.SESSION_ID_RETIRED) {
                session.end();
                logger.debug("A save is ignored: the session has got another ID.");
                return;
            }
            session.notSaved(write);
            throw e;
        }
    }

    private void carryOut(SessionWrite write, SessiondSession session) {
        if (write instanceof SessionWrite.Create create) {
            session.saved(client.create(create.session()).session());
        } else if (write instanceof SessionWrite.Update update) {
            session.saved(client.update(update.id().value(), update.change()));
        } else if (write instanceof SessionWrite.Rotate rotate) {
            session.saved(client.rotate(rotate.id().value(), rotate.options()).session());
        } else if (write instanceof SessionWrite.Touch touch) {
            client.touch(touch.id().value());
        } else if (write instanceof SessionWrite.Delete delete) {
            client.delete(delete.id().value());
            session.end();
        } else if (write instanceof SessionWrite.DeleteByHandle delete) {
            client.deleteByHandle(delete.handle());
            session.end();
        }
    }

    @Override
    public @Nullable SessiondSession findById(String id) {
        return Handles.isMadeOfHandle(id) ? findByHandle(Handles.fromId(id)) : find(id, ReadOptions.PEEK);
    }

    /** Finds a session by its ID, and only by that. */
    @Nullable
    SessiondSession find(String id, ReadOptions options) {
        Optional<String> sent = SessionIds.map(id);
        if (sent.isEmpty()) {
            return null;
        }
        try {
            dev.sessiond.client.Session stored = client.get(sent.get(), options);
            return new SessiondSession(settings, this::save, id, stored, stored::attributes);
        } catch (SessionNotFoundException e) {
            return null;
        } catch (SessiondException e) {
            if (e.reason() == Reason.SESSION_CORRUPT) {
                logger.warn("A session is damaged in the store, and counts as absent.");
                return null;
            }
            throw e;
        }
    }

    private @Nullable SessiondSession findByHandle(String handle) {
        ListOptions options = ListOptions.ALL.handles(List.of(handle)).withAttributes();
        try {
            return client.list(options).findFirst().map(this::listed).orElse(null);
        } catch (SessiondException e) {
            if (e.reason() == Reason.INVALID_ARGUMENT) {
                // It is no handle at all.
                return null;
            }
            throw e;
        }
    }

    @Override
    public void deleteById(String id) {
        if (Handles.isMadeOfHandle(id)) {
            try {
                client.deleteByHandle(Handles.fromId(id));
            } catch (SessiondException e) {
                if (e.reason() != Reason.INVALID_ARGUMENT) {
                    throw e;
                }
            }
            return;
        }
        SessionIds.map(id).ifPresent(client::delete);
    }

    /**
     * Finds the live sessions of a principal, newest first.
     *
     * @param indexName only {@link #PRINCIPAL_NAME_INDEX_NAME} finds anything
     * @param indexValue the name of the principal
     * @return the sessions by their IDs, which are {@linkplain SessiondSession made of their handles}; the session of the request
     *     that this thread serves has its own
     */
    @Override
    public Map<String, SessiondSession> findByIndexNameAndIndexValue(String indexName, String indexValue) {
        Map<String, SessiondSession> sessions = new LinkedHashMap<>();
        if (PRINCIPAL_NAME_INDEX_NAME.equals(indexName) && !indexValue.isEmpty()) {
            client.list(ListOptions.ALL.principal(Principals.of(indexValue)).withAttributes())
                    .map(this::listed)
                    .forEach(session -> sessions.put(session.getId(), session));
        }
        return sessions;
    }

    /**
     * The session of the request that this thread serves, with what the store knows of it beside Spring's attributes: the principal,
     * whichever service logged them in, and labels. What is changed in it is saved with the request's session.
     *
     * @return the session; empty outside of a request, and until {@code getSession} has found or made one in it
     */
    public Optional<SessiondSession> findCurrent() {
        return requestSessions.current();
    }

    private SessiondSession listed(dev.sessiond.client.Session stored) {
        String id = requestSessions.idOf(stored.handle()).orElseGet(() -> Handles.toId(stored.handle()));
        return new SessiondSession(settings, this::save, id, stored, stored::attributes);
    }

    /** The sessions as the requests of visitors find them. */
    RequestSessions requestSessions() {
        return requestSessions;
    }

    SessiondClient client() {
        return client;
    }
}
