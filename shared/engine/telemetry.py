"""What is reported of builds while they run: spans and metrics. docs/telemetry.md describes both.

Activities and triggers report where they write the records. An activity that Durable runs again, or
a record that is written again, is reported once by a process: its span has the same id each time.
Without a `Tracing`, nothing is reported and nothing of OpenTelemetry is imported.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from shared.azure import tracing
from shared.azure.tracing import Attributes, Call, Place, Tracing
from shared.base.errors import Failure
from shared.model import traces
from shared.model.outcomes import BuildOutcome
from shared.store.builds import StepMark

if TYPE_CHECKING:
    from opentelemetry.metrics import Meter
    from opentelemetry.trace import Span

Json = dict[str, Any]
_REMEMBERED_MAX = 10_000  # ids of spans; a build has about thirty
_SECONDS = [1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 21_600]  # bounds of buckets
_STATES = {"done": "succeeded", "failed": "failed", "wait": "waiting"}


class Telemetry:
    """The reports of one process."""

    def __init__(self, tracing: Tracing | None = None, meter: Meter | None = None) -> None:
        self._tracing = tracing
        self._metrics = _Metrics(meter) if meter else None
        self._reported: dict[int, None] = {}  # the oldest first

    @property
    def is_on(self) -> bool:
        """Whether anything is reported: what only a report needs is not looked up otherwise."""
        return self._tracing is not None

    # -- calls -------------------------------------------------------------------------------------

    @contextmanager
    def call(self, activity: str, build: str | None, mark: StepMark | None) -> Iterator[_Reply]:
        """Report one call of an activity. One during which the process dies is not reported."""
        reply = _Reply()
        if self._tracing is None:
            yield reply
            return
        place = None
        if build is not None:
            parent = _of_step(mark) if mark else traces.build_span(build)
            place = Place(trace=traces.trace_id(build), parent=parent)
        span = self._tracing.start(activity, place, _names(build, mark))
        try:
            with tracing.under_way(Call(tracing=self._tracing, span=span)):
                yield reply
        except Exception as bug:
            self._tracing.end(span, {"error.type": type(bug).__name__}, error=str(bug))
            raise
        self._end(span, reply.state, reply.failure)

    def _end(self, span: Span, state: str | None, failure: Failure | None) -> None:
        assert self._tracing is not None
        error = failure.message if failure else None
        self._tracing.end(span, {"batch_prep.state": state, **_reason(failure)}, error=error)

    # -- steps -------------------------------------------------------------------------------------

    def step_ended(self, mark: StepMark, reply: Json) -> None:
        """A step has its end on record."""
        failure = Failure.from_wire(reply["error"]) if reply["state"] == "failed" else None
        begun, ended = self._began(mark.started_at), self._now()
        span = self._once(
            f"step {mark.name}", mark.build, _of_step(mark), _names(None, mark), begun
        )
        if span is None:
            return
        state = _STATES[reply["state"]]
        self._end(span, state, failure)
        if self._metrics:
            self._metrics.step(mark.name, state, (ended - begun) / 1e9)
            if failure:
                self._metrics.failure(mark.name, failure)

    # -- builds ------------------------------------------------------------------------------------

    def triggered(self, build: str, what: str, begun: str, status: int | None = None) -> None:
        """A request, a message or a timer has begun a build or changed it, and is done now. The
        Functions host reports it as a request of the app; this is its part of the build.
        """
        if self._tracing is None:
            return
        place = Place(trace=traces.trace_id(build), parent=traces.build_span(build))
        span = self._tracing.start(what, place, _names(build, None), self._began(begun))
        self._tracing.end(span, {"http.response.status_code": status})

    def build_ended(self, row: Mapping[str, Any] | None, outcome: BuildOutcome) -> None:
        """A build has its outcome on record; `row` is its record before."""
        if self._tracing is None or row is None:
            return
        build, reopened = outcome.build_id, str(row.get("ReopenedAt") or "")
        begun = self._began(reopened or str(row["AcceptedAt"]))
        identity = traces.resume_span(build, reopened) if reopened else None
        names = {**_names(build, None), "batch_prep.mode": str(row["Mode"])}
        span = self._once("resume" if reopened else "build", build, identity, names, begun)
        if span is None:
            return
        seconds = (self._now() - begun) / 1e9
        self._end(span, outcome.state, outcome.error)
        if self._metrics:
            self._metrics.build(outcome, str(row["Mode"]), seconds)

    # -- the subscription --------------------------------------------------------------------------

    def gauge(self, name: str, value: float, **attributes: str) -> None:
        """Report the present value of a gauge."""
        if self._metrics:
            self._metrics.gauges[name].set(value, attributes)

    def quotas(self, scope: str, region: str, uses: Iterable[tuple[str, int, int]]) -> None:
        """Name, cores in use and limit of each. The scope is the Batch account, or `compute`."""
        for name, used, limit in uses:
            of = {"quota": name, "scope": scope, "region": region}
            self.gauge("batch_prep.quota.used", used, **of)
            self.gauge("batch_prep.quota.limit", limit, **of)

    # -- parts -------------------------------------------------------------------------------------

    def _now(self) -> int:
        return self._tracing.now() if self._tracing else 0

    def _began(self, moment: str) -> int:
        return tracing.nanoseconds(moment) if self._tracing else 0

    def _once(
        self, name: str, build: str, identity: int | None, attributes: Attributes, begun: int
    ) -> Span | None:
        """The span under this id, which is the build's own without one; None where this process has
        reported it before.
        """
        if self._tracing is None:
            return None
        whole = traces.build_span(build)
        span = identity or whole
        if span in self._reported:
            return None
        self._reported[span] = None
        if len(self._reported) > _REMEMBERED_MAX:
            del self._reported[next(iter(self._reported))]
        parent = whole if identity else None
        place = Place(trace=traces.trace_id(build), parent=parent, span=span)
        return self._tracing.start(name, place, attributes, begun)


class _Reply:
    """How a call ended."""

    state: str | None = None
    failure: Failure | None = None

    def take(self, reply: Json) -> None:
        """Note the reply. A transient failure is a failure of this call, not of the step."""
        self.state = _STATES[reply["state"]]
        if reply.get("error"):
            self.failure = Failure.from_wire(reply["error"])


def _of_step(mark: StepMark) -> int:
    return traces.step_span(mark.build, mark.pool, mark.name, mark.started_at)


def _names(build: str | None, mark: StepMark | None) -> Attributes:
    return {
        "batch_prep.build": mark.build if mark else build,
        "batch_prep.pool": mark.pool if mark else None,
        "batch_prep.step": mark.name if mark else None,
    }


def _reason(failure: Failure | None) -> Attributes:
    if failure is None:
        return {}
    return {
        "error.type": failure.code,
        "batch_prep.failure.kind": failure.kind.value,
        "batch_prep.failure.resource": failure.resource,
        "az.service_request_id": failure.request_id,
    }


class _Metrics:
    """The instruments. Names of resources are no attributes: each value would be a series."""

    def __init__(self, meter: Meter) -> None:
        self._builds = meter.create_counter("batch_prep.builds", "{build}", "builds that ended")
        self._build, self._step = (
            meter.create_histogram(
                f"batch_prep.{what}.duration",
                "s",
                f"of a {what}",
                explicit_bucket_boundaries_advisory=_SECONDS,
            )
            for what in ("build", "step")
        )
        self._failures = meter.create_counter(
            "batch_prep.failures", "{failure}", "steps that failed"
        )
        self.gauges = {
            name: meter.create_gauge(name, unit, about)
            for name, unit, about in (
                ("batch_prep.leftovers", "{resource}", "that builds left and that are due to go"),
                ("batch_prep.quota.used", "{core}", "cores of a quota that are in use"),
                ("batch_prep.quota.limit", "{core}", "cores of a quota"),
                ("batch_prep.pools.cost", "USD/h", "of the nodes of recorded pools"),
            )
        }

    def build(self, outcome: BuildOutcome, mode: str, seconds: float) -> None:
        """A build has ended."""
        named = {"state": outcome.state, "mode": mode}
        code = {"code": outcome.error.code} if outcome.error else {}
        self._builds.add(1, {**named, **code})
        self._build.record(seconds, named)

    def step(self, step: str, state: str, seconds: float) -> None:
        """A step has ended."""
        self._step.record(seconds, {"step": step, "state": state})

    def failure(self, step: str, failure: Failure) -> None:
        """A step has failed."""
        named = {"step": step, "kind": failure.kind.value, "code": failure.code}
        self._failures.add(1, named)
