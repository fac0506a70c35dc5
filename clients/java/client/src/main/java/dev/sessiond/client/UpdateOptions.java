package dev.sessiond.client;

import dev.sessiond.v1.UpdateSessionRequest;

/** On which condition an update works: {@code UpdateOptions.DEFAULT.ifVersion(3)}. */
public final class UpdateOptions {
    /** The session must be there; no other condition. */
    public static final UpdateOptions DEFAULT = new UpdateOptions(UpdateSessionRequest.getDefaultInstance());

    private final UpdateSessionRequest request;

    private UpdateOptions(UpdateSessionRequest request) {
        this.request = request;
    }

    /**
     * Compare-and-set: the change is made only if the session has this version.
     *
     * @param version the expected version; {@link VersionMismatchException} if there is another
     * @return these options, with the condition
     */
    public UpdateOptions ifVersion(long version) {
        return new UpdateOptions(request.toBuilder().setExpectedVersion(version).build());
    }

    /**
     * Makes a session from the change if there is none. It can revive a session that was ended meanwhile. Can't be combined
     * with {@link #ifVersion}.
     *
     * @return these options, with upsert
     */
    public UpdateOptions upsert() {
        return new UpdateOptions(request.toBuilder().setUpsert(true).build());
    }

    /**
     * Makes the change only if a lock holds; {@link Reason#LOCK_LOST} if not.
     *
     * @param token the token of the lock
     * @return these options, with the condition
     */
    public UpdateOptions underLock(Secret token) {
        return new UpdateOptions(request.toBuilder().setLockToken(token.value()).build());
    }

    /**
     * Makes the change only if a lock holds, and releases the lock in the same step.
     *
     * @param token the token of the lock
     * @return these options, with the condition
     */
    public UpdateOptions thenUnlock(Secret token) {
        return new UpdateOptions(
                request.toBuilder().setLockToken(token.value()).setUnlock(true).build());
    }

    /** The request; its namespace, its ID and its change are left out. */
    UpdateSessionRequest request() {
        return request;
    }
}
