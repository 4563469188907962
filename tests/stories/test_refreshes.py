"""What a refresh may ask: its request, completed by the record of the image that it builds on."""

from __future__ import annotations

from typing import Any

import pytest

from shared.base import names, settings
from shared.model import parsing
from shared.model.requests import Mode
from tests.world import CONFIG, SETTINGS, World, a_pool, a_request, an_image, image_only
from triggers import builds

Json = dict[str, Any]
TRUSTED = {"securityType": "TrustedLaunch"}
A10, A100, T4 = "Standard_NV36ads_A10_v5", "Standard_NC24ads_A100_v4", "Standard_NC4as_T4_v3"
V100, CPU = "Standard_ND40rs_v2", "Standard_D4s_v5"


def base_of(world: World, first: Json, **whole: Any) -> Json:
    """Build an image with what `first` says of it, as the base of others."""
    asked = a_request(image=an_image(**first), **whole) if whole else image_only(**first)
    built = world.build(asked)
    assert built["state"] == "succeeded", built["error"]
    (version,) = world.resources("versions")
    return {"id": version["id"]}


def problems(world: World, request: Json) -> list[tuple[str, str]]:
    """Field and code of what the plan has against a request, and the build just the same: none of
    it makes a builder.
    """
    planned, started = world.ask(builds.plan_build, request), world.ask(builds.start_build, request)
    if planned.status != 200:
        assert started.status == planned.status
        assert started.body["error"] == planned.body["error"]
        found = planned.body["error"]["details"]
    else:
        world.engine.run_until_complete(started.body["buildId"])
        build = world.show(started.body["buildId"])
        assert build["state"] == ("failed" if planned.body["blockers"] else "succeeded"), build
        assert all(step["name"] != "builder_vm" for step in build["steps"] if build["error"])
        found = planned.body["blockers"]
    return [(problem["field"], problem["code"]) for problem in found]


@pytest.mark.parametrize(
    ("first", "asked", "field"),
    [
        (TRUSTED, {"managedImage": True}, "managedImage"),
        ({"os": "almalinux"}, {"infiniband": True}, "infiniband"),
        ({"gpu": True, **TRUSTED}, {**TRUSTED, "secureBoot": True}, "secureBoot"),
        ({"gpu": True, **TRUSTED}, {"secureBoot": True}, "secureBoot"),
        ({}, {"secureBoot": False}, "secureBoot"),
        ({}, {"vTpm": True}, "vTpm"),
        ({"os": "debian"}, {"gpu": True}, "gpu"),
        ({"os": "almalinux"}, {"gpu": True, "driverSource": "canonical"}, "driverSource"),
        ({"os": "almalinux", "gpu": True}, {"driverSource": "canonical"}, "driverSource"),
        ({}, {"driverVersion": "580.159.03"}, "driverVersion"),
        ({}, {"containerToolkitVersion": "1.19.1"}, "containerToolkitVersion"),
        ({}, {"dcgm": True}, "dcgm"),
        ({}, {"driverSource": "canonical"}, "driverSource"),
    ],
)
def test_what_contradicts_the_record_of_the_base_is_refused(
    world: World, first: Json, asked: Json, field: str
) -> None:
    """By the rule that holds without a base image, too, and before anything is made."""
    request = image_only("r2", base=base_of(world, first), **asked)

    assert problems(world, request) == [(f"image.{field}", "Impossible")]
    assert (
        "as the record of the base image has it"
        in world.ask(builds.plan_build, request).body["error"]["message"]
    )


@pytest.mark.parametrize(
    ("first", "asked", "advice"),
    [
        ({"gpu": True}, {}, "build the base again"),
        ({}, {"gpu": True}, "driverSource canonical has signed ones"),
    ],
    ids=["the base has it", "it is added"],
)
def test_secure_boot_is_advised_by_where_the_driver_comes_from(
    world: World, first: Json, asked: Json, advice: str
) -> None:
    """A refresh changes no driverSource of a driver that is there."""
    base = base_of(world, {**TRUSTED, **first})
    answer = world.ask(builds.plan_build, image_only("r2", base=base, secureBoot=True, **asked))

    assert advice in answer.body["error"]["message"]
    assert ("leave secureBoot out" in answer.body["error"]["message"]) == bool(first)


