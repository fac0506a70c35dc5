package dev.sessiond.client;

import dev.sessiond.v1.ExchangeRequest;
import dev.sessiond.v1.ExchangeResponse;
import dev.sessiond.v1.Reply;
import dev.sessiond.v1.SessionStoreGrpc;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Grpc;
import io.grpc.Metadata;
import io.grpc.Status;
import java.util.ArrayDeque;
import java.util.Iterator;
import java.util.Queue;

/** One {@code Exchange}. It belongs to the I/O thread. */
final class LaneStream extends ClientCall.Listener<ExchangeResponse> {
    // With more calls in flight the server reads no further. Further calls wait within their deadline.
    private static final int CALLS_IN_FLIGHT = 1024;

    private final Lane lane;
    private final Connection connection;
    private final Secret token;
    private final ClientCall<ExchangeRequest, ExchangeResponse> exchange;
    private final Queue<LaneCall<?, ?>> waiting = new ArrayDeque<>();

    // A call in flight has a slot until its reply arrives, also if nobody waits for it any more. Its tag is the slot's
    // number.
    private final LaneCall<?, ?>[] slots = new LaneCall<?, ?>[CALLS_IN_FLIGHT];
    private final int[] free = new int[CALLS_IN_FLIGHT];
    private int freeCount = CALLS_IN_FLIGHT;

    private boolean isSent;
    private boolean isAccepted;
    private Failure ended;

    LaneStream(Lane lane, Connection connection, Secret token) {
        this.lane = lane;
        this.connection = connection;
        this.token = token;
        exchange = connection.channel().newCall(SessionStoreGrpc.getExchangeMethod(), CallOptions.DEFAULT);
        for (int i = 0; i < CALLS_IN_FLIGHT; i++) {
            // The last one is taken first.
            free[i] = CALLS_IN_FLIGHT - 1 - i;
        }
    }

    void open() {
        exchange.start(this, new Metadata());
        // At most as many replies as there are calls in flight, and each is handed over as it arrives.
        exchange.request(Integer.MAX_VALUE);
    }

    /** What the stream was opened with; null without a token. */
    Secret token() {
        return token;
    }

    /** Leaves what waits to another stream, and ends once all others have their replies. */
    void retire(LaneStream next) {
        for (LaneCall<?, ?> call = waiting.poll(); call != null; call = waiting.poll()) {
            next.add(call);
        }
        exchange.halfClose();
    }

    boolean hasEnded() {
        return ended != null;
    }

    /** Lets a call wait to be sent. */
    void add(LaneCall<?, ?> call) {
        if (ended == null) {
            waiting.add(call);
        } else {
            lane.waitsNoLonger();
            call.fail(ended.ofUnsent());
        }
    }

    /** Sends what waits, as far as slots are free and the connection takes it. */
    void send() {
        while (ended == null && !waiting.isEmpty() && freeCount > 0 && exchange.isReady()) {
            ExchangeRequest message = gather();
            if (message.getCallsCount() > 0) {
                isSent = true;
                exchange.sendMessage(message);
            }
        }
    }

    private ExchangeRequest gather() {
        ExchangeRequest.Builder message = ExchangeRequest.newBuilder();
        long now = System.nanoTime();
        int bytes = 0;
        for (LaneCall<?, ?> call = waiting.peek(); call != null && freeCount > 0; call = waiting.peek()) {
            if (!call.isAbandoned()) {
                bytes += call.size();
                if (bytes > Lane.MESSAGE_BYTES && message.getCallsCount() > 0) {
                    break;
                }
                int slot = free[--freeCount];
                slots[slot] = call;
                message.addCalls(call.message(slot, now));
            }
            waiting.remove();
            lane.waitsNoLonger();
        }
        return message.build();
    }

    /** Ends the calls whose time is over; answers when to look again, if any are left. */
    Long expire(long now) {
        Long next = null;
        boolean isHeldBack = false;
        for (LaneCall<?, ?> call : slots) {
            if (call != null && !call.isAbandoned()) {
                if (call.deadline() - now <= 0) {
                    // A stream that is not even accepted by the end of a long wait is held back on the way.
                    // Proxies do so that wait for the end of a request.
                    isHeldBack |= isSent && !isAccepted && call.hasWaitedLong(now);
                    call.fail(Failure.late(Outcome.UNKNOWN));
                } else {
                    next = earlier(next, call.deadline());
                }
            }
        }
        for (Iterator<LaneCall<?, ?>> calls = waiting.iterator(); calls.hasNext(); ) {
            LaneCall<?, ?> call = calls.next();
            if (call.deadline() - now <= 0) {
                calls.remove();
                lane.waitsNoLonger();
                call.fail(Failure.late(Outcome.NOT_CARRIED_OUT));
            } else {
                next = earlier(next, call.deadline());
            }
        }
        if (isHeldBack) {
            lane.refuse();
            // Other calls that wait on it get no reply either.
            end(Failure.unavailable(Outcome.UNKNOWN, "the stream was held back"));
        }
        return next;
    }

