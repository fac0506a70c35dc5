package dev.sessiond.client;

/**
 * No server could be reached, the connection was lost, or the server is starting or draining. A call that was under way may
 * have been carried out. The client recovers by itself.
 */
public final class SessiondUnavailableException extends SessiondException {
    private static final long serialVersionUID = 1L;

    SessiondUnavailableException(ErrorDetails details) {
        super(details);
    }
}
