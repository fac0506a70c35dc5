package dev.sessiond.client;

import dev.sessiond.v1.Access;
import dev.sessiond.v1.GetSessionRequest;

/** How a session is read: {@code ReadOptions.PEEK.omitAttributes()}. */
public final class ReadOptions {
    /** The read counts as activity of the visitor: it slides the idle timeout. */
    public static final ReadOptions TOUCH = new ReadOptions(
            GetSessionRequest.newBuilder().setAccess(Access.ACCESS_TOUCH).build());

    /** The read changes nothing: for polling and monitoring. */
    public static final ReadOptions PEEK = new ReadOptions(
            GetSessionRequest.newBuilder().setAccess(Access.ACCESS_PEEK).build());

    private final GetSessionRequest request;

    private ReadOptions(GetSessionRequest request) {
        this.request = request;
    }

    /**
     * Leaves the attributes out if the session has this version, because the caller knows them.
     *
     * @param version the version that the caller has
     * @return these options, with the condition
     */
    public ReadOptions ifVersionNot(long version) {
        return new ReadOptions(request.toBuilder().setIfVersionNot(version).build());
    }

    /**
     * Leaves the attributes out, for those who want to know only whose the session is, or when it ends.
     *
     * @return these options, without attributes
     */
    public ReadOptions omitAttributes() {
        return new ReadOptions(request.toBuilder().setOmitAttributes(true).build());
    }

    /** The request; its namespace and its ID are left out. */
    GetSessionRequest request() {
        return request;
    }
}
