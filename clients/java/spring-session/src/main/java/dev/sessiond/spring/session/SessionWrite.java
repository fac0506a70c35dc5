package dev.sessiond.spring.session;

import dev.sessiond.client.NewSession;
import dev.sessiond.client.RotateOptions;
import dev.sessiond.client.Secret;
import dev.sessiond.client.SessionChange;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * The one call by which a session is saved: a single step in the store, which happens as a whole or not at all.
 *
 * @see SessionWrites
 */
sealed interface SessionWrite {

    /** The attributes that it saves, to be put back if it fails. */
    default Map<String, @Nullable Object> attributes() {
        return Map.of();
    }

    /** Whether it saves another interval. */
    default boolean changesInterval() {
        return false;
    }

    /** There is nothing to save. */
    record Nothing() implements SessionWrite {}

    /** Stores a new session. */
    record Create(NewSession session, Map<String, @Nullable Object> attributes) implements SessionWrite {}

    /** Changes a session that is there; never makes one. */
    record Update(Secret id, SessionChange change, Map<String, @Nullable Object> attributes, boolean changesInterval)
            implements SessionWrite {}

    /** Gives a session its new ID, with all changes. */
    record Rotate(Secret id, RotateOptions options, Map<String, @Nullable Object> attributes, boolean changesInterval)
            implements SessionWrite {}

    /** Slides the idle timeout. */
    record Touch(Secret id) implements SessionWrite {}

    /** Ends a session, by its ID. */
    record Delete(Secret id) implements SessionWrite {}

    /** Ends a session, by its handle. */
    record DeleteByHandle(String handle) implements SessionWrite {}
}