@pytest.mark.parametrize(
    ("first", "asked", "field"),
    [
        ({"gpu": True}, {"gpu": False}, "gpu"),
        ({"gpu": True, "dcgm": True}, {"gpu": False}, "gpu"),
        ({"infiniband": True}, {"infiniband": False}, "infiniband"),
        ({"gpu": True, "dcgm": True}, {"dcgm": False}, "dcgm"),
        ({"scratch": True}, {"scratch": False}, "scratch"),
        ({"gpu": True}, {"driverSource": "canonical"}, "driverSource"),
    ],
)
def test_what_a_refresh_removes_from_no_image_is_refused(
    world: World, first: Json, asked: Json, field: str
) -> None:
    """The record of the new image would deny what is in it."""
    request = image_only("r2", base=base_of(world, first), **asked)

    assert problems(world, request) == [(f"image.{field}", "BaseImageUnsuitable")]


@pytest.mark.parametrize(
    ("first", "asked", "expected"),
    [
        (TRUSTED, {"vTpm": True}, {"vTpm": True, "secureBoot": True}),
        (TRUSTED, {"secureBoot": False}, {"secureBoot": False}),
        ({**TRUSTED, "secureBoot": False}, {}, {"secureBoot": False}),
        ({**TRUSTED, "secureBoot": False}, {"secureBoot": True}, {"secureBoot": True}),
        ({**TRUSTED, "vTpm": False}, TRUSTED, {"vTpm": False, "secureBoot": True}),
        (TRUSTED, {"gpu": True}, {"gpuEnabled": True, "secureBoot": False}),
        ({"scratch": True}, {}, {"scratch": True}),
        ({"gpu": True, "dcgm": True}, {}, {"dcgmVersion": "4.5.2"}),
        ({"os": "almalinux"}, {"osVersion": "9"}, {"baseOs": "almalinux 9"}),
        ({"osVersion": "22.04"}, {"os": "ubuntu"}, {"baseOs": "ubuntu 22.04"}),
    ],
)
def test_what_a_request_leaves_out_is_as_the_base_has_it(
    world: World, first: Json, asked: Json, expected: Json
) -> None:
    """Each field by itself. A driver that is added turns Secure Boot off, as without a base."""
    build = world.build(image_only("r2", base=base_of(world, first), **asked))

    assert build["state"] == "succeeded", build["error"]
    image = {"secureBoot": False, "vTpm": True, **build["image"]}
    assert {name: image[name] for name in expected} == expected


def test_a_build_that_an_earlier_version_accepted_is_closed(world: World) -> None:
    """It was never begun, and this version would refuse it; the sweep goes on."""
    asked = image_only("r2", base=base_of(world, TRUSTED), managedImage=True)
    request, build = parsing.parse_build(asked, CONFIG), names.build_id("r2")
    world.records.accept_build(build, Mode.IMAGE_ONLY, request.as_stored(), world.services.now())

    world.sweep()

    assert world.show(build)["state"] == "failed"


# -- the driver ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "pools"),
    [
        ({}, []),
        ({"builderVmSize": CPU}, []),
        ({"builderVmSize": A10}, []),
        ({}, [a_pool("t4", vmSize=T4)]),
        ({}, [a_pool("a10", vmSize=A10), a_pool("cpu", vmSize=CPU)]),
    ],
    ids=["nothing said", "CPU builder", "A10 builder", "T4 pool", "A10 and CPU pools"],
)
def test_an_image_keeps_its_grid_driver(asked: Json, pools: list[Json]) -> None:
    """It serves A10 and T4, and the builder's GPU, if any, proves it."""
    world = World(own_settings={"GRID_DRIVER_SHA256": "a" * 64})
    base = base_of(world, {"gpu": True, "builderVmSize": A10})
    image = an_image(base=base, **asked)
    full = a_request(requestId="r2", image=image, pools=pools)
    build = world.build(full if pools else image_only("r2", **image))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverKind"] == "grid"
    assert build["image"]["imageName"] == base["id"].split("/")[-3]


