package dev.sessiond.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.sessiond.v1.Call;
import dev.sessiond.v1.CreateSessionResponse;
import dev.sessiond.v1.ExchangeResponse;
import dev.sessiond.v1.Reply;
import io.grpc.Status;
import io.grpc.protobuf.StatusProto;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** The rules of the fast lane, against a server that plays tricks. */
class LaneTest {
    private static final Duration PATIENCE = Duration.ofSeconds(10);

    private static void assertReason(Reason reason, Runnable call) {
        assertThatThrownBy(call::run)
                .isInstanceOfSatisfying(
                        SessiondException.class, e -> assertThat(e.reason()).isEqualTo(reason));
    }

    @ParameterizedTest
    @EnumSource(
            value = Status.Code.class,
            names = {"UNIMPLEMENTED", "INTERNAL", "UNKNOWN", "PERMISSION_DENIED", "UNAUTHENTICATED"})
    void refusedStreamGivesWayToUnaryCalls(Status.Code code) throws Exception {
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {
                    if (message == null) {
                        replies.onError(code.toStatus().asException());
                    }
                });
                SessiondClient client = server.client(PATIENCE)) {
            for (int i = 0; i < 3; i++) {
                assertThat(client.create().id().value()).isEqualTo("unary");
            }
            assertThat(server.streams).hasValue(1);
            assertThat(server.unary).hasValue(3);
        }
    }

    /** A proxy that waits for the end of a request holds the stream back for ever. */
    @Test
    void streamThatIsHeldBackGivesWayToUnaryCalls() throws Exception {
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {});
                SessiondClient client = server.client(Duration.ofMillis(500))) {
            assertReason(Reason.DEADLINE_EXCEEDED, client::create);
            // On a busy machine, a call may not even be sent within that time.
            Await.until(() -> {
                try {
                    return client.create().id().value().equals("unary");
                } catch (SessiondTimeoutException e) {
                    return false;
                }
            });
        }
    }

    @Test
    void whatMayHaveBeenCarriedOutIsNotRepeated() throws Exception {
        AtomicBoolean breaks = new AtomicBoolean(true);
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {
                    if (message == null) {
                        return;
                    }
                    // The first reply accepts the stream.
                    replies.onNext(ExchangeResponse.getDefaultInstance());
                    if (breaks.getAndSet(false)) {
                        replies.onError(Status.UNAVAILABLE.asException());
                    } else {
                        replies.onNext(ExchangeResponse.newBuilder()
                                .addReplies(ScriptedServer.touched(message.getCalls(0), 7))
                                .build());
                    }
                });
                SessiondClient client = server.client(PATIENCE)) {
            assertReason(Reason.UNAVAILABLE, client::create);
            assertThat(server.messages).hasValue(1);
            // To touch twice is the same as once.
            breaks.set(true);
            assertThat(client.touch("no-such-session-0").version()).isEqualTo(7);
            assertThat(server.messages).hasValue(3);
        }
    }

    /** A caller that never waits for its answers can't fill the memory. */
    @Test
    void callsThatWaitAreBounded() throws Exception {
        int inFlight = 1_024;
        AtomicInteger taken = new AtomicInteger();
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {
                    if (message != null) {
                        taken.addAndGet(message.getCallsCount());
                    }
                });
                SessiondClient client = server.client(PATIENCE)) {
            List<CompletableFuture<?>> calls = new ArrayList<>();
            for (int i = 0; i < Lane.QUEUED_CALLS + inFlight; i++) {
                calls.add(client.async().touch("no-such-session-0"));
            }
            // Those in flight have made room for as many that wait.
            Await.until(() -> taken.get() == inFlight);
            for (int i = 0; i < inFlight + 1_000; i++) {
                calls.add(client.async().touch("no-such-session-0"));
            }
            List<CompletableFuture<?>> refused = calls.stream()
                    .filter(CompletableFuture::isCompletedExceptionally)
                    .toList();
            assertThat(refused).hasSize(inFlight + 1_000);
            assertReason(Reason.TOO_MANY_CALLS, () -> client.touch("no-such-session-0"));
        }
    }

    /** A server that drains has not carried out what it has not replied to: it is repeated, whatever it is. */
    @Test
    void drainingServerIsAskedAgain() throws Exception {
        AtomicBoolean drains = new AtomicBoolean(true);
        com.google.rpc.Status notReady = com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.UNAVAILABLE.value())
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setReason("NOT_READY")
                        .setDomain("sessiond")
                        .build()))
                .build();
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {
                    if (message == null) {
                        return;
                    }
                    if (drains.getAndSet(false)) {
                        replies.onError(StatusProto.toStatusException(notReady));
                    } else {
                        replies.onNext(ExchangeResponse.newBuilder()
                                .addReplies(Reply.newBuilder()
                                        .setTag(message.getCalls(0).getTag())
                                        .setCreate(CreateSessionResponse.newBuilder()
                                                .setSessionId("second")))
                                .build());
                    }
                });
                SessiondClient client = server.client(PATIENCE)) {
            assertThat(client.create().id().value()).isEqualTo("second");
        }
    }

    @Test
    void replyToAnotherCallIsAnError() throws Exception {
        try (ScriptedServer server = new ScriptedServer((message, replies) -> answerAll(message, replies, null));
                SessiondClient client = server.client(PATIENCE)) {
            assertReason(Reason.INTERNAL, client::create);
        }
    }

    private static void answerAll(
            dev.sessiond.v1.ExchangeRequest message,
            io.grpc.stub.StreamObserver<ExchangeResponse> replies,
            Set<Long> silent) {
        if (message == null) {
            return;
        }
        ExchangeResponse.Builder answer = ExchangeResponse.newBuilder();
        for (Call call : message.getCallsList()) {
            if (silent != null && call.getTouch().getSessionId().equals("silence")) {
                silent.add(call.getTag());
            } else {
                if (silent != null && silent.contains(call.getTag())) {
                    replies.onError(Status.FAILED_PRECONDITION
                            .withDescription("a tag is used twice")
                            .asException());
                    return;
                }
                answer.addReplies(ScriptedServer.touched(call, 1));
            }
        }
        replies.onNext(answer.build());
    }

    /** More callers than may be in flight, and calls without a reply, whose tags may not be used again. */
    @Test
    void moreCallsThanMayBeInFlight() throws Exception {
        Set<Long> silent = ConcurrentHashMap.newKeySet();
        try (ScriptedServer server = new ScriptedServer((message, replies) -> answerAll(message, replies, silent));
                SessiondClient client = server.client(PATIENCE)) {
            List<CompletableFuture<TouchResult>> abandoned = new ArrayList<>();
            for (int i = 0; i < 512; i++) {
                abandoned.add(client.async().touch("silence"));
            }
            Await.until(() -> silent.size() == 512);
            abandoned.forEach(future -> future.cancel(true));
            List<CompletableFuture<TouchResult>> answered = new ArrayList<>();
            for (int i = 0; i < 4096; i++) {
                answered.add(client.async().touch("an answer"));
            }
            answered.forEach(CompletableFuture::join);
            assertThat(server.streams).hasValue(1);
            // Calls that are ready at the same time go in one message.
            assertThat(server.messages.get()).isLessThan(2000);
        }
    }

    /** A server that stops reading holds nobody longer than the deadline. */
    @Test
    void serverThatDoesNotReply() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {
                    if (message != null) {
                        calls.addAndGet(message.getCallsCount());
                        replies.onNext(ExchangeResponse.getDefaultInstance());
                    }
                });
                SessiondClient client = server.client(Duration.ofMillis(400))) {
            byte[] large = new byte[30 << 10];
            Threads.run(50, n -> {
                long began = System.nanoTime();
                assertReason(Reason.DEADLINE_EXCEEDED, () -> client.create(s -> s.attribute("large", large)));
                assertThat(Duration.ofNanos(System.nanoTime() - began)).isLessThan(Duration.ofSeconds(3));
            });
        }
    }

    @Test
    void callTooLargeForTheLaneTravelsByItself() throws Exception {
        try (ScriptedServer server = new ScriptedServer((message, replies) -> {});
                SessiondClient client = server.client(PATIENCE)) {
            byte[] large = new byte[Lane.MESSAGE_BYTES];
            assertThat(client.create(session -> session.attribute("large", large))
                            .id()
                            .value())
                    .isEqualTo("unary");
            assertThat(server.streams).hasValue(0);
        }
    }

    @Test
    void closeEndsCallsInFlight() throws Exception {
        AtomicInteger calls = new AtomicInteger();
        try (ScriptedServer server =
                new ScriptedServer((message, replies) -> calls.addAndGet(message == null ? 0 : 1))) {
            SessiondClient client = server.client(PATIENCE);
            CompletableFuture<IssuedSession> future = client.async().create();
            Await.until(() -> calls.get() > 0);
            client.close();
            assertThatThrownBy(future::join)
                    .hasCauseInstanceOf(SessiondException.class)
                    .cause()
                    .extracting("reason")
                    .isEqualTo(Reason.CANCELED);
        }
    }
}
