package dev.sessiond.client;

/** What a case finds wrong. */
class CaseFault extends AssertionError {
    private static final long serialVersionUID = 1L;

    CaseFault(String message) {
        super(message);
    }

    /** A call that failed although it was to succeed. */
    static final class CallFailed extends CaseFault {
        private static final long serialVersionUID = 1L;

        private final SessiondException error;

        CallFailed(SessiondException error) {
            super("the call failed: " + error.reasonName() + ": " + error.getMessage());
            this.error = error;
        }

        SessiondException error() {
            return error;
        }
    }
}
