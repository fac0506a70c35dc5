package dev.sessiond.client;

import dev.sessiond.v1.ListSessionsRequest;
import dev.sessiond.v1.SessionView;
import java.util.Collection;

/** Which sessions to list, and how: {@code ListOptions.ALL.principal("user-42")}. */
public final class ListOptions {
    /** All of the namespace, without attributes. */
    public static final ListOptions ALL = new ListOptions(ListSessionsRequest.getDefaultInstance());

    private final ListSessionsRequest request;

    private ListOptions(ListSessionsRequest request) {
        this.request = request;
    }

    /**
     * Keeps to the sessions of one user.
     *
     * @param principal the user; empty for all of the namespace
     * @return these options, with the user
     */
    public ListOptions principal(String principal) {
        return new ListOptions(request.toBuilder().setPrincipal(principal).build());
    }

    /**
     * Keeps to sessions with these handles. Can't be combined with {@link #principal} or {@link #pageSize}.
     *
     * @param handles at most 1,000; those that are not there are left out
     * @return these options, with the handles
     */
    public ListOptions handles(Collection<String> handles) {
        return new ListOptions(
                request.toBuilder().clearHandles().addAllHandles(handles).build());
    }

    /**
     * How many sessions to ask for at a time.
     *
     * @param sessions 1 to 1,000; 0 means 100
     * @return these options, with the size
     */
    public ListOptions pageSize(int sessions) {
        return new ListOptions(request.toBuilder().setPageSize(sessions).build());
    }

    /**
     * Asks for the attributes too.
     *
     * @return these options, with attributes
     */
    public ListOptions withAttributes() {
        return new ListOptions(
                request.toBuilder().setView(SessionView.SESSION_VIEW_FULL).build());
    }

    boolean showsAttributes() {
        return request.getView() == SessionView.SESSION_VIEW_FULL;
    }

    /** The request; its namespace and its page token are left out. */
    ListSessionsRequest request() {
        return request;
    }
}
