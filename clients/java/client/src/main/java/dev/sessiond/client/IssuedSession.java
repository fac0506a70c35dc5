package dev.sessiond.client;

/**
 * A session, and the ID that was issued for it.
 *
 * @param id the secret for the visitor's cookie
 * @param session the session
 */
public record IssuedSession(Secret id, Session session) {}
