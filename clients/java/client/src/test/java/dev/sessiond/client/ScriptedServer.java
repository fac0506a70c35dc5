package dev.sessiond.client;

import dev.sessiond.v1.Call;
import dev.sessiond.v1.CreateSessionRequest;
import dev.sessiond.v1.CreateSessionResponse;
import dev.sessiond.v1.ExchangeRequest;
import dev.sessiond.v1.ExchangeResponse;
import dev.sessiond.v1.Reply;
import dev.sessiond.v1.SessionStoreGrpc;
import dev.sessiond.v1.TouchSessionResponse;
import io.grpc.InsecureServerCredentials;
import io.grpc.Server;
import io.grpc.ServerCredentials;
import io.grpc.netty.shaded.io.grpc.netty.NettyServerBuilder;
import io.grpc.stub.StreamObserver;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BiConsumer;

/** A server that answers as a test wants. */
final class ScriptedServer extends SessionStoreGrpc.SessionStoreImplBase implements AutoCloseable {
    final AtomicInteger streams = new AtomicInteger();
    final AtomicInteger unary = new AtomicInteger();
    final AtomicInteger messages = new AtomicInteger();

    /** Told of each message of each stream; null as soon as a stream opens. */
    private final BiConsumer<ExchangeRequest, StreamObserver<ExchangeResponse>> script;

    private final Server server;

    ScriptedServer(BiConsumer<ExchangeRequest, StreamObserver<ExchangeResponse>> script) throws Exception {
        this(script, InsecureServerCredentials.create());
    }

    ScriptedServer(BiConsumer<ExchangeRequest, StreamObserver<ExchangeResponse>> script, ServerCredentials credentials)
            throws Exception {
        this.script = script;
        server = NettyServerBuilder.forAddress(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), credentials)
                .addService(this)
                .build()
                .start();
    }

    String address() {
        return "127.0.0.1:" + server.getPort();
    }

    SessiondClient client(Duration timeout) {
        return SessiondClient.builder().address(address()).timeout(timeout).build();
    }

    static Reply.Builder touched(Call call, long version) {
        return Reply.newBuilder()
                .setTag(call.getTag())
                .setTouch(TouchSessionResponse.newBuilder().setVersion(version));
    }

    @Override
    public StreamObserver<ExchangeRequest> exchange(StreamObserver<ExchangeResponse> replies) {
        streams.incrementAndGet();
        script.accept(null, replies);
        return new StreamObserver<>() {
            @Override
            public void onNext(ExchangeRequest message) {
                messages.incrementAndGet();
                script.accept(message, replies);
            }

            @Override
            public void onError(Throwable error) {
                // The client has gone.
            }

            @Override
            public void onCompleted() {
                replies.onCompleted();
            }
        };
    }

    @Override
    public void createSession(CreateSessionRequest request, StreamObserver<CreateSessionResponse> answer) {
        unary.incrementAndGet();
        answer.onNext(CreateSessionResponse.newBuilder().setSessionId("unary").build());
        answer.onCompleted();
    }

    @Override
    public void close() {
        server.shutdownNow();
    }
}
