"""A world whose telemetry is kept in memory."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Any

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from shared.azure.tracing import Tracing
from shared.engine.telemetry import Telemetry
from shared.model import traces
from tests.world import World


class Traced:
    """What a world reports from now on."""

    def __init__(self, world: World) -> None:
        self._spans = InMemorySpanExporter()
        self.restart(world)

    def restart(self, world: World) -> None:
        """A new process reports to the same place."""
        self._metrics = InMemoryMetricReader()
        made = Tracing(SimpleSpanProcessor(self._spans), world.services.now)
        meter = MeterProvider([self._metrics], shutdown_on_exit=False).get_meter("batch_prep")
        telemetry = Telemetry(made, meter)
        world.services = dataclasses.replace(world.services, telemetry=telemetry)

    @property
    def spans(self) -> list[ReadableSpan]:
        """In the order in which they ended."""
        return list(self._spans.get_finished_spans())

    def of(self, build: str) -> list[ReadableSpan]:
        """The spans of a build's trace."""
        return [s for s in self.spans if s.context.trace_id == traces.trace_id(build)]

    def metrics_data(self) -> MetricsData | None:
        """What was measured, as an exporter gets it."""
        return self._metrics.get_metrics_data()

    def metrics(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data = self.metrics_data()
        if data is None:
            return {}
        return {
            metric.name: list(metric.data.data_points)
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }


def broken(spans: list[ReadableSpan]) -> list[str]:
    """Why these spans are not one tree whose root is the build."""
    by_id = {span.context.span_id: span for span in spans}
    problems = [f"{len(by_id)} ids of {len(spans)} spans"] if len(by_id) < len(spans) else []
    problems += [
        f"{span.name} is below a span that is not there"
        for span in spans
        if span.parent and span.parent.span_id not in by_id
    ]
    roots = [span.name for span in spans if span.parent is None]
    return problems if roots == ["build"] else [*problems, f"the roots are {roots}"]


def requests(spans: list[ReadableSpan]) -> Counter[tuple[str, str]]:
    """Method and path of every request that has a span."""
    found = [s.attributes or {} for s in spans if s.kind.name == "CLIENT"]
    return Counter((str(a["http.request.method"]), str(a["url.path"])) for a in found)
