"""One trace for each build: every step and every request in one tree, whatever dies on the way."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from opentelemetry.sdk.trace import ReadableSpan

from local.functions_host import adapters
from local.functions_host.inline import InlineEngine, Moment, When
from shared.model import parsing, planning, traces
from shared.model.plans import ReportPlan
from shared.model.rebuilds import RecipePlan
from tests.stories.test_every_answer import send
from tests.traced import Traced, broken, requests
from tests.world import (
    CONFIG,
    VISIBILITY,
    World,
    a_pool,
    a_request,
    an_image,
    image_only,
    pools_only,
)
from triggers.routes import ROUTES

Json = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
REGISTRY = {
    "name": "imagesregistry1",
    "build": {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"},
}
STATUS = "http.response.status_code"
NO_CAPACITY = {"effect": "allocation", "operation": "virtualMachines.create", "times": 9}


def everything() -> Json:
    """A full build: a registry, an image with a driver, and pools that are verified."""
    image = an_image(gpu=True, registry=REGISTRY, containerImages=["busybox:1.36"])
    pools = [a_pool(name, vmSize="Standard_NC4as_T4_v3", verify=True) for name in ("one", "two")]
    return a_request(image=image, pools=pools)


def steps_of(document: Json) -> set[tuple[str | None, str]]:
    """Pool and name of each step that a build shows."""
    return {(step.get("pool"), step["name"]) for step in document["steps"]}


def step_spans(spans: list[ReadableSpan]) -> Counter[tuple[Any, str]]:
    """The same of the spans."""
    found = [s for s in spans if s.name.startswith("step ")]
    named = [dict(s.attributes or {}) for s in found]
    return Counter((n.get("batch_prep.pool"), str(n["batch_prep.step"])) for n in named)


def ledger(world: World) -> Counter[tuple[str, str]]:
    """Method and path of every request that Azure got."""
    return Counter((each["method"], urlsplit(each["url"]).path) for each in world.ledger())


def test_every_step_and_request_of_a_build_is_in_one_tree(world: World) -> None:
    """From the request of a person to each of those to Azure."""
    traced = Traced(world)
    start = next(route for route in ROUTES if route.name == "start_build")
    build = json.loads(send(world, start, everything()).get_body())["buildId"]
    world.engine.run_until_complete(build)
    document = world.show(build)
    spans = traced.of(build)

    assert document["state"] == "succeeded", document["error"]
    assert broken(spans) == []
    assert len(spans) == len(traced.spans)
    assert step_spans(spans) == Counter(steps_of(document))
    assert requests(spans) == ledger(world)
    (trigger,) = [span for span in spans if span.name == "POST /api/builds"]
    assert dict(trigger.attributes or {})["http.response.status_code"] == 202
    assert {span.resource.attributes["service.name"] for span in spans} == {"batch-prep"}


def test_a_span_says_what_it_is_about(world: World) -> None:
    """A step has the times of its record, a call is below its step, a request below its call, and
    the log is in the calls.
    """
    traced = Traced(world)
    document = world.build(image_only())
    spans = traced.of(document["buildId"])
    by_id = {span.context.span_id: span for span in spans}
    (whole,) = [span for span in spans if span.name == "build"]
    (put,) = [span for span in spans if span.name == "PUT Microsoft.Compute/virtualMachines"]
    assert put.parent
    assert put.attributes
    call = by_id[put.parent.span_id]
    assert call.parent
    step = by_id[call.parent.span_id]

    assert step.parent
    assert by_id[step.parent.span_id] is whole
    assert (call.name, step.name) == ("create_builder_vm", "step builder_vm")
    assert dict(step.attributes or {}) == {
        "batch_prep.build": document["buildId"],
        "batch_prep.step": "builder_vm",
        "batch_prep.state": "succeeded",
    }
    (record,) = [each for each in document["steps"] if each["name"] == "builder_vm"]
    assert step.start_time == whole_nanoseconds(record["startedAt"])
    assert whole.start_time <= step.start_time < step.end_time <= whole.end_time  # type: ignore[operator]
    assert put.attributes["http.response.status_code"] == 201
    assert put.attributes["az.service_request_id"]
    (line,) = [event.name for event in call.events]
    assert line == f"build={document['buildId']} step=builder_vm create_builder_vm wait"


def whole_nanoseconds(moment: str) -> int:
    """A time of a document as a span has it."""
    return int(datetime.fromisoformat(moment).timestamp() * 1e6) * 1000


class Mortal(World):
    """The process dies around every seventh activity and episode; one that `forgets` after every
    third activity, before its result is stored.
    """

    def __init__(self, *, forgets: bool) -> None:
        super().__init__()
        self.traced = Traced(self)
        self._forgets, self._moments = forgets, 0
        self.engine = InlineEngine(
            adapters.orchestrators(self.orchestrations()),
            adapters.activities(self.activities()),
            clock=self.clock,
            visibility=VISIBILITY,
            crash=self._dies,
        )

    def _dies(self, moment: Moment) -> bool:
        if self._forgets:
            self._moments += moment.is_activity and moment.when is When.AFTER
            dies = self._moments % 3 == 1
        else:
            self._moments += 1
            dies = self._moments % 7 == 0
        if dies and self._forgets:
            self._moments += 1
            self.traced.restart(self)
        return dies


def test_what_durable_runs_again_is_one_step() -> None:
    """An activity whose result was lost runs once more, in the same process or in another."""
    mortal = Mortal(forgets=False)
    document = mortal.build(everything())
    spans = mortal.traced.of(document["buildId"])

    assert document["state"] == "succeeded", document["error"]
    assert mortal.engine.crashes > 20
    assert broken(spans) == []
    assert step_spans(spans) == Counter(steps_of(document))
    assert requests(spans) == ledger(mortal)


def test_a_process_that_forgets_reports_under_the_same_ids() -> None:
    """A span that the dead process had sent already may come twice; it is the same one."""
    mortal = Mortal(forgets=True)
    document = mortal.build(everything())
    spans = mortal.traced.of(document["buildId"])
    once = list({span.context.span_id: span for span in spans}.values())

    assert mortal.engine.crashes > 20
    assert len(once) < len(spans)
    assert broken(once) == []
    assert step_spans(once) == Counter(steps_of(document))


def test_a_failure_is_in_the_trace_and_the_metrics(world: World) -> None:
    """With the code, the kind and Azure's request id, of the step and of the build."""
    traced = Traced(world)
    world.fault(NO_CAPACITY)
    document = world.build(image_only())
    spans = traced.of(document["buildId"])
    failed = {s.name: dict(s.attributes or {}) for s in spans if not s.status.is_ok and s.end_time}

    assert broken(spans) == []
    for name in ("build", "step builder_vm"):
        assert failed[name]["error.type"] == "NoCapacity"
        assert failed[name]["batch_prep.failure.kind"] == "capacity"
    points = traced.metrics()
    assert {"step": "builder_vm", "kind": "capacity", "code": "NoCapacity"} in [
        point.attributes for point in points["batch_prep.failures"]
    ]
    (ended,) = points["batch_prep.builds"]
    assert ended.attributes == {"state": "failed", "mode": "image-only", "code": "NoCapacity"}


