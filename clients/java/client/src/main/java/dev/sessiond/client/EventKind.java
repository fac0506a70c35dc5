package dev.sessiond.client;

/** What happened to a session. */
public enum EventKind {
    /** It was made. */
    CREATED,
    /** Its data changed. */
    UPDATED,
    /** It got a new ID; perhaps its data changed in the same step. */
    ROTATED,
    /** It was ended by its ID or handle: a log out. */
    DELETED,
    /** It reached the end of a timeout; sent once it is swept, a little later. */
    EXPIRED,
    /** It was ended from outside: by a revocation, or by the limit of sessions per principal. */
    REVOKED,
    /** A kind that this version of the client does not know. */
    UNRECOGNIZED
}
