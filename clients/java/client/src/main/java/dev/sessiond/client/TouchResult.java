package dev.sessiond.client;

import java.time.Instant;

/**
 * What a touch led to.
 *
 * @param expireTime when the session ends if nothing more happens
 * @param version the session's version, which touching does not change: tells whether a copy is still fresh
 */
public record TouchResult(Instant expireTime, long version) {}
