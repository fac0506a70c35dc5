package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.TouchSessionRequest;
import dev.sessiond.v1.TouchSessionResponse;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusException;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What a server has to bear that answers, but with UNAVAILABLE. */
class RetryBudgetTest {
    private static final int RESERVE = 1_000;
    private static final int CALLS = 2 * RESERVE;
    private static final String ID = "no-such-session-0";

    @Test
    void tenCallsThatSucceedGiveATokenBack() {
        RetryBudget budget = new RetryBudget();
        budget.noteSuccess();
        assertThat(takeAll(budget)).isEqualTo(RESERVE);
        succeed(budget, 9);
        assertThat(budget.take()).isFalse();
        succeed(budget, 1);
        assertThat(takeAll(budget)).isEqualTo(1);
        succeed(budget, 20 * RESERVE);
        assertThat(takeAll(budget)).isEqualTo(RESERVE);
    }

    @Test
    void callsThatShareAnAnswerPayOneToken() {
        RetryBudget budget = new RetryBudget();
        RetryBudget.Charge first = new RetryBudget.Charge();
        assertThat(first.isPaidFrom(budget)).isTrue();
        assertThat(first.isPaidFrom(budget)).isTrue();
        assertThat(takeAll(budget)).isEqualTo(RESERVE - 1);
        assertThat(new RetryBudget.Charge().isPaidFrom(budget)).isFalse();
        assertThat(first.isPaidFrom(budget)).isTrue();
    }

    private static int takeAll(RetryBudget budget) {
        int taken = 0;
        while (budget.take()) {
            taken++;
        }
        return taken;
    }

    private static void succeed(RetryBudget budget, int calls) {
        IntStream.range(0, calls).forEach(n -> budget.noteSuccess());
    }

    @Test
    void repetitionsOfAllCallsTogetherAreBounded() throws Exception {
        try (Overloaded server = new Overloaded(0);
                SessiondClient client = patient(server.port(), false)) {
            allFail(client, CALLS);
            assertThat(server.seen.getAndSet(0)).isEqualTo(CALLS + RESERVE);
            allFail(client, 10);
            assertThat(server.seen.getAndSet(0)).isEqualTo(10);

            server.isAvailable.set(true);
            for (int i = 0; i < 100; i++) {
                client.touch(ID);
            }
            server.isAvailable.set(false);
            server.seen.set(0);
            allFail(client, 30);
            assertThat(server.seen).hasValue(30 + 10);
        }
    }

    @Test
    void blockingCallsSpendTheSameBudget() throws Exception {
        try (Overloaded server = new Overloaded(0);
                SessiondClient client = patient(server.port(), false)) {
            allFail(client, CALLS);
            server.seen.set(0);
            assertThatThrownBy(() -> client.touch(ID)).isInstanceOf(SessiondUnavailableException.class);
            assertThat(server.seen).hasValue(1);
        }
    }

    @Test
    void streamsThatAreOpenedAgainAreBoundedToo() throws Exception {
        try (Overloaded server = new Overloaded(0);
                SessiondClient client = patient(server.port(), true)) {
            // One stream carries all calls that are ready, so fewer calls need more of them.
            int calls = 200;
            allFail(client, calls);
            assertThat(server.seen.getAndSet(0)).isBetween(RESERVE, calls + RESERVE);
            allFail(client, 10);
            assertThat(server.seen.get()).isBetween(1, 10);
        }
    }

    /** Its answers ask for the repetition, so that a restart fails no call, however many wait. */
    @Test
    void aServerThatStartsTakesNothingFromTheBudget() throws Exception {
        try (Overloaded server = new Overloaded(0);
                SessiondClient client = patient(server.port(), false)) {
            server.startsFor = 2 * CALLS;
            server.isAvailable.set(true);
            for (CompletableFuture<?> call : touches(client, CALLS)) {
                call.get(1, TimeUnit.MINUTES);
            }
            assertThat(server.seen).hasValue(3 * CALLS);
        }
    }

    /** The absence of a server costs nothing, so the budget is whole when one comes. */
    @Test
    void callsToNoServerTakeNothingFromTheBudget() throws Exception {
        int port = TestServer.freePort();
        try (SessiondClient client = patient(port, false)) {
            SessiondClient hurried = client.withTimeout(Duration.ofMillis(300));
            for (CompletableFuture<?> call : touches(hurried, CALLS)) {
                assertThatThrownBy(call::get).isInstanceOf(ExecutionException.class);
            }
            try (Overloaded server = new Overloaded(port)) {
                allFail(client, CALLS);
                assertThat(server.seen).hasValue(CALLS + RESERVE);
            }
        }
    }

    /** A client that repeats calls without end. */
    private static SessiondClient patient(int port, boolean fastLane) {
        return SessiondClient.builder()
                .address("127.0.0.1:" + port)
                .timeout(Duration.ofMinutes(10))
                .retry(new Retry(Integer.MAX_VALUE, Duration.ofMillis(1)))
                .fastLane(fastLane)
                .build();
    }

    /** Makes so many calls at the same time, all of which fail long before their deadline. */
    private static void allFail(SessiondClient client, int calls) {
        for (CompletableFuture<?> call : touches(client.withNamespace("shop"), calls)) {
            assertThatThrownBy(() -> call.get(1, TimeUnit.MINUTES))
                    .hasCauseInstanceOf(SessiondUnavailableException.class);
        }
    }

    private static List<? extends CompletableFuture<?>> touches(SessiondClient client, int calls) {
        return IntStream.range(0, calls).mapToObj(n -> client.async().touch(ID)).toList();
    }

    /**
     * Answers all calls and streams with UNAVAILABLE, and counts them, until it is available: then it answers calls one by one.
     */
    private static final class Overloaded extends SessionStoreGrpc.SessionStoreImplBase
            implements ServerInterceptor, AutoCloseable {
        final AtomicInteger seen = new AtomicInteger();
        final AtomicBoolean isAvailable = new AtomicBoolean();
        /** So many calls are told that it starts. */
        volatile int startsFor;

        private final Server server;

        Overloaded(int port) throws IOException {
            InetSocketAddress address = new InetSocketAddress(InetAddress.getLoopbackAddress(), port);
            server = NettyServerBuilder.forAddress(address, InsecureServerCredentials.create())
                    .addService(ServerInterceptors.intercept(this, this))
                    .build()
                    .start();
        }

        int port() {
            return server.getPort();
        }

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            if (seen.incrementAndGet() <= startsFor) {
                StatusException starting = StatusProto.toStatusException(com.google.rpc.Status.newBuilder()
                        .setCode(Status.Code.UNAVAILABLE.value())
                        .addDetails(Any.pack(ErrorInfo.newBuilder()
                                .setReason("NOT_READY")
                                .setDomain("sessiond")
                                .build()))
                        .build());
                call.close(starting.getStatus(), starting.getTrailers());
                return new ServerCall.Listener<>() {};
            }
            if (isAvailable.get()) {
                return next.startCall(call, headers);
            }
            call.close(Status.UNAVAILABLE.withDescription("overloaded"), new Metadata());
            return new ServerCall.Listener<>() {};
        }

        @Override
        public void touchSession(TouchSessionRequest request, StreamObserver<TouchSessionResponse> answer) {
            answer.onNext(TouchSessionResponse.getDefaultInstance());
            answer.onCompleted();
        }

        @Override
        public void close() {
            server.shutdownNow();
        }
    }
}
