"""Sends spans and metrics to Application Insights, over its REST endpoint, as the app's identity.

Azure's own exporter for Python is a beta, which keeps unsent items on disk and reports on itself to
Microsoft. What cannot be sent here is dropped: a build never waits for its telemetry.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.rest import HttpRequest
from opentelemetry.sdk.metrics import Counter, Histogram, MeterProvider
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
    PeriodicExportingMetricReader,
)
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from shared.azure import clients, insights_items, pipeline
from shared.azure.tracing import Tracing
from shared.base import logs

if TYPE_CHECKING:
    from azure.core.pipeline.transport import HttpTransport
    from opentelemetry.metrics import Meter

    from shared.base.insights import Insights

log = logs.get("insights")
_SECONDS_BETWEEN = 60  # of two reports of metrics
# Each item says how much came since the last one: no process knows what others have counted.
_DELTA = AggregationTemporality.DELTA
_SINCE_LAST: dict[type, AggregationTemporality] = {Counter: _DELTA, Histogram: _DELTA}


def start(
    config: Insights, now: Callable[[], str], transport: HttpTransport[Any, Any] | None = None
) -> tuple[Tracing, Meter]:
    """Begin to send what this process reports. `transport` replaces the network."""
    sender = Sender(config, transport)
    reader = PeriodicExportingMetricReader(_Metrics(sender), _SECONDS_BETWEEN * 1000)
    meter = MeterProvider([reader]).get_meter("batch_prep")
    return Tracing(BatchSpanProcessor(_Spans(sender)), now), meter


class Sender:
    """One component of Application Insights."""

    def __init__(self, config: Insights, transport: HttpTransport[Any, Any] | None = None) -> None:
        options = pipeline.unauthorized(transport)
        if config.insights_authentication:
            credential = clients.make_credential(config.insights_client_id)
            options = pipeline.authorized(credential, config.insights_scope, transport)
        self.key = config.insights_key
        self._client: PipelineClient[Any, Any] = PipelineClient("", **options)
        self._url = f"{config.insights_endpoint}/v2.1/track"
        self._is_failing = False

    def send(self, items: list[dict[str, Any]]) -> bool:
        """Whether Application Insights has taken them all. The log has the first of several
        failures in a row.
        """
        try:
            response = self._client.send_request(HttpRequest("POST", self._url, json=items))
            problem = "" if response.status_code == 200 else f"HTTP {response.status_code}"
        except AzureError as error:
            problem = str(error)
        if problem and not self._is_failing:
            log.warning("telemetry is lost: %s answers %s", self._url, problem)
        self._is_failing = bool(problem)
        return not problem


class _Spans(SpanExporter):
    def __init__(self, sender: Sender) -> None:
        self._sender = sender

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        is_sent = self._sender.send(insights_items.of_spans(self._sender.key, spans))
        return SpanExportResult.SUCCESS if is_sent else SpanExportResult.FAILURE


class _Metrics(MetricExporter):
    def __init__(self, sender: Sender) -> None:
        super().__init__(preferred_temporality=_SINCE_LAST)
        self._sender = sender

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002  as the base class has it
        **_: Any,
    ) -> MetricExportResult:
        items = insights_items.of_metrics(self._sender.key, metrics_data)
        is_sent = not items or self._sender.send(items)
        return MetricExportResult.SUCCESS if is_sent else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002  likewise
        return True

    def shutdown(self, timeout_millis: float = 30_000, **_: Any) -> None:
        """Nothing is kept."""
