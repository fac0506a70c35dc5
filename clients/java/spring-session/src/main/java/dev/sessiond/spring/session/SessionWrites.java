package dev.sessiond.spring.session;

import dev.sessiond.client.NewSession;
import dev.sessiond.client.RotateOptions;
import dev.sessiond.client.Secret;
import dev.sessiond.client.SessionChange;
import dev.sessiond.client.SessionIds;
import dev.sessiond.client.Timeouts;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.springframework.session.SaveMode;

/** Decides by which call a session is saved. */
final class SessionWrites {

    private static final String SECURITY_CONTEXT = "SPRING_SECURITY_CONTEXT";

    /** Set by Spring Security's session registry, to true, on a session that is to end. */
    private static final String MARK_OF_THE_END =
            "org.springframework.session.security.SpringSessionBackedSessionInformation.EXPIRED";

    private SessionWrites() {}

    /**
     * The call that saves a session. What it saves counts as saved, unless {@link SessiondSession#notSaved} says otherwise.
     *
     * @throws IllegalArgumentException if an attribute can't be stored
     * @throws IllegalStateException if the session is known by its handle, and was changed
     */
    static SessionWrite next(SessiondSession session) {
        String storedId = session.storedId();
        if (session.isEnded()) {
            return new SessionWrite.Nothing();
        }
        if (Handles.isMadeOfHandle(session.getId())) {
            return byHandle(session);
        }
        if (storedId == null) {
            // Whoever sets an end in the past wants no session.
            return session.isExpired() ? new SessionWrite.Nothing() : create(session);
        }
        if (session.getMaxInactiveInterval().isZero()) {
            return new SessionWrite.Delete(sent(storedId));
        }
        if (isChanged(session)) {
            return change(session, storedId);
        }
        if (session.isAccessToBeSaved()) {
            session.writing();
            return new SessionWrite.Touch(sent(storedId));
        }
        return new SessionWrite.Nothing();
    }

    private static boolean isChanged(SessiondSession session) {
        return session.attributes().isChanged()
                || session.isIntervalChanged()
                || !session.changedLabels().isEmpty()
                || !session.getId().equals(session.storedId())
                || session.settings().saveMode == SaveMode.ALWAYS;
    }

    private static SessionWrite byHandle(SessiondSession session) {
        String handle = Handles.fromId(session.getId());
        if (session.attributes().isSetTo(MARK_OF_THE_END, true)
                || session.getMaxInactiveInterval().isZero()) {
            return new SessionWrite.DeleteByHandle(handle);
        }
        if (session.attributes().isChanged()
                || session.isIntervalChanged()
                || !session.changedLabels().isEmpty()) {
            throw new IllegalStateException(
                    "A session that is known by its handle can be read and ended, but not changed");
        }
        return new SessionWrite.Nothing();
    }

    private static SessionWrite create(SessiondSession session) {
        Map<String, @Nullable Object> taken = session.attributes().take();
        try {
            Map<String, Object> set = new HashMap<>();
            session.attributes().encode(taken, set, new HashSet<>());
            NewSession.Builder created = NewSession.builder()
                    .id(sent(session.getId()).value())
                    .attributes(set)
                    .principal(principal(session))
                    .timeouts(timeouts(session))
                    .createTime(session.getCreationTime())
                    .lastAccessTime(session.getLastAccessedTime());
            session.changedLabels().forEach(created::label);
            session.writing();
            return new SessionWrite.Create(created.build(), taken);
        } catch (RuntimeException e) {
            session.attributes().restore(taken);
            throw e;
        }
    }

    private static SessionWrite change(SessiondSession session, String storedId) {
        boolean changesInterval = session.isIntervalChanged();
        Map<String, @Nullable Object> taken = session.attributes().take();
        try {
            SessionChange change = toChange(session, taken);
            session.writing();
            if (session.getId().equals(storedId)) {
                return new SessionWrite.Update(sent(storedId), change, taken, changesInterval);
            }
            RotateOptions options = RotateOptions.DEFAULT
                    .newId(sent(session.getId()).value())
                    .grace(session.settings().rotationGrace)
                    .change(change);
            return new SessionWrite.Rotate(sent(storedId), options, taken, changesInterval);
        } catch (RuntimeException e) {
            session.attributes().restore(taken);
            throw e;
        }
    }

    private static SessionChange toChange(SessiondSession session, Map<String, @Nullable Object> taken) {
        Map<String, Object> set = new HashMap<>();
        Set<String> remove = new HashSet<>();
        session.attributes().encode(taken, set, remove);
        SessionChange.Builder change = SessionChange.builder().setAttributes(set);
        remove.forEach(change::removeAttribute);
        session.changedLabels().forEach(change::setLabel);
        if (mayChangePrincipal(session, taken)) {
            String principal = principal(session);
            if (!principal.equals(session.storedPrincipal())) {
                change.setPrincipal(principal);
            }
        }
        if (session.isIntervalChanged()) {
            change.setTimeouts(timeouts(session));
        }
        return change.build();
    }

    /** The security context has to be deserialized to find the principal, so that is done only when it was set. */
    private static boolean mayChangePrincipal(SessiondSession session, Map<String, @Nullable Object> taken) {
        return session.settings().hasOwnIndexes
                ? !taken.isEmpty()
                : taken.containsKey(session.settings().principalIndex) || taken.containsKey(SECURITY_CONTEXT);
    }

    private static String principal(SessiondSession session) {
        SessionSettings settings = session.settings();
        String name = settings.indexResolver.resolveIndexesFor(session).get(settings.principalIndex);
        return name == null ? "" : Principals.of(name);
    }

    private static Timeouts timeouts(SessiondSession session) {
        Timeouts idle = Timeouts.idle(MaxInactiveInterval.toIdleTimeout(session.getMaxInactiveInterval()));
        if (session.absoluteExpireTime() != null) {
            return idle.withAbsoluteExpireTime(session.absoluteExpireTime());
        }
        boolean bounded = session.storedId() == null && session.settings().absoluteTimeout != null;
        return bounded ? idle.withAbsolute(session.settings().absoluteTimeout) : idle;
    }

    private static Secret sent(String id) {
        return Secret.of(SessionIds.map(id)
                .orElseThrow(() -> new IllegalArgumentException("the session ID generator made no text")));
    }
}
