package dev.sessiond.client;

import dev.sessiond.v1.RotateSessionRequest;
import java.time.Duration;
import java.util.function.Consumer;

/** How a rotation works: {@code RotateOptions.DEFAULT.change(c -> c.setPrincipal("user-42"))}. */
public final class RotateOptions {
    /** A new ID from the server; the old one is dead at once. */
    public static final RotateOptions DEFAULT = new RotateOptions(RotateSessionRequest.getDefaultInstance());

    private final RotateSessionRequest request;

    private RotateOptions(RotateSessionRequest request) {
        this.request = request;
    }

    /**
     * The next ID, where a framework must choose it. Left out, and better so, the server mints one.
     *
     * @param id 16 to 256 printable ASCII characters without spaces
     * @return these options, with this ID
     */
    public RotateOptions newId(String id) {
        return new RotateOptions(request.toBuilder().setNewSessionId(id).build());
    }

    /**
     * How long the old ID can still read, for the parallel requests of one page.
     *
     * @param grace from 0 to 60 s
     * @return these options, with the grace
     */
    public RotateOptions grace(Duration grace) {
        return new RotateOptions(
                request.toBuilder().setGrace(Times.duration(grace)).build());
    }

    /**
     * A change that is made in the same atomic step, such as setting the principal at log in.
     *
     * @param change the change
     * @return these options, with the change
     */
    public RotateOptions change(SessionChange change) {
        return new RotateOptions(request.toBuilder().setChange(change.message()).build());
    }

    /**
     * A change that is made in the same atomic step.
     *
     * @param change fills in the change
     * @return these options, with the change
     */
    public RotateOptions change(Consumer<SessionChange.Builder> change) {
        SessionChange.Builder builder = SessionChange.builder();
        change.accept(builder);
        return change(builder.build());
    }

    /**
     * Compare-and-set: the rotation is made only if the session has this version.
     *
     * @param version the expected version; {@link VersionMismatchException} if there is another
     * @return these options, with the condition
     */
    public RotateOptions ifVersion(long version) {
        return new RotateOptions(request.toBuilder().setExpectedVersion(version).build());
    }

    /** The request; its namespace and its ID are left out. */
    RotateSessionRequest request() {
        return request;
    }
}
