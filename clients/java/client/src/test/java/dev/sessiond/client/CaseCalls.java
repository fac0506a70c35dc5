package dev.sessiond.client;

import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import com.google.protobuf.Descriptors;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.Message;
import com.google.protobuf.util.JsonFormat;
import dev.sessiond.v1.AdminGrpc;
import dev.sessiond.v1.SessionStoreGrpc;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.PrototypeMarshaller;
import io.grpc.ServiceDescriptor;
import io.grpc.Status;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;

/** Makes the calls of cases by their names, by way of the client, so that its lane and its errors are tested too. */
final class CaseCalls {
    private final Caller caller;
    private final CaseVariables variables;

    CaseCalls(Caller caller, CaseVariables variables) {
        this.caller = caller;
        this.variables = variables;
    }

    /** Finds a method by its name in a case: CreateSession, or Admin.SweepNow. */
    static MethodDescriptor<?, ?> descriptor(String name) {
        boolean isAdmin = name.startsWith("Admin.");
        ServiceDescriptor service =
                isAdmin ? AdminGrpc.getServiceDescriptor() : SessionStoreGrpc.getServiceDescriptor();
        String full = service.getName() + "/" + (isAdmin ? name.substring("Admin.".length()) : name);
        return service.getMethods().stream()
                .filter(method -> method.getFullMethodName().equals(full))
                .findFirst()
                .orElseThrow(() -> new CaseFault("no method is called " + name));
    }

    /** The method with a single answer, as the client makes it; null if the client has none. */
    @SuppressWarnings("unchecked")
    private static Method<Message, Message> method(MethodDescriptor<?, ?> descriptor) {
        try {
            for (Field field : Methods.class.getDeclaredFields()) {
                if (Modifier.isStatic(field.getModifiers()) && field.getType() == Method.class) {
                    Method<Message, Message> method = (Method<Message, Message>) field.get(null);
                    if (method.descriptor().getFullMethodName().equals(descriptor.getFullMethodName())) {
                        return method;
                    }
                }
            }
            return null;
        } catch (IllegalAccessException e) {
            throw new AssertionError(e);
        }
    }

    /** Makes a message of a template; its namespace is that of the case unless it names one. */
    Message request(MethodDescriptor<?, ?> descriptor, JsonElement template) {
        Message.Builder builder = ((Message)
                        ((PrototypeMarshaller<?>) descriptor.getRequestMarshaller()).getMessagePrototype())
                .newBuilderForType();
        JsonObject request =
                template == null ? new JsonObject() : variables.expand(template).getAsJsonObject();
        Descriptors.FieldDescriptor namespace = builder.getDescriptorForType().findFieldByName("namespace");
        if (namespace != null && !request.has("namespace") && !request.has("allNamespaces")) {
            request.addProperty("namespace", variables.get("namespace"));
        }
        try {
            JsonFormat.parser().merge(request.toString(), builder);
        } catch (InvalidProtocolBufferException e) {
            throw new CaseFault(
                    "the request is no " + builder.getDescriptorForType().getName() + ": " + e.getMessage());
        }
        fillNamespaceOfCalls(builder);
        return builder.build();
    }

    /** The calls of an exchange get the namespace, too. */
    private void fillNamespaceOfCalls(Message.Builder builder) {
        Descriptors.FieldDescriptor calls = builder.getDescriptorForType().findFieldByName("calls");
        if (calls == null) {
            return;
        }
        for (int i = 0; i < builder.getRepeatedFieldCount(calls); i++) {
            Message.Builder call = ((Message) builder.getRepeatedField(calls, i)).toBuilder();
            for (Descriptors.FieldDescriptor field :
                    List.copyOf(call.getAllFields().keySet())) {
                if (field.getJavaType() == Descriptors.FieldDescriptor.JavaType.MESSAGE) {
                    Message.Builder request = ((Message) call.getField(field)).toBuilder();
                    Descriptors.FieldDescriptor namespace =
                            request.getDescriptorForType().findFieldByName("namespace");
                    if (namespace != null && request.getField(namespace).equals("")) {
                        call.setField(
                                field,
                                request.setField(namespace, variables.get("namespace"))
                                        .build());
                    }
                }
            }
            builder.setRepeatedField(calls, i, call.build());
        }
    }

    /** Makes a call; of a stream of answers the last one counts. */
    JsonElement call(String name, List<JsonElement> requests) {
        MethodDescriptor<?, ?> descriptor = descriptor(name);
        if (descriptor.getType() == MethodDescriptor.MethodType.UNARY) {
            Message request = request(descriptor, requests.get(0));
            return json(Caller.await(caller.call(method(descriptor), request, Function.identity())));
        }
        CaseStream stream = open(descriptor);
        requests.forEach(template -> stream.send(request(descriptor, template)));
        stream.endRequests();
        Message last = null;
        for (Message next = stream.next(); next != null; next = stream.next()) {
            last = next;
        }
        return json(last);
    }

    CaseStream open(String name) {
        return open(descriptor(name));
    }

    @SuppressWarnings("unchecked")
    private CaseStream open(MethodDescriptor<?, ?> descriptor) {
        return new CaseStream(caller.connection()
                .channel()
                .newCall((MethodDescriptor<Message, Message>) descriptor, CallOptions.DEFAULT));
    }

    static JsonElement json(Message message) {
        try {
            return JsonParser.parseString(JsonFormat.printer().print(message));
        } catch (InvalidProtocolBufferException e) {
            throw new CaseFault("the answer has no JSON form: " + e.getMessage());
        }
    }

    /** A call with streams, read message by message. */
    static final class CaseStream extends ClientCall.Listener<Message> {
        private static final long PATIENCE = 20;

        private final ClientCall<Message, Message> call;
        private final BlockingQueue<Object> arrived = new LinkedBlockingQueue<>();

        private record End(Status status, Metadata trailers) {}

        CaseStream(ClientCall<Message, Message> call) {
            this.call = call;
            call.start(this, new Metadata());
            call.request(Integer.MAX_VALUE);
        }

        void send(Message message) {
            call.sendMessage(message);
        }

        void endRequests() {
            call.halfClose();
        }

        void cancel() {
            call.cancel("the case closes the stream", null);
        }

        @Override
        public void onMessage(Message message) {
            arrived.add(message);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            arrived.add(new End(status, trailers));
        }

        /** The next message; null at the end. */
        Message next() {
            Object next;
            try {
                next = arrived.poll(PATIENCE, TimeUnit.SECONDS);
            } catch (InterruptedException e) {
                throw new AssertionError(e);
            }
            if (next == null) {
                throw new CaseFault("nothing came for " + PATIENCE + " s");
            }
            if (next instanceof End end) {
                if (end.status().isOk()) {
                    return null;
                }
                throw SessiondException.of(ErrorDetails.of(end.status(), end.trailers()));
            }
            return (Message) next;
        }
    }
}
