package dev.sessiond.client;

/** The session has another version than the expected one: read again and repeat. */
public final class VersionMismatchException extends SessiondException {
    private static final long serialVersionUID = 1L;

    VersionMismatchException(ErrorDetails details) {
        super(details);
    }

    /**
     * The version that the session has.
     *
     * @return the version; 0 if the server did not tell
     */
    public long currentVersion() {
        return Figures.read(metadata(), "current_version");
    }
}
