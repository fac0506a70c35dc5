package dev.sessiond.spring.session;

import java.time.Duration;
import java.time.Instant;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.springframework.session.FlushMode;
import org.springframework.session.Session;

/**
 * A session of the store, which notes what changes so that a save sends only that. Like other sessions of Spring it is for one
 * thread at a time.
 *
 * <p>The store never tells the ID of a session. One that was listed, or that an event is about, therefore has an ID made of its
 * handle: {@code handle:0198c0de-…}. It can be read and ended, but not changed; the mark by which Spring Security ends a session is
 * the exception, and ends it at once.
 */
public final class SessiondSession implements Session {

    private final SessionSettings settings;
    private final Consumer<SessiondSession> saver;
    private final SessionAttributes attributes;

    private String id;
    private @Nullable String storedId;
    private @Nullable String handle;
    private String storedPrincipal = "";
    private Map<String, String> storedLabels = Map.of();
    private final Map<String, String> changedLabels = new HashMap<>();
    private Instant creationTime;
    private Instant lastAccessedTime;
    private Duration maxInactiveInterval;
    private @Nullable Instant absoluteExpireTime;
    private boolean intervalChanged;
    private boolean accessChanged;
    private boolean accessCounted;
    private boolean ended;

    /** The save that goes on, or the last; for repositories that don't wait. */
    CompletableFuture<?> saving = CompletableFuture.completedFuture(null);

    /** A session that is not in the store yet. */
    SessiondSession(SessionSettings settings, Consumer<SessiondSession> saver) {
        this.settings = settings;
        this.saver = saver;
        id = settings.idGenerator.generate();
        attributes = new SessionAttributes(settings, Map::of);
        creationTime = Instant.now();
        lastAccessedTime = creationTime;
        maxInactiveInterval = settings.maxInactiveInterval;
    }

    /**
     * A session of the store.
     *
     * @param id the ID that it was read by, or one {@linkplain Handles made of its handle}
     * @param attributes asked when the first attribute is
     */
    SessiondSession(
            SessionSettings settings,
            Consumer<SessiondSession> saver,
            String id,
            dev.sessiond.client.Session stored,
            Supplier<Map<String, Object>> attributes) {
        this.settings = settings;
        this.saver = saver;
        this.id = id;
        this.attributes = new SessionAttributes(settings, attributes);
        creationTime = stored.createTime();
        lastAccessedTime = stored.lastAccessTime();
        maxInactiveInterval = MaxInactiveInterval.fromIdleTimeout(stored.idleTimeout());
        know(stored);
        storedId = id;
    }

    @Override
    public String getId() {
        return id;
    }

    /**
     * Names the session for its whole life, also when its ID changes. It is no secret, and safe to log.
     *
     * @return a UUID; empty as long as the session was not saved
     */
    public Optional<String> getHandle() {
        return Optional.ofNullable(handle);
    }

    /**
     * The user to whom the session belongs in the store, whichever service logged them in. It changes when the session is saved.
     *
     * @return the name of the principal, or its SHA-256 if it is longer than 256 bytes; empty while nobody is logged in
     */
    public Optional<String> getPrincipal() {
        return Optional.of(storedPrincipal).filter(principal -> !principal.isEmpty());
    }

    /**
     * Short texts about the visitor's device, for lists of a user's sessions. They are no secret, and the same in every language.
     *
     * @return the texts by their names, with those that are not saved yet
     */
    public Map<String, String> getLabels() {
        Map<String, String> labels = new HashMap<>(storedLabels);
        labels.putAll(changedLabels);
        return labels;
    }

    /**
     * Sets a label, which is saved with the session.
     *
     * @param name such as {@code device}; 1 to 64 bytes of UTF-8
     * @param text at most 256 bytes of UTF-8
     */
    public void setLabel(String name, String text) {
        changedLabels.put(name, text);
        flush();
    }

    /**
     * Gives the session a new ID, which holds when it is saved. Of two requests that do so at the same time one wins; the other's
     * save is ignored, and its session has the old ID again.
     */
    @Override
    public String changeSessionId() {
        id = settings.idGenerator.generate();
        String changed = id;
        flush();
        return changed;
    }

    @Override
    @SuppressWarnings("unchecked")
    public <T> @Nullable T getAttribute(String attributeName) {
        return (T) attributes.get(attributeName);
    }

