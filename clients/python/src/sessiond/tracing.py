"""Traces of OpenTelemetry: Client(trace_context=sessiond.tracing.current). Needs opentelemetry-api."""

from collections.abc import Mapping

try:
    from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
except ImportError:
    raise ImportError("sessiond.tracing needs OpenTelemetry; run: pip install opentelemetry-api") from None

_propagator = TraceContextTextMapPropagator()


def current() -> Mapping[str, str]:
    """The trace of the current span; nothing where there is none."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier
