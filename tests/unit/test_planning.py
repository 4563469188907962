"""Plans: what a request decides before anything is asked."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base.settings import load
from shared.base.wire import replace
from shared.model import image_scripts, parsing, plan_updates, planning, resuming
from shared.model.image_parts import BaseImage
from shared.model.outcomes import BuildOutcome
from tests.world import CONFIG, SETTINGS, a_pool, a_request, an_image, image_only


@pytest.mark.parametrize(
    ("size", "gpus"),
    [
        ("Standard_NC4as_T4_v3", 1),
        ("Standard_NC96ads_A100_v4", 4),
        ("Standard_D4s_v5", 0),
    ],
)
def test_a_pool_in_another_size_expects_that_sizes_gpus(size: str, gpus: int) -> None:
    """Azure had none of the first size: the nodes of the next are judged by their own GPUs."""
    request = a_request(
        image=an_image(gpu=True), pools=[a_pool("dev", vmSize="Standard_NC8as_T4_v3")]
    )
    build = parsing.parse_build(request, CONFIG).with_request_id("r1")
    (pool,) = planning.plan_build(build, CONFIG).pools

    moved = plan_updates.in_size(pool, size)

    assert (moved.size, moved.gpu_count) == (size, gpus)


def test_what_an_older_version_has_kept_cannot_be_gone_on_with() -> None:
    """An older version did not record the base image of the builder."""
    failed = BuildOutcome(build_id="b1", state="failed", resumable=True)
    old = {"size": "Standard_D2s_v5"}
    base = BaseImage(publisher="p", offer="o", sku="s", version="1", generation="V2")
    assert not resuming.can_go_on(failed, {"builder_vm": old})
    assert resuming.can_go_on(failed, {"builder_vm": {**old, "base": base.to_wire()}})


def made_from(settings: dict[str, str], request_id: str = "r1", **image: Any) -> str | None:
    """The name of what decides what is in an image."""
    request = parsing.parse_build(image_only(request_id, **image), CONFIG)
    plan = planning.plan_build(request, load({**SETTINGS, **settings})).image
    return plan and plan.made_from


def test_what_decides_what_is_in_an_image_has_one_name() -> None:
    """For any build of it, until its request or a setting that it depends on changes."""
    grid = {"gpu": True, "builderVmSize": "Standard_NV36ads_A10_v5"}
    newer = {"GRID_DRIVER_VERSION": "599.1", "GRID_DRIVER_SHA256": "0" * 64}
    newer["GRID_DRIVER_URL"] = (
        "https://download.microsoft.com/a/NVIDIA-Linux-x86_64-599.1-grid-azure.run"
    )
    plain = made_from({}, **grid)
    assert plain == made_from({}, "r2", **grid) == made_from({"KEEP_HOURS": "1"}, **grid)
    others = [made_from(newer, **grid), made_from({}, **grid, tags={"team": "a"})]
    others.append(made_from({"DEFAULT_GALLERY": "another"}, **grid))
    assert len({plain, *others}) == 4


OLD, NEW = "570.211.01", "580.105.08"
NEW_FILE = {
    "GRID_DRIVER_VERSION": NEW,
    "GRID_DRIVER_URL": "https://download.microsoft.com/x/580-grid-azure.run",
    "GRID_DRIVER_SHA256": "b" * 64,
}


@pytest.mark.parametrize(
    ("settings", "kept", "asked", "version", "checksum"),
    [
        (NEW_FILE, OLD, None, OLD, None),
        (NEW_FILE, NEW, None, NEW, "b" * 64),
        (NEW_FILE, OLD, NEW, NEW, "b" * 64),
        (NEW_FILE, None, None, NEW, "b" * 64),
        ({"GRID_DRIVER_SHA256": "a" * 64}, OLD, None, OLD, "a" * 64),
        ({"GRID_DRIVER_SHA256": "a" * 64}, NEW, None, NEW, None),
        ({}, OLD, None, OLD, None),
    ],
)
def test_the_script_gets_the_file_of_the_grid_driver_that_it_installs(
    settings: dict[str, str],
    kept: str | None,
    asked: str | None,
    version: str,
    checksum: str | None,
) -> None:
    """The settings may have moved on to another driver than the one that a refresh keeps."""
    image = {"gpu": True, "builderVmSize": "Standard_NV36ads_A10_v5"}
    image |= {"driverVersion": asked} if asked else {}
    request = parsing.parse_build(image_only("r1", **image), CONFIG)
    plan = planning.plan_build(request, load({**SETTINGS, **settings})).image
    assert plan is not None
    base = BaseImage(version="1", generation="V2", kept={"driver": kept} if kept else {})
    parameters = image_scripts.driver(replace(plan, base=base)).parameters

    assert (parameters["DRIVER_VERSION"], parameters.get("DRIVER_SHA256")) == (version, checksum)
    assert ("DRIVER_URL" in parameters) == (version == NEW and checksum is not None)
