package dev.sessiond.client;

import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.WatchSessionsRequest;
import dev.sessiond.v1.WatchSessionsResponse;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;

/** One stream of events, from its opening to its end. */
final class EventFeed extends ClientCall.Listener<WatchSessionsResponse> {
    // Messages that are asked for ahead of the reader.
    private static final int AHEAD = 64;

    private final Connection connection;
    private final ClientCall<WatchSessionsRequest, WatchSessionsResponse> call;
    private final BlockingQueue<Item> items = new LinkedBlockingQueue<>();

    /** A message, or why there is none any more. */
    record Item(WatchSessionsResponse message, ErrorDetails end) {}

    private EventFeed(Connection connection) {
        this.connection = connection;
        call = connection.channel().newCall(SessionStoreGrpc.getWatchSessionsMethod(), CallOptions.DEFAULT);
    }

    static EventFeed open(Connection connection, WatchSessionsRequest request) {
        EventFeed feed = new EventFeed(connection);
        feed.call.start(feed, new Metadata());
        feed.call.request(AHEAD);
        feed.call.sendMessage(request);
        feed.call.halfClose();
        return feed;
    }

    /** Waits for the next message or the end; null if neither comes in so many nanoseconds. */
    Item poll(long nanos) throws InterruptedException {
        Item item = items.poll(nanos, TimeUnit.NANOSECONDS);
        if (item != null && item.message() != null) {
            call.request(1);
        }
        return item;
    }

    /** Ends the stream. Who waits for it is told. */
    void cancel() {
        call.cancel("the watch has ended", null);
        items.add(new Item(null, ErrorDetails.of(Status.Code.CANCELLED, Reason.CANCELED, "the watch was closed")));
    }

    @Override
    public void onMessage(WatchSessionsResponse message) {
        items.add(new Item(message, null));
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
        items.add(new Item(null, whyClosed(status, trailers)));
    }

    private ErrorDetails whyClosed(Status status, Metadata trailers) {
        if (connection.isClosed()) {
            return Failure.CLOSED.details();
        }
        ErrorDetails details = ErrorDetails.of(status, trailers);
        if (call.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) == null) {
            details = connection.notConnected(details);
        }
        boolean isBroken =
                switch (details.code()) {
                    case OK, INTERNAL, UNKNOWN, CANCELLED -> !details.isNamed();
                    default -> false;
                };
        return isBroken
                ? ErrorDetails.of(
                        Status.Code.UNAVAILABLE, Reason.UNAVAILABLE, "the stream was cut off: " + details.message())
                : details;
    }
}
