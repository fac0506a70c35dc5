package dev.sessiond.client;

import com.google.protobuf.Any;
import com.google.rpc.ErrorInfo;
import dev.sessiond.v1.CallError;
import dev.sessiond.v1.Checkpoint;
import dev.sessiond.v1.CountSessionsRequest;
import dev.sessiond.v1.CountSessionsResponse;
import dev.sessiond.v1.ExchangeRequest;
import dev.sessiond.v1.ExchangeResponse;
import dev.sessiond.v1.Reply;
import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.TouchSessionRequest;
import dev.sessiond.v1.TouchSessionResponse;
import dev.sessiond.v1.WatchSessionsRequest;
import dev.sessiond.v1.WatchSessionsResponse;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.StatusProto;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;

/** A server that takes calls with some tokens only. */
final class GuardedServer extends SessionStoreGrpc.SessionStoreImplBase implements AutoCloseable {
    private static final Context.Key<String> TOKEN = Context.key("token");
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

    /** The tokens of calls by themselves, and of streams. */
    final List<String> calls = new CopyOnWriteArrayList<>();

    final List<String> streams = new CopyOnWriteArrayList<>();

    /** Counted down when the client has ended its side of the first stream. */
    final CountDownLatch firstEnded = new CountDownLatch(1);

    /** What the replies of the first stream wait for. */
    volatile CountDownLatch held = new CountDownLatch(0);

    private volatile Set<String> valid = Set.of();
    private final Server server;

    GuardedServer(String... tokens) throws Exception {
        accept(tokens);
        server = NettyServerBuilder.forAddress(
                        new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), InsecureServerCredentials.create())
                .addService(this)
                .intercept(new ServerInterceptor() {
                    @Override
                    public <Q, A> ServerCall.Listener<Q> interceptCall(
                            ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
                        Iterable<String> found = headers.getAll(AUTHORIZATION);
                        String token =
                                found == null ? "" : String.join(" and ", found).replaceFirst("^Bearer ", "");
                        return Contexts.interceptCall(Context.current().withValue(TOKEN, token), call, headers, next);
                    }
                })
                .build()
                .start();
    }

    void accept(String... tokens) {
        valid = Set.of(tokens);
    }

    SessiondClient.Builder client() {
        return SessiondClient.builder().address("127.0.0.1:" + server.getPort()).timeout(Duration.ofSeconds(20));
    }

    private static com.google.rpc.Status refusal() {
        return com.google.rpc.Status.newBuilder()
                .setCode(Status.Code.UNAUTHENTICATED.value())
                .setMessage("the token is not known")
                .addDetails(Any.pack(ErrorInfo.newBuilder()
                        .setReason("UNAUTHENTICATED")
                        .setDomain("sessiond")
                        .build()))
                .build();
    }

    private <A> void answer(List<String> list, StreamObserver<A> observer, A answer) {
        String token = TOKEN.get();
        list.add(token);
        if (valid.contains(token)) {
            observer.onNext(answer);
            observer.onCompleted();
        } else {
            observer.onError(StatusProto.toStatusException(refusal()));
        }
    }

    @Override
    public void touchSession(TouchSessionRequest request, StreamObserver<TouchSessionResponse> observer) {
        answer(calls, observer, TouchSessionResponse.newBuilder().setVersion(7).build());
    }

    @Override
    public void countSessions(CountSessionsRequest request, StreamObserver<CountSessionsResponse> observer) {
        answer(calls, observer, CountSessionsResponse.getDefaultInstance());
    }

    /** Sends checkpoints until the token holds no longer. */
    @Override
    public void watchSessions(WatchSessionsRequest request, StreamObserver<WatchSessionsResponse> observer) {
        String token = TOKEN.get();
        streams.add(token);
        while (valid.contains(token) && !Context.current().isCancelled()) {
            observer.onNext(WatchSessionsResponse.newBuilder()
                    .setCheckpoint(Checkpoint.newBuilder().setResumeToken(token))
                    .build());
            try {
                Thread.sleep(1);
            } catch (InterruptedException e) {
                return;
            }
        }
        observer.onError(StatusProto.toStatusException(refusal()));
    }

    @Override
    public StreamObserver<ExchangeRequest> exchange(StreamObserver<ExchangeResponse> observer) {
        String token = TOKEN.get();
        streams.add(token);
        boolean isFirst = streams.size() == 1;
        if (!valid.contains(token)) {
            observer.onError(StatusProto.toStatusException(refusal()));
        }
        return new StreamObserver<>() {
            @Override
            public void onNext(ExchangeRequest message) {
                if (isFirst) {
                    try {
                        held.await();
                    } catch (InterruptedException e) {
                        return;
                    }
                }
                ExchangeResponse.Builder replies = ExchangeResponse.newBuilder();
                message.getCallsList()
                        .forEach(call -> replies.addReplies(
                                valid.contains(token)
                                        ? ScriptedServer.touched(call, 7)
                                        : Reply.newBuilder()
                                                .setTag(call.getTag())
                                                .setError(CallError.newBuilder()
                                                        .setCode(refusal().getCode())
                                                        .setMessage(refusal().getMessage())
                                                        .setDetails(refusal().toByteString()))));
                observer.onNext(replies.build());
            }

            @Override
            public void onError(Throwable error) {
                // The client has gone.
            }

            @Override
            public void onCompleted() {
                if (isFirst) {
                    firstEnded.countDown();
                }
                observer.onCompleted();
            }
        };
    }

    @Override
    public void close() {
        server.shutdownNow();
    }
}
