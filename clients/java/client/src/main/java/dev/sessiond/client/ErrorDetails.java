package dev.sessiond.client;

import com.google.protobuf.Any;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.rpc.BadRequest;
import com.google.rpc.ErrorInfo;
import dev.sessiond.v1.CallError;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.protobuf.ProtoUtils;
import java.util.List;
import java.util.Map;

/** What is known of a call that failed; {@code isNamed} tells whether a sessiond named the reason. */
record ErrorDetails(
        Status.Code code,
        Reason reason,
        String reasonName,
        String message,
        List<FieldViolation> fields,
        Map<String, String> metadata,
        boolean isNamed) {
    private static final String DOMAIN = "sessiond";
    private static final Metadata.Key<com.google.rpc.Status> TRAILER = Metadata.Key.of(
            "grpc-status-details-bin", ProtoUtils.metadataMarshaller(com.google.rpc.Status.getDefaultInstance()));

    /** An error that the client finds itself. */
    static ErrorDetails of(Status.Code code, Reason reason, String message) {
        return new ErrorDetails(code, reason, reason.name(), message, List.of(), Map.of(), false);
    }

    /** The error of a call over the fast lane. */
    static ErrorDetails of(CallError error) {
        Status.Code code = Status.fromCodeValue(error.getCode()).getCode();
        try {
            return of(code, error.getMessage(), com.google.rpc.Status.parseFrom(error.getDetails()));
        } catch (InvalidProtocolBufferException e) {
            return of(code, error.getMessage(), com.google.rpc.Status.getDefaultInstance());
        }
    }

    /** The error with which a call or a stream ended. */
    static ErrorDetails of(Status status, Metadata trailers) {
        com.google.rpc.Status details = null;
        try {
            details = trailers == null ? null : trailers.get(TRAILER);
        } catch (IllegalArgumentException e) {
            // What a proxy put there is no Status.
        }
        String message = status.getDescription() == null ? "" : status.getDescription();
        if (status.getCause() != null && status.getCause().getMessage() != null) {
            message += (message.isEmpty() ? "" : ": ") + status.getCause().getMessage();
        }
        return of(
                status.getCode(),
                message.isEmpty() ? status.getCode().name() : message,
                details == null ? com.google.rpc.Status.getDefaultInstance() : details);
    }

    private static ErrorDetails of(Status.Code code, String message, com.google.rpc.Status details) {
        String name = null;
        Map<String, String> metadata = Map.of();
        List<FieldViolation> fields = List.of();
        try {
            for (Any detail : details.getDetailsList()) {
                if (detail.is(ErrorInfo.class)) {
                    ErrorInfo info = detail.unpack(ErrorInfo.class);
                    if (info.getDomain().equals(DOMAIN)) {
                        name = info.getReason();
                        metadata = Map.copyOf(info.getMetadataMap());
                    }
                } else if (detail.is(BadRequest.class)) {
                    fields = detail.unpack(BadRequest.class).getFieldViolationsList().stream()
                            .map(violation -> new FieldViolation(violation.getField(), violation.getDescription()))
                            .toList();
                }
            }
        } catch (InvalidProtocolBufferException e) {
            // Details that can't be read leave the code and the message.
        }
        Reason reason = name == null ? reasonOf(code) : Reason.of(name);
        return new ErrorDetails(
                code, reason, name == null ? reason.name() : name, message, fields, metadata, name != null);
    }

    /** For statuses that no sessiond sent: of gRPC, or of a proxy. */
    private static Reason reasonOf(Status.Code code) {
        return switch (code) {
            case UNAVAILABLE -> Reason.UNAVAILABLE;
            case DEADLINE_EXCEEDED -> Reason.DEADLINE_EXCEEDED;
            case CANCELLED -> Reason.CANCELED;
            case INVALID_ARGUMENT -> Reason.INVALID_ARGUMENT;
            case UNAUTHENTICATED -> Reason.UNAUTHENTICATED;
            case PERMISSION_DENIED -> Reason.PERMISSION_DENIED;
            default -> Reason.INTERNAL;
        };
    }

    /** Tells whether the server said that it does not let this caller in. */
    boolean isNotLetIn() {
        return isNamed && (reason == Reason.UNAUTHENTICATED || reason == Reason.PERMISSION_DENIED);
    }

    /** Tells whether the server said that it is starting or draining. */
    boolean isNotReady() {
        return isNamed && reason == Reason.NOT_READY;
    }
}