def test_a_resumed_build_goes_on_in_its_trace(world: World) -> None:
    """The resume has a span of its own below the build's, which ended at the failure."""
    traced = Traced(world)
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    build = world.build(image_only())["buildId"]
    document = world.resume(build)
    spans = traced.of(build)

    assert document["state"] == "succeeded", document["error"]
    assert broken(spans) == []
    assert Counter(span.name for span in spans)["resume"] == 1
    assert step_spans(spans)[(None, "image_version")] == 2  # failed, then succeeded
    states = Counter(p.attributes["state"] for p in traced.metrics()["batch_prep.builds"])
    assert states == {"failed": 1, "succeeded": 1}


def test_a_build_that_died_has_its_tree_after_the_sweep(world: World) -> None:
    """The sweep closes the record, and reports what the orchestration could not."""
    traced = Traced(world)
    build = world.start(a_request())
    world.engine.advance(300)
    for instance in [build, *[f"{build}:{step}" for step in ("image", "image:install")]]:
        world.engine.terminate(instance, "the host was lost")
    world.engine.advance(2 * 3600)
    world.sweep()

    assert world.show(build)["state"] == "failed"
    assert broken(traced.of(build)) == []


def test_only_a_look_may_find_nothing(world: World) -> None:
    """Before a step makes a resource, it looks whether it is there; a change that finds nothing is
    an error of its request.
    """
    traced = Traced(world)
    world.build(image_only())
    missing = [s for s in traced.spans if (s.attributes or {}).get(STATUS) == 404]
    assert missing
    assert all(span.status.is_ok for span in missing)

    world.fault({"effect": "status", "method": "DELETE", "status": 404, "times": 1})
    world.build(image_only("again"))
    deleted = [s for s in traced.spans if s.name.startswith("DELETE ")]
    assert [s.status.is_ok for s in deleted if (s.attributes or {})[STATUS] == 404] == [False]


