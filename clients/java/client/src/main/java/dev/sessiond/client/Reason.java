package dev.sessiond.client;

/** Tells programs why a call failed. */
public enum Reason {
    /** A field is out of its bounds; see {@link SessiondException#fields()}. */
    INVALID_ARGUMENT,
    /** The session is unknown, expired or deleted: the three look alike. */
    SESSION_NOT_FOUND,
    /** The ID that the caller chose is in use. */
    SESSION_ID_TAKEN,
    /** The session has another version than the expected one: read again and repeat. */
    VERSION_MISMATCH,
    /** The ID was rotated away and can only read until its grace ends. */
    SESSION_ID_RETIRED,
    /** The session would outgrow a limit; metadata {@code limit} and {@code actual}. */
    SESSION_TOO_LARGE,
    /** The request is larger than the server takes; metadata {@code limit} and {@code actual}. */
    MESSAGE_TOO_LARGE,
    /** The answer to a batch has no room for this session: ask for fewer at a time. */
    BATCH_TOO_LARGE,
    /** The request's headers are larger than allowed. */
    HEADERS_TOO_LARGE,
    /** The caller does not take the answers to earlier calls; nothing was done. */
    ANSWERS_NOT_TAKEN,
    /** The server has as many requests in flight as it allows; this one was not carried out. */
    TOO_MANY_REQUESTS,
    /** The principal or its namespace has as many sessions as are allowed. */
    SESSION_LIMIT_REACHED,
    /** Another holds the lock, and the wait is over; metadata {@code held_for_ms} and {@code ends_in_ms}. */
    LOCK_HELD,
    /** The token is of no lock that holds. */
    LOCK_LOST,
    /** The ticket is unknown, used, too old, or for another audience. */
    HANDOFF_INVALID,
    /** The events after the resume token are no longer kept. */
    EVENTS_GONE,
    /** The watcher did not read for too long. */
    WATCHER_TOO_SLOW,
    /** Another backup or restore is under way. */
    BACKUP_RUNNING,
    /** The backup was not read fast enough. */
    BACKUP_TOO_SLOW,
    /** A backup can be restored only where there is no session and no event. */
    NOT_EMPTY,
    /** The server keeps sessions in memory only. */
    IN_MEMORY,
    /** What was sent is no backup, damaged, cut off, or of a newer format. */
    BACKUP_INVALID,
    /** Another check of the data is under way. */
    VERIFY_RUNNING,
    /** Free disk space is low; reads and deletes still work. */
    STORAGE_FULL,
    /** There was no answer in time. The call may have been carried out. */
    DEADLINE_EXCEEDED,
    /** The request did not arrive in its time; nothing was done. */
    REQUEST_TOO_SLOW,
    /** The request is not one of gRPC. */
    UNSUPPORTED_CONTENT_TYPE,
    /** The server has no such method: it is older than this client. */
    UNKNOWN_METHOD,
    /** The messages are compressed in a way that the server does not know. */
    UNSUPPORTED_ENCODING,
    /** The server is starting or draining. */
    NOT_READY,
    /** The stored session fails its checksum. */
    SESSION_CORRUPT,
    /**
     * The server does not know who calls: there is no token or certificate, or the token is unknown, revoked or expired. The
     * call was not carried out.
     */
    UNAUTHENTICATED,
    /** The caller may not do this; the message names the permission and the namespace. The call was not carried out. */
    PERMISSION_DENIED,
    /** The server's log says more. */
    INTERNAL,
    /**
     * Found by the client: no server could be reached, or the connection was lost. A call that was under way may have been
     * carried out.
     */
    UNAVAILABLE,
    /** Found by the client: too many calls wait to be sent, as the server is far behind; this one was not carried out. */
    TOO_MANY_CALLS,
    /**
     * Found by the client: the caller was interrupted, canceled the call, or closed the client. The call may have been
     * carried out.
     */
    CANCELED,
    /** A reason that this version of the client does not know; see {@link SessiondException#reasonName()}. */
    UNRECOGNIZED;

    static Reason of(String name) {
        for (Reason reason : values()) {
            if (reason.name().equals(name)) {
                return reason;
            }
        }
        return UNRECOGNIZED;
    }
}
