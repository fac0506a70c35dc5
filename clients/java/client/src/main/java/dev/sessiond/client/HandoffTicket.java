package dev.sessiond.client;

import java.time.Instant;

/**
 * Opens a session to another domain, once.
 *
 * @param ticket the secret for the redirect to the other domain
 * @param expireTime when it ends
 */
public record HandoffTicket(Secret ticket, Instant expireTime) {}
