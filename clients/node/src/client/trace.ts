/** The trace that a call belongs to: the headers of W3C Trace Context. */

export interface TraceContext {
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
}

export interface TraceOptions {
  /**
   * Tells the trace of the caller's current span, which each call then carries to the server. It is asked once for each call. What it
   * throws counts as no trace. With OpenTelemetry: a function that calls `propagation.inject` of @opentelemetry/api.
   */
  readonly traceContext?: (() => TraceContext | undefined) | undefined;
}

const PARENT = /^[!-~]{1,512}$/;
const STATE = /^[ -~]{1,512}$/;

/** The trace that the caller's function tells, as far as it can be sent. */
export function currentTrace(tell: TraceOptions["traceContext"]): TraceContext | undefined {
  if (!tell) return undefined;
  try {
    const { traceparent, tracestate } = tell() ?? {};
    if (typeof traceparent !== "string" || !PARENT.test(traceparent)) return undefined;
    return typeof tracestate === "string" && STATE.test(tracestate) ? { traceparent, tracestate } : { traceparent };
  } catch {
    return undefined;
  }
}
