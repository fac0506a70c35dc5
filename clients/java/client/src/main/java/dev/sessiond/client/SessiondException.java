package dev.sessiond.client;

import io.grpc.Status;
import java.util.List;
import java.util.Map;

/**
 * What every call fails with. It never holds a session ID.
 *
 * <p>Errors that callers often tell apart have a class of their own; {@link #reason()} tells all of them.
 */
public class SessiondException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** The gRPC status code. */
    private final Status.Code code;

    /** The reason, for programs. */
    private final Reason reason;

    /** The reason as the server named it. */
    private final String reasonName;

    private final transient List<FieldViolation> fields;
    private final transient Map<String, String> metadata;

    SessiondException(ErrorDetails details) {
        super(details.message());
        code = details.code();
        reason = details.reason();
        reasonName = details.reasonName();
        fields = details.fields();
        metadata = details.metadata();
    }

    /**
     * Why the call failed, for programs.
     *
     * @return the reason; {@link Reason#UNRECOGNIZED} for one that this version does not know
     */
    public Reason reason() {
        return reason;
    }

    /**
     * The reason as the server named it.
     *
     * @return the name, such as {@code SESSION_NOT_FOUND}
     */
    public String reasonName() {
        return reasonName;
    }

    /**
     * The gRPC status code.
     *
     * @return the code
     */
    public Status.Code code() {
        return code;
    }

    /**
     * The parts of the request that are out of their bounds.
     *
     * @return the fields, with {@link Reason#INVALID_ARGUMENT}; otherwise an empty list
     */
    public List<FieldViolation> fields() {
        return fields == null ? List.of() : fields;
    }

    /**
     * Figures that belong to the reason, such as {@code limit} and {@code actual}.
     *
     * @return the figures by name; may be empty
     */
    public Map<String, String> metadata() {
        return metadata == null ? Map.of() : metadata;
    }

    static SessiondException of(ErrorDetails details) {
        return switch (details.reason()) {
            case SESSION_NOT_FOUND -> new SessionNotFoundException(details);
            case VERSION_MISMATCH -> new VersionMismatchException(details);
            case LOCK_HELD -> new LockHeldException(details);
            case UNAVAILABLE, NOT_READY -> new SessiondUnavailableException(details);
            case UNAUTHENTICATED -> new UnauthenticatedException(details);
            case PERMISSION_DENIED -> new PermissionDeniedException(details);
            case DEADLINE_EXCEEDED -> new SessiondTimeoutException(details);
            default -> new SessiondException(details);
        };
    }

    /** The same error with the stack of this thread: it shows who called, not where the answer arrived. */
    SessiondException raisedHere() {
        return of(new ErrorDetails(code, reason, reasonName, getMessage(), fields(), metadata(), true));
    }
}