def test_an_image_keeps_proprietary_modules(world: World) -> None:
    """They serve the usual builder as well as V100."""
    base = base_of(world, {"gpu": True}, pools=[a_pool("old", vmSize=V100)])
    build = world.build(image_only("r2", base=base))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverKind"] == "datacenter-proprietary"


@pytest.mark.parametrize(
    ("first", "asked", "size", "expected"),
    [
        (A10, {}, A100, ("pools[0].vmSize", "DriverUnsuitable")),
        (T4, {}, A10, ("pools[0].vmSize", "DriverUnsuitable")),
        (T4, {"builderVmSize": A10}, T4, ("image.builderVmSize", "SizeUnsuitable")),
    ],
)
def test_a_size_that_the_driver_does_not_serve_is_refused(
    first: str, asked: Json, size: str, expected: tuple[str, str]
) -> None:
    """By the driver that is there: a refresh installs no other."""
    world = World(own_settings={"GRID_DRIVER_SHA256": "a" * 64})
    base = base_of(world, {"gpu": True, "builderVmSize": first})
    image = an_image(base=base, **asked)
    request = a_request(requestId="r2", image=image, pools=[a_pool("dev", vmSize=size)])

    assert problems(world, request) == [expected]


def test_a_resumed_refresh_keeps_its_driver() -> None:
    """Its plan is made again when it goes on."""
    world = World(own_settings={"GRID_DRIVER_SHA256": "a" * 64})
    base = base_of(world, {"gpu": True, "builderVmSize": A10})
    copying = {"method": "PUT", "path": "/versions/1.0.1", "times": 1}
    world.fault({"effect": "status", "status": 403, "code": "AuthorizationFailed", **copying})
    failed = world.build(image_only("r2", base=base))
    assert failed["resumable"]
    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["driverKind"] == "grid"


KEPT_GRID = "570.211.01"
MOVED_ON = {
    "GRID_DRIVER_VERSION": "580.105.08",
    "GRID_DRIVER_URL": "https://download.microsoft.com/download/x/580.105.08-grid-azure.run",
    "GRID_DRIVER_SHA256": "b" * 64,
}


def with_grid_driver(now: dict[str, str], **first: Any) -> tuple[World, Json]:
    """An image with the GRID driver, and the settings of the app as they are `now`."""
    world = World(own_settings={"GRID_DRIVER_SHA256": "a" * 64})
    base = base_of(world, {"gpu": True, "builderVmSize": A10, **first})
    vars(world.services.azure)["_config"] = settings.load(SETTINGS | now)
    return world, base


@pytest.mark.parametrize("now", [{}, MOVED_ON], ids=["none", "of another driver"])
@pytest.mark.parametrize("system", ["ubuntu", "rhel"])
def test_a_grid_driver_that_stays_needs_no_settings(now: dict[str, str], system: str) -> None:
    """Nothing is downloaded."""
    world, base = with_grid_driver(now, os=system)
    request = image_only("r2", base=base)
    assert world.ask(builds.plan_build, request).body["blockers"] == []
    build = world.build(request)

    assert build["state"] == "succeeded", build["error"]
    assert (build["image"]["driverKind"], build["image"]["driverVersion"]) == ("grid", KEPT_GRID)


@pytest.mark.parametrize(
    ("now", "expected"),
    [({}, "DriverUnknown"), (MOVED_ON, MOVED_ON["GRID_DRIVER_VERSION"])],
)
def test_a_refresh_replaces_a_grid_driver_where_its_request_names_another(
    now: dict[str, str], expected: str
) -> None:
    """That one is downloaded, as without a base image."""
    world, base = with_grid_driver(now)
    request = image_only("r2", base=base, driverVersion=MOVED_ON["GRID_DRIVER_VERSION"])
    build = world.build(request)

    found = build["image"] or build["error"]["details"][0]
    assert found.get("driverVersion", found.get("code")) == expected
