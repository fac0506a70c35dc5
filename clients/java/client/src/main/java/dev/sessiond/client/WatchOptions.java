package dev.sessiond.client;

import dev.sessiond.v1.WatchSessionsRequest;
import java.time.Duration;
import java.util.Arrays;

/** What to watch: {@code WatchOptions.DEFAULT.kinds(EventKind.EXPIRED)}. */
public final class WatchOptions {
    /** Every event of the client's namespace, from now on. */
    public static final WatchOptions DEFAULT = new WatchOptions(WatchSessionsRequest.newBuilder()
            .setCheckpointInterval(Times.duration(Duration.ofSeconds(10)))
            .build());

    private final WatchSessionsRequest request;

    private WatchOptions(WatchSessionsRequest request) {
        this.request = request;
    }

    /**
     * Watches every namespace instead of the client's.
     *
     * @return these options, with all namespaces
     */
    public WatchOptions allNamespaces() {
        return new WatchOptions(request.toBuilder().setAllNamespaces(true).build());
    }

    /**
     * Keeps to the sessions that belong to one user at the event.
     *
     * @param principal the user; empty for all
     * @return these options, with the user
     */
    public WatchOptions principal(String principal) {
        return new WatchOptions(request.toBuilder().setPrincipal(principal).build());
    }

    /**
     * Keeps to these kinds of events.
     *
     * @param kinds the kinds; none for all
     * @return these options, with the kinds
     * @throws IllegalArgumentException for {@link EventKind#UNRECOGNIZED}
     */
    public WatchOptions kinds(EventKind... kinds) {
        return new WatchOptions(request.toBuilder()
                .clearKinds()
                .addAllKinds(Arrays.stream(kinds).map(Events::kind).toList())
                .build());
    }

    /**
     * Asks for the last attributes with deleted, expired and revoked events, where the namespace keeps them (policy
     * {@code event-attributes}).
     *
     * @return these options, with attributes
     */
    public WatchOptions withAttributes() {
        return new WatchOptions(request.toBuilder().setIncludeAttributes(true).build());
    }

    /**
     * Begins after the event or checkpoint that had this token, also across a restart of the server.
     *
     * @param token the token; empty to begin now
     * @return these options, with the token
     */
    public WatchOptions resumeAfter(String token) {
        return new WatchOptions(request.toBuilder().setResumeToken(token).build());
    }

    /**
     * How often checkpoints come while there is nothing else. A server that hangs is found after this time and the
     * client's timeout.
     *
     * @param interval 100 ms to 1 h; left out, 10 s
     * @return these options, with the interval
     */
    public WatchOptions checkpointInterval(Duration interval) {
        return new WatchOptions(request.toBuilder()
                .setCheckpointInterval(Times.duration(interval))
                .build());
    }

    /** The request; its namespace is left out. */
    WatchSessionsRequest request() {
        return request;
    }
}
