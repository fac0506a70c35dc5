package dev.sessiond.client;

import com.google.protobuf.Message;
import dev.sessiond.v1.Call;
import dev.sessiond.v1.Reply;
import io.grpc.MethodDescriptor;
import java.util.function.BiConsumer;
import java.util.function.Function;

/**
 * What is called.
 *
 * @param idempotent whether twice is the same as once: then a call is repeated although it may have been carried out
 * @param lane how the fast lane carries it; null if it always travels by itself
 */
record Method<Q extends Message, A extends Message>(
        MethodDescriptor<Q, A> descriptor, boolean idempotent, OnLane<Q, A> lane) {
    Method(MethodDescriptor<Q, A> descriptor, boolean idempotent) {
        this(descriptor, idempotent, null);
    }

    /**
     * How the fast lane carries a method.
     *
     * @param put puts a request into a call
     * @param result which result of a reply is an answer
     * @param take takes the answer out of a reply
     */
    record OnLane<Q, A>(BiConsumer<Call.Builder, Q> put, Reply.ResultCase result, Function<Reply, A> take) {}
}
