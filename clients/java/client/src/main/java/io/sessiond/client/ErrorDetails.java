package io.sessiond.client;

import io.grpc.Status;
import java.util.List;
import java.util.Map;

/** What is known of a call that failed. */
record ErrorDetails(
        Status.Code code,
        Reason reason,
        String reasonName,
        String message,
        List<FieldViolation> fields,
        Map<String, String> metadata) {
    /** An error that the client finds itself. */
    static ErrorDetails of(Status.Code code, Reason reason, String message) {
        return new ErrorDetails(code, reason, reason.name(), message, List.of(), Map.of());
    }
}
