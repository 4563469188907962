"""What a builder starts from: the marketplace, an own image version, a managed image."""

from __future__ import annotations

from typing import Any

import pytest

from local.azure_simulator import core
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds, recipes

Json = dict[str, Any]
HPC = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"}
ROCKY = {"publisher": "resf", "offer": "rockylinux-x86_64", "sku": "9-lvm"}
IMAGES = (
    f"/subscriptions/{core.LOCAL_SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.Compute"
)
BUSYBOX = "docker.io/library/busybox:1.36"


def builder(world: World) -> Json:
    """The one VM that is kept."""
    (vm,) = world.azure.store.of_type("Microsoft.Compute/virtualMachines")
    return dict(vm.document)


def problems(world: World, request: Json) -> list[tuple[str, str]]:
    """Field and code of what stops a build, in the request or in the checks."""
    answer = world.ask(builds.plan_build, request)
    body = answer.body
    found = body["blockers"] if answer.status == 200 else body["error"]["details"]
    return [(p["field"], p["code"]) for p in found]


def version_id(world: World) -> str:
    (version,) = world.azure.store.of_type("Microsoft.Compute/galleries/images/versions")
    return version.id


# -- the marketplace ------------------------------------------------------------------------------


def test_an_image_is_built_on_any_image_of_the_marketplace(world: World) -> None:
    """Its names say the system, and so the node agent; the version may be given."""
    base = {**HPC, "version": "22.04.2026080100"}
    build = world.build(a_request(image=an_image(base=base, keepVm=True), pools=[a_pool("dev")]))

    assert build["state"] == "succeeded", build["error"]
    reference = builder(world)["properties"]["storageProfile"]["imageReference"]
    assert {name: reference[name] for name in base} == base
    assert build["image"]["baseOs"] == "ubuntu 22.04"
    assert build["image"]["nodeAgentSku"] == "batch.node.ubuntu 22.04"


def test_the_purchase_plan_is_azures(world: World) -> None:
    """Of builder, definition and every later VM."""
    build = world.build(image_only(base=ROCKY, keepVm=True))

    assert build["state"] == "succeeded", build["error"]
    plan = {"name": "9-lvm", "publisher": "resf", "product": "rockylinux-x86_64"}
    assert builder(world)["plan"] == plan


def test_terms_that_are_not_accepted_stop_a_build(world: World) -> None:
    """With the command that accepts them; nothing was made."""
    world.change_facts({"unacceptedTerms": ["resf:rockylinux-x86_64:9-lvm"]})
    build = world.build(image_only(base=ROCKY))

    [problem] = build["error"]["details"]
    assert (problem["field"], problem["code"]) == ("image.base", "TermsNotAccepted")
    wanted = "az vm image terms accept --publisher resf --offer rockylinux-x86_64 --plan 9-lvm"
    assert wanted in problem["message"]
    assert world.resources("resourceGroups") == []


def test_an_app_that_may_not_see_the_terms_warns(world: World) -> None:
    """Its role may be that of an earlier version."""
    world.fault({"effect": "status", "status": 403, "method": "GET", "path": "/agreements/current"})
    answer = world.ask(builds.plan_build, image_only(base=ROCKY)).body

    assert [(w["field"], w["code"]) for w in answer["warnings"]] == [("image.base", "TermsUnknown")]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"base": {**HPC, "sku": "none"}, "os": "ubuntu"}, ("image.base", "BaseImageNotFound")),
        ({"base": {**HPC, "version": "1.2.3"}}, ("image.base", "BaseImageNotFound")),
        ({"base": {**HPC, "sku": "none"}}, ("image.os", "Missing")),
        ({"base": HPC, "os": "debian"}, ("image.os", "Impossible")),
        ({"base": {"publisher": "Canonical"}}, ("image.base", "Impossible")),
        ({"base": {**HPC, "id": f"{IMAGES}/images/a"}}, ("image.base", "Impossible")),
        ({"base": {"id": "/subscriptions/s"}}, ("image.base.id", "InvalidName")),
        ({"base": {"id": f"{IMAGES}/images/a"}}, ("image.os", "Missing")),
        (
            {
                "base": {
                    "publisher": "MicrosoftWindowsServer",
                    "offer": "WindowsServer",
                    "sku": "2022-datacenter",
                }
            },
            ("image.base", "NotOffered"),
        ),
        (
            {
                "base": {
                    "publisher": "Canonical",
                    "offer": "0001-com-ubuntu-server-focal",
                    "sku": "20_04-lts-gen2",
                }
            },
            ("image.osVersion", "RetiredSystem"),
        ),
        (
            {"base": {"id": f"{IMAGES}/images/a".replace(core.LOCAL_SUBSCRIPTION, "other")}},
            ("image.base.id", "OtherSubscription"),
        ),
    ],
)
def test_what_cannot_be_built_on_is_refused(
    world: World, image: Json, expected: tuple[str, str]
) -> None:
    """By name."""
    assert problems(world, image_only(**image)) == [expected]


