package dev.sessiond.client;

import dev.sessiond.v1.BatchDeleteSessionsResult;
import dev.sessiond.v1.BatchGetSessionsResult;
import dev.sessiond.v1.ItemError;
import io.grpc.Status;
import java.util.List;
import java.util.Map;

/** Results of batches as the contract has them. */
final class Batches {
    private Batches() {}

    static BatchResult<Session> session(BatchGetSessionsResult result) {
        return result.hasSession()
                ? BatchResult.of(new Session(result.getSession(), true))
                : BatchResult.failed(error(result.getError()));
    }

    static BatchResult<Boolean> deleted(BatchDeleteSessionsResult result) {
        return result.hasError() ? BatchResult.failed(error(result.getError())) : BatchResult.of(result.getDeleted());
    }

    private static SessiondException error(ItemError error) {
        Reason reason = Reason.of(error.getReason());
        Status.Code code =
                switch (reason) {
                    case SESSION_NOT_FOUND -> Status.Code.NOT_FOUND;
                    case INVALID_ARGUMENT -> Status.Code.INVALID_ARGUMENT;
                    case SESSION_CORRUPT -> Status.Code.DATA_LOSS;
                    case BATCH_TOO_LARGE -> Status.Code.RESOURCE_EXHAUSTED;
                    default -> Status.Code.UNKNOWN;
                };
        return SessiondException.of(
                new ErrorDetails(code, reason, error.getReason(), error.getMessage(), List.of(), Map.of(), true));
    }
}