    private static long earlier(Long next, long deadline) {
        return next == null || deadline - next < 0 ? deadline : next;
    }

    @Override
    public void onHeaders(Metadata headers) {
        run(() -> isAccepted = true);
    }

    @Override
    public void onReady() {
        run(this::send);
    }

    @Override
    public void onMessage(ExchangeResponse message) {
        run(() -> answer(message));
    }

    @Override
    public void onClose(Status status, Metadata trailers) {
        run(() -> {
            Failure failure = whyClosed(status, trailers);
            if (failure.outcome() == Outcome.REFUSED) {
                lane.refuse();
            }
            end(failure);
        });
    }

    /** gRPC tells nearly everything in the I/O thread; only what happens before there is a connection may come in others. */
    private void run(Runnable task) {
        if (connection.isIoThread()) {
            task.run();
        } else {
            connection.io().execute(task);
        }
    }

    private void answer(ExchangeResponse message) {
        if (ended != null) {
            return;
        }
        isAccepted = true;
        for (Reply reply : message.getRepliesList()) {
            long tag = reply.getTag();
            if (tag < 0 || tag >= CALLS_IN_FLIGHT || slots[(int) tag] == null) {
                // Nobody asked for it.
                continue;
            }
            LaneCall<?, ?> call = slots[(int) tag];
            slots[(int) tag] = null;
            free[freeCount++] = (int) tag;
            call.answer(reply);
        }
        send();
    }

    /** What the end of the stream means for calls without a reply. */
    private Failure whyClosed(Status status, Metadata trailers) {
        if (connection.isClosed()) {
            return Failure.CLOSED;
        }
        ErrorDetails details = ErrorDetails.of(status, trailers);
        // What gRPC says itself, such as of a lost connection, comes without any metadata.
        RetryBudget.Charge charge = status.isOk() || !trailers.keys().isEmpty() ? new RetryBudget.Charge() : null;
        if (details.isNotReady()) {
            return new Failure(Outcome.NOT_CARRIED_OUT, details, charge);
        }
        if (!isAccepted) {
            if (exchange.getAttributes().get(Grpc.TRANSPORT_ATTR_REMOTE_ADDR) == null) {
                return Failure.unavailable(
                        Outcome.NOT_CARRIED_OUT,
                        connection.notConnected(details).message());
            }
            if (details.isNotLetIn()) {
                return new Failure(Outcome.ANSWERED, details, charge);
            }
            switch (status.getCode()) {
                case UNIMPLEMENTED, INTERNAL, UNKNOWN, PERMISSION_DENIED, UNAUTHENTICATED -> {
                    // An older server, or the answers of proxies that know nothing of such streams.
                    return Failure.REFUSED;
                }
                case FAILED_PRECONDITION -> {
                    // It is there, and takes no call at all: a port for TLS only says so.
                    return new Failure(Outcome.NOT_CARRIED_OUT, details, charge);
                }
                default -> {
                    // It broke before it could be accepted.
                }
            }
        }
        return Failure.unavailable(
                Outcome.UNKNOWN,
                status.isOk() ? "the stream was ended" : "the stream broke: " + details.message(),
                charge);
    }

    /** Tells everybody who has no reply that there will be none. */
    void end(Failure why) {
        if (ended != null) {
            return;
        }
        ended = why;
        exchange.cancel("the stream has ended", null);
        for (int slot = 0; slot < CALLS_IN_FLIGHT; slot++) {
            LaneCall<?, ?> call = slots[slot];
            slots[slot] = null;
            if (call != null) {
                call.fail(why);
            }
        }
        for (LaneCall<?, ?> call = waiting.poll(); call != null; call = waiting.poll()) {
            lane.waitsNoLonger();
            call.fail(why.ofUnsent());
        }
    }
}