# -- an own image ---------------------------------------------------------------------------------


def test_an_own_image_is_refreshed_without_what_it_has_already(world: World) -> None:
    """System, driver and security are those of its record; container images are added."""
    first = world.build(image_only(gpu=True, securityType="TrustedLaunch"))
    assert first["state"] == "succeeded", first["error"]
    base = {"id": version_id(world)}
    build = world.build(image_only("r2", base=base, containerImages=[BUSYBOX], keepVm=True))

    assert build["state"] == "succeeded", build["error"]
    image = build["image"]
    for field in ("baseOs", "gpuEnabled", "driverVersion", "driverKind", "securityType"):
        assert image[field] == first["image"][field]
    assert image["imageName"] == first["image"]["imageName"]
    assert [i["name"] for i in image["containerImages"]] == [BUSYBOX]
    reference = builder(world)["properties"]["storageProfile"]["imageReference"]
    assert reference["id"] == base["id"]
    assert image["version"] == "1.0.1"


def test_the_plan_of_a_refresh_is_what_it_does(world: World) -> None:
    """It names its base, and lists the steps that the build takes."""
    world.build(image_only(gpu=True))
    latest = version_id(world).rpartition("/")[0] + "/latest"
    request = image_only("r2", base={"id": latest})
    plan = world.ask(builds.plan_build, request).body

    assert plan["names"]["baseImage"] == version_id(world)
    done = {s["name"] for s in world.build(request)["steps"]}
    planned = {s["name"] for s in plan["steps"]}
    assert planned - done == set()
    assert "reboot" not in planned


def test_a_refresh_keeps_where_the_driver_comes_from(world: World) -> None:
    """Modules of NVIDIA's would not start under the Secure Boot that the signed ones allow."""
    signed = {"gpu": True, "driverSource": "canonical", "securityType": "TrustedLaunch"}
    first = world.build(image_only(**signed, dcgm=True))
    assert first["state"] == "succeeded", first["error"]
    build = world.build(image_only("r2", base={"id": version_id(world)}))

    assert build["state"] == "succeeded", build["error"]
    for field in ("driverSource", "driverVersion", "secureBoot", "dcgmVersion"):
        assert build["image"][field] == first["image"][field], field


