package io.sessiond.client;

import com.google.protobuf.Message;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/** Makes calls in a namespace, within a timeout. */
record Caller(Connection connection, String namespace, Duration timeout) {
    static Caller connect(Settings settings) {
        return new Caller(new Connection(settings), settings.namespace, settings.timeout);
    }

    Caller withNamespace(String other) {
        return new Caller(connection, other, timeout);
    }

    Caller withTimeout(Duration other) {
        return new Caller(connection, namespace, other);
    }

    <Q extends Message, A extends Message, R> CompletableFuture<R> call(
            Method<Q, A> method, Q request, Function<A, R> convert) {
        throw new UnsupportedOperationException();
    }

    <R> R await(CompletableFuture<R> future) {
        throw new UnsupportedOperationException();
    }
}
