"""Spans and data points as Application Insights takes them. Pure.

Every span is a dependency, and its events are traces: the requests to the app are the Functions
host's to report. The schema: EndpointSpecs of github.com/microsoft/ApplicationInsights-Home.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.trace import ReadableSpan

Json = dict[str, Any]
_NAME = "Microsoft.ApplicationInsights"
_ROLE = {"ai.cloud.role": "batch-prep"}
_SEVERITY = {"DEBUG": 0, "INFO": 1, "WARNING": 2, "ERROR": 3, "CRITICAL": 4}
_TEXT_MAX = 8192


def of_spans(key: str, spans: Iterable[ReadableSpan]) -> list[Json]:
    """The items of finished spans and of their events. `key` is the component's."""
    return [item for span in spans for item in _of_span(key, span)]


def _of_span(key: str, span: ReadableSpan) -> Iterator[Json]:
    identity = f"{span.context.span_id:016x}"
    operation = {**_ROLE, "ai.operation.id": f"{span.context.trace_id:032x}"}
    above = {"ai.operation.parentId": f"{span.parent.span_id:016x}"} if span.parent else {}
    attributes = dict(span.attributes or {})
    host, error = attributes.get("server.address"), attributes.get("error.type")
    begun, ended = span.start_time or 0, span.end_time or 0
    method, path = attributes.get("http.request.method"), attributes.get("url.path")
    properties = _properties(attributes)
    if span.status.description:
        properties["message"] = span.status.description[:_TEXT_MAX]
    base = {
        "ver": 2,
        "name": span.name,
        "id": identity,
        "type": "HTTP" if host else "InProc",
        "target": str(host or ""),
        "data": f"{method} https://{host}{path}" if host else span.name,
        "resultCode": str(attributes.get("http.response.status_code") or error or 0),
        "success": span.status.is_ok,
        "duration": _duration(ended - begun),
        "properties": properties,
    }
    kind = ("RemoteDependency", "RemoteDependencyData")
    yield _item(key, kind, begun, {**operation, **above}, base)
    for event in span.events:
        level = str(dict(event.attributes or {}).get("level", ""))
        named = {name: text for name, text in properties.items() if name.startswith("batch_prep.")}
        line = {
            "ver": 2,
            "message": event.name,
            "severityLevel": _SEVERITY.get(level, 1),
            "properties": named,
        }
        tags = {**operation, "ai.operation.parentId": identity}
        yield _item(key, ("Message", "MessageData"), event.timestamp, tags, line)


def of_metrics(key: str, data: MetricsData) -> list[Json]:
    """The items of what was measured since the last time."""
    points = (
        (metric.name, point)
        for resource in data.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
        for point in metric.data.data_points
    )
    return [_of_point(key, name, point) for name, point in points]


def _of_point(key: str, name: str, point: Any) -> Json:
    measured: Json = {"name": name, "kind": 1}
    if hasattr(point, "value"):
        measured |= {"value": point.value, "count": 1}
    else:  # a histogram
        of = {"count": point.count, "min": point.min, "max": point.max}
        measured |= {"value": point.sum, **of}
    base = {"ver": 2, "metrics": [measured], "properties": _properties(point.attributes or {})}
    return _item(key, ("Metric", "MetricData"), point.time_unix_nano, _ROLE, base)


def _item(
    key: str, kind: tuple[str, str], moment: int, tags: Mapping[str, str], base: Json
) -> Json:
    name, type_ = kind
    return {
        "ver": 1,
        "name": f"{_NAME}.{name}",
        "time": _iso(moment),
        "iKey": key,
        "tags": dict(tags),
        "data": {"baseType": type_, "baseData": base},
    }


def _properties(attributes: Mapping[str, object]) -> dict[str, str]:
    return {name: str(value)[:_TEXT_MAX] for name, value in attributes.items()}


def _iso(nanoseconds: int) -> str:
    moment = datetime.fromtimestamp(nanoseconds / 1e9, UTC)
    return f"{moment.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _duration(nanoseconds: int) -> str:
    """Days, hours, minutes, seconds and their fraction."""
    seconds, rest = divmod(max(0, nanoseconds), 1_000_000_000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    return f"{days}.{hours:02}:{minutes:02}:{seconds:02}.{rest // 1000:06}"
