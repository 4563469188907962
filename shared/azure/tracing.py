"""Spans under ids that the caller chooses, and the call of an activity that is under way.

Nothing of OpenTelemetry is imported before a `Tracing` is made.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from shared.base import logs, redaction
from shared.model import traces

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.trace import Span

Attributes = Mapping[str, str | int | float | None]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_REQUEST_ID = "x-ms-request-id"
_TEXT_MAX = 8192  # characters; Application Insights keeps no more


def nanoseconds(moment: str) -> int:
    """A time, ISO 8601, as OpenTelemetry has it."""
    return (datetime.fromisoformat(moment) - _EPOCH) // timedelta(microseconds=1) * 1000


def clean(attributes: Attributes) -> dict[str, str | int | float]:
    """Attributes without secrets, and without those that are None."""
    return {
        name: redaction.redacted(value)[:_TEXT_MAX] if isinstance(value, str) else value
        for name, value in attributes.items()
        if value is not None
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where a span belongs: in a trace, below a span, and perhaps under an id of its own."""

    trace: int
    parent: int | None
    span: int | None = None  # None: a random one


class Tracing:
    """Makes the spans of one process and hands them to a processor. `now` is Azure's time."""

    def __init__(self, processor: SpanProcessor, now: Callable[[], str]) -> None:
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.id_generator import RandomIdGenerator

        chosen: ContextVar[Place | None] = ContextVar("chosen", default=None)

        class Ids(RandomIdGenerator):
            """Those that were chosen, and otherwise random ones."""

            def generate_trace_id(self) -> int:
                place = chosen.get()
                return place.trace if place else super().generate_trace_id()

            def generate_span_id(self) -> int:
                place = chosen.get()
                return place.span if place and place.span else super().generate_span_id()

        self._chosen = chosen
        self._provider = TracerProvider(
            id_generator=Ids(), resource=Resource.create({"service.name": "batch-prep"})
        )
        self._provider.add_span_processor(processor)
        self._tracer = self._provider.get_tracer("batch_prep")
        self._now = now
        _follow_logs()

    def now(self) -> int:
        """Azure's time, in nanoseconds."""
        return nanoseconds(self._now())

    def start(
        self, name: str, place: Place | None, attributes: Attributes, begun: int | None = None
    ) -> Span:
        """A span that has begun now, or at that time. Without a place it has a trace of its own."""
        from opentelemetry.context import Context

        token = self._chosen.set(place)
        try:
            return self._tracer.start_span(
                name,
                context=below(place.trace, place.parent) if place else Context(),
                attributes=clean(attributes),
                start_time=self.now() if begun is None else begun,
            )
        finally:
            self._chosen.reset(token)

    def end(self, span: Span, attributes: Attributes, *, error: str | None = None) -> None:
        """The span ends now; with an `error`, which says why, it has failed."""
        from opentelemetry.trace import Status, StatusCode

        span.set_attributes(clean(attributes))
        if error is not None:
            span.set_status(Status(StatusCode.ERROR, redaction.redacted(error)[:_TEXT_MAX]))
        span.end(self.now())

    def start_request(self, parent: Span, method: str, url: str) -> Span:
        """The span of one request to Azure. The path is in it, and of the query nothing."""
        from opentelemetry.trace import SpanKind, set_span_in_context

        host, path = redaction.place_of(url)
        attributes = {"http.request.method": method, "server.address": host, "url.path": path}
        return self._tracer.start_span(
            traces.request_name(method, path),
            context=set_span_in_context(parent),
            kind=SpanKind.CLIENT,
            attributes=clean(attributes),
            start_time=self.now(),
        )


def below(trace: int, parent: int | None) -> Context:
    """The context in which a new span is the child of another, which may be in another process."""
    from opentelemetry.context import Context
    from opentelemetry.trace import (
        NonRecordingSpan,
        SpanContext,
        TraceFlags,
        set_span_in_context,
    )

    if parent is None:
        return Context()
    sampled = TraceFlags(TraceFlags.SAMPLED)
    known = SpanContext(trace, parent, is_remote=True, trace_flags=sampled)
    return set_span_in_context(NonRecordingSpan(known), Context())


@contextmanager
def of_build(build: str | None) -> Iterator[None]:
    """The durable client hands on the context in which it is called. What it starts inside is, for
    Durable's own tracing, a part of the build's trace.
    """
    if build is None:
        yield
        return
    from opentelemetry import context

    token = context.attach(below(traces.trace_id(build), traces.build_span(build)))
    try:
        yield
    finally:
        context.detach(token)


# -------------------------------------------------------------------------------------------------
# The call that is under way


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of an activity, to which requests and log lines belong."""

    tracing: Tracing
    span: Span

    def start_request(self, method: str, url: str) -> Span:
        """The span of a request that this call makes."""
        return self.tracing.start_request(self.span, method, url)

    def end_request(self, span: Span, response: Any = None, error: str | None = None) -> None:
        """Azure has answered, or `error` has happened instead. It is no error that a resource that
        is looked for is not there.
        """
        status = getattr(response, "status_code", None)
        answered = getattr(response, "headers", {}).get(_REQUEST_ID)
        if status is not None and status >= 400 and (status != 404 or self._is_change(response)):
            error = str(status)
        attributes = {
            "http.response.status_code": status,
            "az.service_request_id": answered,
            "error.type": error,
        }
        self.tracing.end(span, attributes, error=error)

    @staticmethod
    def _is_change(response: Any) -> bool:
        return bool(response.request.method != "GET")


_CALL: ContextVar[Call | None] = ContextVar("call", default=None)


def current_call() -> Call | None:
    """The call of an activity that is under way in this thread, if it is traced."""
    return _CALL.get()


@contextmanager
def under_way(call: Call) -> Iterator[None]:
    """Requests and log lines inside belong to this call."""
    token = _CALL.set(call)
    try:
        yield
    finally:
        _CALL.reset(token)


class _ToSpan(logging.Handler):
    """Makes each line of the app's log an event of the call during which it is written."""

    def emit(self, record: logging.LogRecord) -> None:
        call = _CALL.get()
        if call is not None:
            level = {"level": record.levelname}
            call.span.add_event(record.getMessage()[:_TEXT_MAX], level, call.tracing.now())


def _follow_logs() -> None:
    logger = logging.getLogger(logs.ROOT)
    if not any(isinstance(handler, _ToSpan) for handler in logger.handlers):
        logger.addHandler(_ToSpan(logging.INFO))
        if logger.level == logging.NOTSET:
            logger.setLevel(logging.INFO)
