package dev.sessiond.client;

/**
 * The server does not know who calls: there is no token or certificate, or the token is unknown, revoked or expired. The call
 * was not carried out.
 */
public final class UnauthenticatedException extends SessiondException {
    private static final long serialVersionUID = 1L;

    UnauthenticatedException(ErrorDetails details) {
        super(details);
    }
}
