package dev.sessiond.client;

import io.grpc.Status;

/**
 * How an attempt failed.
 *
 * @param charge what a repetition costs; null if the failure was noticed here, and no server has answered
 */
record Failure(Outcome outcome, ErrorDetails details, RetryBudget.Charge charge) {
    /** The client was closed. */
    static final Failure CLOSED = new Failure(
            Outcome.UNKNOWN, ErrorDetails.of(Status.Code.CANCELLED, Reason.CANCELED, "the client is closed"));

    /** The caller makes calls faster than the server takes them. */
    static final Failure TOO_MANY_CALLS = new Failure(
            Outcome.NOT_CARRIED_OUT,
            ErrorDetails.of(
                    Status.Code.RESOURCE_EXHAUSTED,
                    Reason.TOO_MANY_CALLS,
                    "more calls wait for the server than the client keeps (" + Lane.QUEUED_CALLS + ")"));

    /** The fast lane is refused. */
    static final Failure REFUSED = unavailable(Outcome.REFUSED, "the stream was refused");

    Failure(Outcome outcome, ErrorDetails details) {
        this(outcome, details, null);
    }

    static Failure unavailable(Outcome outcome, String message) {
        return unavailable(outcome, message, null);
    }

    static Failure unavailable(Outcome outcome, String message, RetryBudget.Charge charge) {
        return new Failure(outcome, ErrorDetails.of(Status.Code.UNAVAILABLE, Reason.UNAVAILABLE, message), charge);
    }

    static Failure late(Outcome outcome) {
        return new Failure(
                outcome,
                ErrorDetails.of(
                        Status.Code.DEADLINE_EXCEEDED, Reason.DEADLINE_EXCEEDED, "there was no answer in time"));
    }

    /** The one rule of what is repeated. */
    boolean mayBeRepeated(boolean idempotent) {
        return details.code() == Status.Code.UNAVAILABLE && (outcome != Outcome.UNKNOWN || idempotent);
    }

    /** Tells whether the budget allows a repetition. */
    boolean isPaidFrom(RetryBudget budget) {
        return charge == null || details.isNotReady() || charge.isPaidFrom(budget);
    }

    /** The same for a call that never left. */
    Failure ofUnsent() {
        return outcome == Outcome.REFUSED ? this : new Failure(Outcome.NOT_CARRIED_OUT, details, charge);
    }
}
