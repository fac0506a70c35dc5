package dev.sessiond.client;

/** There was no answer in time. The call may have been carried out. */
public final class SessiondTimeoutException extends SessiondException {
    private static final long serialVersionUID = 1L;

    SessiondTimeoutException(ErrorDetails details) {
        super(details);
    }
}
