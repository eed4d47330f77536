"""Traces for OpenTelemetry, where somebody wants them (DIALTRACE_TRACES_URL); otherwise nothing of its library is even
imported, and a span costs a comparison.

All spans of one call are one trace: its number is the call's own id, which worker, agent and API each know without
telling one another. No number, no name and no tenant is in a span.
"""

from __future__ import annotations

import atexit
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

from .errors import DialtraceError

#: Made by :func:`begin_tracing`, once, at a process's start; None: nobody wants traces.
_tracer: Any = None


class TracingMissing(DialtraceError):
    """OpenTelemetry's library is not installed: pip install 'dialtrace[traces]', or unset DIALTRACE_TRACES_URL."""


def begin_tracing(url: str, process: str) -> None:
    """From now on spans go to ``url`` (OTLP over HTTP, such as http://collector:4318/v1/traces), some seconds late and
    in batches; what a collector does not take is given up. Empty: nothing. Raises TracingMissing."""
    global _tracer  # noqa: PLW0603 (set once, like a logger)
    if not url:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        raise TracingMissing from error
    provider = TracerProvider(
        resource=Resource.create({"service.name": f"dialtrace-{process}"}), shutdown_on_exit=False
    )
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=url, timeout=5)))
    atexit.register(provider.shutdown)
    _tracer = provider.get_tracer("dialtrace")


@contextmanager
def span(name: str, call_id: str | UUID | None = None, **facts: str | int | float | bool) -> Iterator[None]:
    """What runs inside, as one span; an error that leaves it is noted and goes on."""
    if _tracer is None:
        yield
        return
    more = facts if call_id is None else {**facts, "dialtrace.call": str(call_id)}
    with _tracer.start_as_current_span(name, context=_of_call(call_id), attributes=more):
        yield


def told(name: str, began_ns: int, call_id: str | None = None, **facts: str | int | float | bool) -> None:
    """Something that has just ended; ``began_ns``: since 1970."""
    if _tracer is not None:
        more = facts if call_id is None else {**facts, "dialtrace.call": call_id}
        _tracer.start_span(name, context=_of_call(call_id), start_time=began_ns, attributes=more).end()


def is_on() -> bool:
    return _tracer is not None


def _of_call(call_id: str | UUID | None) -> Any:
    """The trace of a call; None, where there is no call or its id is no UUID: a trace of its own, or the one that this
    runs in."""
    if call_id is None:
        return None
    try:
        number = UUID(str(call_id)).int
    except ValueError:
        return None
    from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

    parent = SpanContext(number, number & 0xFFFF_FFFF_FFFF_FFFF or 1, is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(parent))
