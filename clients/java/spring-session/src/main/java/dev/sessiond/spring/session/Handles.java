package dev.sessiond.spring.session;

/**
 * IDs for sessions of which only the handle is known.
 *
 * <p>A handle is no secret, so such an ID must never let a visitor in: the repositories for requests find no session by it.
 */
final class Handles {

    private static final String PREFIX = "handle:";

    private Handles() {}

    static String toId(String handle) {
        return PREFIX + handle;
    }

    static boolean isMadeOfHandle(String id) {
        return id.startsWith(PREFIX);
    }

    static String fromId(String id) {
        return id.substring(PREFIX.length());
    }
}
