"""What two steps of an image decide from what Azure shows."""

from __future__ import annotations

from typing import Any

import pytest

from activities import builder_vm, gallery
from shared.azure import image_bodies
from shared.base.wire import replace
from shared.engine.activity import PollState
from shared.engine.decisions import Done, Start, Wait
from shared.model import parsing, planning
from shared.model.image_parts import BaseImage
from shared.model.plans import ImagePlan, VersionPlan
from tests.world import CONFIG, image_only

Json = dict[str, Any]
NOW = "2026-01-01T00:00:00Z"


def a_plan() -> ImagePlan:
    build = planning.plan_build(parsing.parse_build(image_only("r"), CONFIG), CONFIG)
    assert build.image is not None
    return build.image


def a_vm(provisioning: str, power: str) -> Json:
    statuses = [{"code": f"PowerState/{power}"}]
    return {
        "properties": {
            "provisioningState": provisioning,
            "instanceView": {"statuses": statuses},
        }
    }


@pytest.mark.parametrize(
    ("provisioning", "power", "is_done"),
    [
        ("Succeeded", "running", True),
        ("Succeeded", "starting", False),
        ("Updating", "running", False),
        ("Updating", "stopped", False),
    ],
)
def test_a_vm_has_restarted_when_its_operation_has_ended_and_it_runs(
    provisioning: str, power: str, is_done: bool
) -> None:
    """While Azure restarts a VM, it may still show the power state of before."""
    seen = a_vm(provisioning, power)
    poll = PollState(now=NOW, started="restart")
    decision = builder_vm.restart_builder.decide(a_plan(), seen, poll)
    assert isinstance(decision, Done if is_done else Wait)
    first = builder_vm.restart_builder.decide(a_plan(), seen, PollState(now=NOW))
    assert isinstance(first, Start)


@pytest.mark.parametrize(
    ("progress", "elapsed", "expected"),
    [((60,), 300.0, 200.0), ((90, 25), 100.0, 300.0), ((100, 100), 500.0, 0.0), ((1,), 60.0, None)],
)
def test_the_slowest_region_says_how_long_a_version_still_takes(
    progress: tuple[int, ...], elapsed: float, expected: float | None
) -> None:
    """After its first percents, which are too coarse."""
    summary = [{"region": f"region{n}", "progress": done} for n, done in enumerate(progress)]
    replication = {"aggregatedState": "InProgress", "summary": summary}
    plan = VersionPlan(image=a_plan(), version="1.0.0")
    version = {
        "tags": {"batch-prep-build": plan.image.build_id},
        "properties": {"provisioningState": "Succeeded", "replicationStatus": replication},
    }
    poll = PollState(now=NOW, elapsed=elapsed, started="create")
    decision = gallery.publish_image_version.decide(plan, version, poll)
    assert isinstance(decision, Wait)
    assert decision.expected == expected
    assert decision.note == "replicating: " + ", ".join(
        f"region{n} {done} %" for n, done in enumerate(progress)
    )


@pytest.mark.parametrize(
    ("field", "value", "reason"),
    [
        ("osType", "Windows", "its osType is Windows, and this image's is Linux"),
        ("osState", "Specialized", "its osState is Specialized"),
        ("hyperVGeneration", "V1", "its hyperVGeneration is V1"),
        ("architecture", "Arm64", "its architecture is Arm64, not x64"),
        ("features", [{"name": "SecurityType", "value": "ConfidentialVM"}], "its security type is"),
        ("purchasePlan", {"name": "p", "publisher": "q", "product": "r"}, "its purchase plan"),
    ],
)
def test_a_definition_that_cannot_hold_an_image_says_why(
    field: str, value: object, reason: str
) -> None:
    """Azure changes none of these of a definition that is there."""
    base = BaseImage(publisher="p", offer="o", sku="s", version="1", generation="V2")
    plan = replace(a_plan(), base=base)
    wanted = image_bodies.image_definition(plan)["properties"]
    assert gallery.definition_conflict(plan, {"properties": wanted}) is None
    found = {"properties": {**wanted, field: value}}
    assert (gallery.definition_conflict(plan, found) or "").startswith(reason)
