package dev.sessiond.client;

import java.time.Duration;
import java.time.Instant;
import java.util.Map;
import java.util.Optional;

/** What the store knows of one visitor, as an answer told it. It never holds the session ID, and does not change. */
public final class Session {
    private final dev.sessiond.v1.Session found;
    private final boolean hasAttributes;
    // Decoded when they are first asked for. Two threads may both do so: they get equal maps.
    private Map<String, Object> attributes;

    Session(dev.sessiond.v1.Session found, boolean hasAttributes) {
        this.found = found;
        this.hasAttributes = hasAttributes;
    }

    /**
     * Names the session for its whole life, across rotation of its ID.
     *
     * @return a UUID in text form; not a secret, safe to log
     */
    public String handle() {
        return found.getHandle();
    }

    /**
     * The isolation unit that the session lives in.
     *
     * @return the name of the namespace
     */
    public String namespace() {
        return found.getNamespace();
    }

    /**
     * Counts the changes of data.
     *
     * @return 1 at creation; one more with every change of attributes, principal, labels or timeouts
     */
    public long version() {
        return found.getVersion();
    }

    /**
     * Tells whether the answer has the attributes. Without them they are unknown, not empty.
     *
     * @return whether {@link #attributes()} can be asked for
     */
    public boolean hasAttributes() {
        return hasAttributes;
    }

    /**
     * The data, as {@link SessionChange.Builder#setAttribute} describes. The map, and lists and maps within it, can't be
     * changed.
     *
     * @return the attributes by name
     * @throws IllegalStateException if the answer has none: that of a create, an update or a rotation, of a read that left
     *     them out or found nothing new, of a list or an event that did not ask for them
     */
    public Map<String, Object> attributes() {
        if (!hasAttributes) {
            throw new IllegalStateException("this answer leaves the attributes out; see Session.hasAttributes()");
        }
        Map<String, Object> decoded = attributes;
        if (decoded == null) {
            decoded = Values.decodeAll(found.getAttributesMap());
            attributes = decoded;
        }
        return decoded;
    }

    /**
     * One attribute.
     *
     * @param name its name
     * @return its value; null if there is none, or if it is null
     * @throws IllegalStateException if the answer has no attributes
     */
    public Object attribute(String name) {
        return attributes().get(name);
    }

    /**
     * The user that the session belongs to.
     *
     * @return the principal; empty while nobody is logged in
     */
    public Optional<String> principal() {
        return found.getPrincipal().isEmpty() ? Optional.empty() : Optional.of(found.getPrincipal());
    }

    /**
     * Short texts about the client, to be shown in lists of sessions.
     *
     * @return the labels by name
     */
    public Map<String, String> labels() {
        return found.getLabelsMap();
    }

    /**
     * When the session was made. Rotation keeps it.
     *
     * @return the moment
     */
    public Instant createTime() {
        return Times.instant(found.getCreateTime());
    }

    /**
     * The last read with touch, touch, update or rotation.
     *
     * @return the moment; it never moves back
     */
    public Instant lastAccessTime() {
        return Times.instant(found.getLastAccessTime());
    }

    /**
     * The last change of data.
     *
     * @return the moment
     */
    public Instant updateTime() {
        return Times.instant(found.getUpdateTime());
    }

    /**
     * The session ends this long after its last access.
     *
     * @return the idle timeout
     */
    public Duration idleTimeout() {
        return Times.duration(found.getIdleTimeout());
    }

    /**
     * The moment at which the session ends however busy it is.
     *
     * @return the moment; empty if there is no such end
     */
    public Optional<Instant> absoluteExpireTime() {
        return found.hasAbsoluteExpireTime()
                ? Optional.of(Times.instant(found.getAbsoluteExpireTime()))
                : Optional.empty();
    }

    /**
     * When the session ends if nothing more happens. At this millisecond it is absent everywhere.
     *
     * @return the earlier of the idle and the absolute end
     */
    public Instant expireTime() {
        return Times.instant(found.getExpireTime());
    }

    /**
     * Whether only the session's ID opens its attributes (policy {@code sealed}): in lists and events they are unknown, not
     * empty.
     *
     * @return whether it is sealed
     */
    public boolean isSealed() {
        return found.getSealed();
    }

    /** Names the handle and the version, not the data. */
    @Override
    public String toString() {
        return "Session[handle=" + handle() + ", namespace=" + namespace() + ", version=" + version() + "]";
    }
}