def test_a_refresh_has_the_container_images_of_its_base(world: World) -> None:
    """They are on its disk, so its record and its pools name them; a name that is pulled again is
    there once.
    """
    alpine = "docker.io/library/alpine:3.22"
    first = world.build(image_only(containerImages=[BUSYBOX, alpine]))
    assert first["state"] == "succeeded", first["error"]
    image = an_image(base={"id": version_id(world)}, containerImages=[alpine])
    build = world.build(a_request(requestId="r2", image=image, pools=[a_pool("dev", verify=True)]))

    assert build["state"] == "succeeded", build["error"]
    assert [i["name"] for i in build["image"]["containerImages"]] == [BUSYBOX, alpine]
    (pool,) = world.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    machine = pool.document["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["containerConfiguration"]["containerImageNames"] == [BUSYBOX, alpine]


def test_pools_do_not_ask_a_registry_of_the_base_image(world: World) -> None:
    """The refresh has no identity for it: the nodes have the image, and cannot pull it."""
    made = {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"}
    first = world.build(image_only(registry={"name": "imagesregistry1", "build": made}))
    assert first["state"] == "succeeded", first["error"]
    image = an_image(base={"id": version_id(world)}, containerImages=[BUSYBOX])
    build = world.build(a_request(requestId="r2", image=image))

    assert build["state"] == "succeeded", build["error"]
    names = [i["name"] for i in build["image"]["containerImages"]]
    assert [name.rpartition("/")[2] for name in names] == ["myapp:v1.0", "busybox:1.36"]
    (pool,) = world.azure.store.of_type("Microsoft.Batch/batchAccounts/pools")
    machine = pool.document["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
    assert machine["containerConfiguration"]["containerImageNames"] == [BUSYBOX]


def test_a_refresh_keeps_the_versions_that_are_there(world: World) -> None:
    """A newer default of the scripts replaces nothing: only what changed is made anew."""
    asked = {"gpu": True, "dockerVersion": "29.6.1", "driverVersion": "580.159.03"}
    assert world.build(image_only(**asked))["state"] == "succeeded"
    build = world.build(image_only("r2", base={"id": version_id(world)}))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["dockerVersion"] == asked["dockerVersion"]
    assert build["image"]["driverVersion"] == asked["driverVersion"]


def test_a_definition_stands_for_its_newest_version(world: World) -> None:
    """As a recipe names it."""
    world.build(image_only())
    base = {"id": version_id(world).rpartition("/versions/")[0]}
    build = world.build(image_only("r2", base=base))

    assert build["state"] == "succeeded", build["error"]
    assert build["image"]["baseImageVersion"] == "1.0.0"
    assert world.build(image_only("r3", base=base))["image"]["baseImageVersion"] == "1.0.1"


@pytest.mark.parametrize(
    ("first", "asked", "state"),
    [
        ({"gpu": True, "dcgm": True}, {}, "succeeded"),
        ({"os": "almalinux"}, {}, "succeeded"),
        ({"securityType": "TrustedLaunch"}, {}, "succeeded"),
        ({"gpu": True}, {"gpu": False}, "failed"),
        ({"gpu": True, "infiniband": True}, {"infiniband": False}, "failed"),
    ],
)
def test_a_recipe_of_an_own_image_says_no_more_than_its_owner(
    world: World, first: Json, asked: Json, state: str
) -> None:
    """What it leaves out is as in the base's record; what it says is, as in any request, wanted."""
    assert world.build(image_only(**first))["state"] == "succeeded"
    base = {"id": version_id(world).rpartition("/versions/")[0]}
    request = {"mode": "image-only", "image": an_image(base=base, **asked)}
    assert world.ask(recipes.put_recipe, {"request": request}, name="weekly").status == 200
    world.begin_rebuild()
    [build] = world.engine.run_until_complete("rebuild_images").output["started"].values()

    assert world.show(build)["state"] == state
    assert world.build({**request, "requestId": "r2"})["state"] == state


def test_a_managed_image_is_a_base(world: World) -> None:
    """The request says which system it has."""
    assert world.build(image_only(managedImage=True))["state"] == "succeeded"
    (managed,) = world.azure.store.of_type("Microsoft.Compute/images")
    build = world.build(image_only("r2", base={"id": managed.id}, os="ubuntu", osVersion="24.04"))

    assert build["state"] == "succeeded", build["error"]


@pytest.mark.parametrize(
    ("image", "expected"),
    [
        ({"gpu": False}, ("image.gpu", "BaseImageUnsuitable")),
        ({"os": "ubuntu", "osVersion": "22.04"}, ("image.os", "BaseImageUnsuitable")),
        ({"securityType": "TrustedLaunch"}, ("image.securityType", "BaseImageUnsuitable")),
        ({"location": "westeurope"}, ("image.base", "BaseImageUnsuitable")),
    ],
)
def test_a_base_that_does_not_fit_the_request_stops_a_build(
    world: World, image: Json, expected: tuple[str, str]
) -> None:
    """Before anything is made."""
    world.build(image_only(gpu=True))
    asked = an_image(base={"id": version_id(world)}, **image)
    assert problems(world, {"mode": "image-only", "image": asked}) == [expected]


def test_a_base_that_is_gone_stops_a_build(world: World) -> None:
    """Or never was."""
    id_ = f"{IMAGES}/galleries/none/images/none/versions/1.0.0"
    asked = image_only(base={"id": id_}, os="ubuntu")
    assert problems(world, asked) == [("image.base", "BaseImageNotFound")]
