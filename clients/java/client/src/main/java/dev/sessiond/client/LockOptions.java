package dev.sessiond.client;

import dev.sessiond.v1.LockSessionRequest;
import java.time.Duration;

/** How a lock is taken: {@code LockOptions.DEFAULT.waitUpTo(Duration.ofSeconds(2))}. */
public final class LockOptions {
    /** A lease of 10 s, without waiting. */
    public static final LockOptions DEFAULT = new LockOptions(LockSessionRequest.getDefaultInstance());

    private final LockSessionRequest request;

    private LockOptions(LockSessionRequest request) {
        this.request = request;
    }

    /**
     * How long the lock holds unless it is released.
     *
     * @param lease 100 ms to 60 s
     * @return these options, with the lease
     */
    public LockOptions lease(Duration lease) {
        return new LockOptions(
                request.toBuilder().setLease(Times.duration(lease)).build());
    }

    /**
     * How long to wait for a lock that another holds. The call may take so much longer than the client's timeout.
     *
     * @param wait 0 to 30 s
     * @return these options, with the wait
     */
    public LockOptions waitUpTo(Duration wait) {
        return new LockOptions(request.toBuilder().setWait(Times.duration(wait)).build());
    }

    /**
     * Reads the session, with its attributes, once the lock is taken: lock and load in one call.
     *
     * @return these options, with the session
     */
    public LockOptions withSession() {
        return new LockOptions(request.toBuilder().setIncludeSession(true).build());
    }

    /** The request; its namespace and its ID are left out. */
    LockSessionRequest request() {
        return request;
    }
}
