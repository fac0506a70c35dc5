package dev.sessiond.client;

import dev.sessiond.v1.TraceContext;
import java.util.Map;
import java.util.function.Supplier;

/** The trace that a call belongs to, as far as it can be sent. */
final class Traces {
    private static final int LONGEST = 512;

    private Traces() {}

    /** What the supplier tells of the caller's span; null if there is none. */
    static TraceContext current(Supplier<Map<String, String>> supplier) {
        if (supplier == null) {
            return null;
        }
        Map<String, String> carrier;
        try {
            carrier = supplier.get();
        } catch (RuntimeException e) {
            // No call fails for being traced.
            return null;
        }
        String parent = carrier == null ? null : carrier.get("traceparent");
        if (!isText(parent, '!')) {
            return null;
        }
        String state = carrier.get("tracestate");
        return TraceContext.newBuilder()
                .setTraceparent(parent)
                .setTracestate(isText(state, ' ') ? state : "")
                .build();
    }

    /** Tells whether a header can have a text, whose characters are printable ones from the lowest on. */
    private static boolean isText(String text, char lowest) {
        return text != null
                && !text.isEmpty()
                && text.length() <= LONGEST
                && text.chars().allMatch(c -> c >= lowest && c <= '~');
    }
}