def test_a_trace_is_found_by_the_id_of_its_build() -> None:
    """docs/telemetry.md shows how to compute it: `printf %s b21e2df1ee5fd | sha256sum`."""
    assert f"{traces.trace_id('b21e2df1ee5fd'):032x}" == "bc7d79920b24083b18a368cf44f776d0"


def test_the_build_of_a_plan_is_found_where_the_plan_has_it() -> None:
    """In it, or in the pool that it is about; what is done for all builds belongs to none."""
    request = parsing.parse_build(pools_only("r", a_pool("dev")), CONFIG)
    build = planning.plan_build(request, CONFIG)
    (pool,) = build.pools
    assert traces.build_of(build) == traces.build_of(pool) == build.build_id
    assert traces.build_of(ReportPlan(pool=pool, nodes=[])) == build.build_id
    assert traces.build_of(RecipePlan(name="weekly", day="2026-01-01")) is None


def test_metrics_of_a_build_have_units_and_few_series(world: World) -> None:
    """No name of a resource is an attribute: each would be a series of its own."""
    traced = Traced(world)
    document = world.build(everything())
    points = traced.metrics()

    assert {p.attributes["step"] for p in points["batch_prep.step.duration"]} == {
        step["name"] for step in document["steps"]
    }
    (whole,) = points["batch_prep.build.duration"]
    begun = datetime.fromisoformat(document["createdAt"]).timestamp()
    assert whole.sum == pytest.approx(world.engine.now() - begun, abs=5)
    names = {name for series in points.values() for p in series for name in p.attributes}
    assert names <= {"step", "state", "mode", "quota", "scope", "region"}


def test_the_preflight_reports_quotas(world: World) -> None:
    """What it has read anyway: of the region, and of the Batch account where that exists."""
    world.build(a_request())
    traced = Traced(world)
    world.build(a_request(requestId="r2", pools=[a_pool("more")]))
    points = traced.metrics()
    used, limit = (
        {(p.attributes["scope"], p.attributes["quota"].lower()): p.value for p in points[name]}
        for name in ("batch_prep.quota.used", "batch_prep.quota.limit")
    )

    assert used.keys() == limit.keys()
    assert used["mybatch12345", "cores"] == 2
    assert all(used[quota] <= limit[quota] for quota in used)


def test_a_sweep_reports_what_is_left_and_what_pools_cost(world: World) -> None:
    """A number that stays says that nothing removes them. Zero counts: an alert has to end."""
    traced = Traced(world)
    refusal = {"effect": "status", "status": 409, "method": "DELETE", "code": "InUse"}
    world.fault({**refusal, "path": "virtualMachines", "times": 999})
    build = world.build(a_request())
    left = []
    for hours in (0, 9, 1):
        world.engine.advance(hours * 3600)
        world.sweep()
        left += [point.value for point in traced.metrics()["batch_prep.leftovers"]]
    world.azure.faults.clear()
    world.sweep()
    world.sweep()
    points = traced.metrics()

    assert len(build["leftovers"]) == 4
    assert left == [4, 4, 4]
    assert [point.value for point in points["batch_prep.leftovers"]] == [0]
    (cost,) = points["batch_prep.pools.cost"]
    assert cost.attributes == {"region": "swedencentral"}
    assert cost.value > 0


def test_without_telemetry_nothing_is_looked_up(world: World) -> None:
    """The default: no span, no metric, no request more."""
    world.build(image_only())
    plain = ledger(world)
    other = World()
    Traced(other)
    other.build(image_only())

    assert ledger(other) == plain
    assert not world.services.telemetry.is_on


def test_the_documentation_names_every_metric_and_attribute() -> None:
    """Queries, alerts and workbooks are written from it."""
    page = (ROOT / "docs" / "telemetry.md").read_text()
    source = (ROOT / "shared" / "engine" / "telemetry.py").read_text()
    names = set(re.findall(r'"batch_prep((?:\.[a-z]+)+)"', source))
    durations = {f".{what}.duration" for what in ("build", "step")}

    assert len(names) > 10
    assert [name for name in sorted(names | durations) if f"{name}`" not in page] == []
