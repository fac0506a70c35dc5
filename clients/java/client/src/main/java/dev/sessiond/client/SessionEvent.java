package dev.sessiond.client;

import java.time.Instant;

/**
 * One event. The events of one session come in the order in which they happened; the order of events of different sessions
 * means nothing.
 *
 * @param kind what happened
 * @param time when it was carried out
 * @param session the session after the event; before it, if the event ended the session. It has attributes only where
 *     they were asked for, and the namespace keeps them.
 * @param resumeToken resumes after this event, also across a restart of the server. It is opaque, and also names the
 *     event: no two events of a server have the same.
 */
public record SessionEvent(EventKind kind, Instant time, Session session, String resumeToken) {}
