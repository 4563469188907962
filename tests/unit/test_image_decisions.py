"""What two steps of an image decide from what Azure shows."""

from __future__ import annotations

from typing import Any

import pytest

from activities import builder_vm, gallery, preflight
from shared.azure import image_bodies
from shared.azure.quotas import Size
from shared.base.wire import replace
from shared.engine import activity_runner
from shared.engine.activity import PollState
from shared.engine.decisions import Done, Start, Wait
from shared.model import parsing, planning
from shared.model.image_parts import BaseImage
from shared.model.image_request import SecurityType
from shared.model.plans import ImagePlan, VersionPlan
from tests.world import CONFIG, World, image_only

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


def test_a_size_of_another_architecture_builds_nothing() -> None:
    """It runs images for Arm64 that others have made."""
    arm = Size(
        name="Standard_D2ps_v6",
        family="standardDpsv6Family",
        cores=2,
        generations=["V2"],
        architecture="Arm64",
        trusted_launch=True,
        gpus=0,
    )
    assert "Arm64" in (preflight.size_mismatch(arm, SecurityType.STANDARD) or "")
    assert preflight.size_mismatch(arm, SecurityType.STANDARD, builds=False) is None


def test_what_a_step_remembers_outlasts_a_failed_poll() -> None:
    """Azure did not answer this time; the next poll goes on where the last one was."""
    world = World()
    world.fault({"effect": "status", "status": 503, "code": "ServerBusy", "method": "GET"})
    poll = PollState(now=NOW, started="start", memory={"seen": "before"})
    payload = {"plan": a_plan().to_wire(), "tick": poll.to_wire()}
    reply = activity_runner.perform(builder_vm.start_builder, world.services, payload)
    assert (reply["transient"], reply["memo"]["memory"]) == (True, {"seen": "before"})