    @Override
    public Set<String> getAttributeNames() {
        return attributes.names();
    }

    /**
     * Sets an attribute.
     *
     * @param attributeName 1 to 256 bytes of UTF-8, not beginning with {@code java-type:}
     * @param attributeValue a value of {@code java.io.Serializable}; null removes the attribute
     */
    @Override
    public void setAttribute(String attributeName, @Nullable Object attributeValue) {
        attributes.set(attributeName, attributeValue);
        flush();
    }

    @Override
    public void removeAttribute(String attributeName) {
        setAttribute(attributeName, null);
    }

    @Override
    public Instant getCreationTime() {
        return creationTime;
    }

    @Override
    public Instant getLastAccessedTime() {
        return lastAccessedTime;
    }

    /**
     * Notes an access. The store counts accesses by its own clock, and never goes back: the time itself is kept only in this
     * object, and in a session that is new.
     *
     * @throws IllegalStateException if the session is known by its handle: whoever has only a handle is no visitor
     */
    @Override
    public void setLastAccessedTime(Instant lastAccessedTime) {
        if (Handles.isMadeOfHandle(id)) {
            throw new IllegalStateException("A session that is known by its handle can't be used by a visitor");
        }
        this.lastAccessedTime = lastAccessedTime;
        if (!accessCounted) {
            accessChanged = true;
            flush();
        }
    }

    @Override
    public Duration getMaxInactiveInterval() {
        return maxInactiveInterval;
    }

    /**
     * Sets how long the session lasts without an access.
     *
     * @param interval negative for a session that does not end, which the store takes for 3,660 days; zero ends it
     */
    @Override
    public void setMaxInactiveInterval(Duration interval) {
        maxInactiveInterval = interval;
        intervalChanged = true;
        flush();
    }

    @Override
    public boolean isExpired() {
        return !maxInactiveInterval.isNegative()
                && !Instant.now().minus(maxInactiveInterval).isBefore(lastAccessedTime);
    }

    /** Names the session by its handle, never by its ID. */
    @Override
    public String toString() {
        return "SessiondSession[" + (handle == null ? "not saved" : handle) + "]";
    }

    private void flush() {
        if (settings.flushMode == FlushMode.IMMEDIATE) {
            saver.accept(this);
        }
    }

    SessionSettings settings() {
        return settings;
    }

    SessionAttributes attributes() {
        return attributes;
    }

    /** The ID in the store; null for a session that is not there yet. */
    @Nullable
    String storedId() {
        return storedId;
    }

    /** The principal in the store; empty for none. */
    String storedPrincipal() {
        return storedPrincipal;
    }

    @Nullable
    Instant absoluteExpireTime() {
        return absoluteExpireTime;
    }

    /** The labels that are not saved yet. */
    Map<String, String> changedLabels() {
        return changedLabels;
    }

    boolean isIntervalChanged() {
        return intervalChanged;
    }

    boolean isAccessToBeSaved() {
        return accessChanged;
    }

    /** Whether the session was found to have ended; then there is nothing more to save. */
    boolean isEnded() {
        return ended;
    }

    /** Reading this object was an access that the store has counted, so using it needs no call. */
    SessiondSession countAccess() {
        accessCounted = true;
        return this;
    }

    /** A write is under way: what it saves is no change any more. */
    void writing() {
        intervalChanged = false;
        accessChanged = false;
    }

    /** The session is saved under its present ID. */
    void saved() {
        storedId = id;
    }

    /** The session is saved, and is as the answer says. */
    void saved(dev.sessiond.client.Session answer) {
        saved();
        know(answer);
    }

    /** The write failed; its changes are to be saved again. */
    void notSaved(SessionWrite write) {
        attributes.restore(write.attributes());
        intervalChanged = write.changesInterval();
        accessChanged = true;
    }

    /** The session has ended. If it had a new ID, no visitor must get that one. */
    void end() {
        ended = true;
        if (storedId != null) {
            id = storedId;
        }
    }

    private void know(dev.sessiond.client.Session stored) {
        handle = stored.handle();
        storedPrincipal = stored.principal().orElse("");
        storedLabels = stored.labels();
        // What was set while the session was being saved is still to be saved.
        changedLabels.entrySet().removeIf(label -> label.getValue().equals(storedLabels.get(label.getKey())));
        absoluteExpireTime = stored.absoluteExpireTime().orElse(null);
    }
}
