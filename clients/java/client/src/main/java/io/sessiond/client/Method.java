package io.sessiond.client;

import com.google.protobuf.Message;
import io.grpc.MethodDescriptor;

/**
 * What is called.
 *
 * @param idempotent whether twice is the same as once: then a call is repeated although it may have been carried out
 */
record Method<Q extends Message, A extends Message>(MethodDescriptor<Q, A> descriptor, boolean idempotent) {}
