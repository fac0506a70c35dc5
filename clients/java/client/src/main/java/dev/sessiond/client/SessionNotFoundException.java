package dev.sessiond.client;

/** The session is unknown, expired or deleted: the three look alike. */
public final class SessionNotFoundException extends SessiondException {
    private static final long serialVersionUID = 1L;

    SessionNotFoundException(ErrorDetails details) {
        super(details);
    }
}
