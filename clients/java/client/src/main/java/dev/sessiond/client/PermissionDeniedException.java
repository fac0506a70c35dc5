package dev.sessiond.client;

/** The caller may not do this; the message names the permission and the namespace. The call was not carried out. */
public final class PermissionDeniedException extends SessiondException {
    private static final long serialVersionUID = 1L;

    PermissionDeniedException(ErrorDetails details) {
        super(details);
    }
}
