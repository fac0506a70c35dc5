"""The trace that a call belongs to: the headers of W3C Trace Context."""

import re
from collections.abc import Callable, Mapping

# Tells the trace of the caller's span: "traceparent" and "tracestate"; None or nothing where there is no span.
TraceContext = Callable[[], Mapping[str, str] | None]

# A traceparent and a tracestate, which may be empty.
Trace = tuple[str, str]

_PARENT = re.compile(r"[!-~]{1,512}")
_STATE = re.compile(r"[ -~]{1,512}")


def checked(given: TraceContext | None) -> TraceContext | None:
    """The function that was given. Raises TypeError if it is none."""
    if given is not None and not callable(given):
        raise TypeError(f"trace_context must be a callable, not {type(given).__name__}")
    return given


def current(tell: TraceContext) -> Trace | None:
    """What the function tells, as far as it can be sent. An error of it counts as no trace: no call fails for it."""
    try:
        carrier = tell() or {}
        parent, state = carrier.get("traceparent"), carrier.get("tracestate")
    except Exception:
        return None
    if not isinstance(parent, str) or not _PARENT.fullmatch(parent):
        return None
    return parent, state if isinstance(state, str) and _STATE.fullmatch(state) else ""


def metadata(trace: Trace | None) -> tuple[tuple[str, str], ...]:
    """What a unary call carries."""
    if trace is None:
        return ()
    parent, state = trace
    return (("traceparent", parent), *((("tracestate", state),) if state else ()))
