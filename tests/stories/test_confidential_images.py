"""Images of galleries by the security type of their definition: for confidential VMs, or not only.

https://learn.microsoft.com/azure/confidential-computing/create-confidential-vm-from-compute-gallery
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.stories.test_arm64 import built, made_elsewhere, problems
from tests.stories.test_published_images import SYSTEM, published, with_pool
from tests.world import World, a_pool, image_only, pools_only

Json = dict[str, Any]
TRUSTED = {"securityType": "TrustedLaunch"}
ONLY_CONFIDENTIAL = "only confidential VMs start from it"
__all__ = ["built"]


def of_type(security: str) -> Json:
    """The properties of an image definition with a security type."""
    return {"features": [{"name": "SecurityType", "value": security}]}


@pytest.mark.parametrize(
    ("security", "asked"),
    [
        ("ConfidentialVMSupported", {}),
        ("ConfidentialVmSupported", {}),
        ("TrustedLaunchAndConfidentialVmSupported", {}),
        ("TrustedLaunchAndConfidentialVMSupported", TRUSTED),
        ("TrustedLaunchSupported", TRUSTED),
    ],
)
def test_an_image_that_other_vms_start_from_is_a_base(
    built: World, security: str, asked: Json
) -> None:
    """Azure spells a type in more than one way, also in its own documentation."""
    base = {"id": made_elsewhere(built, **of_type(security))}
    build = built.build(image_only("r2", name="new", base=base, **SYSTEM, **asked))

    assert build["state"] == "succeeded", build["error"]


@pytest.mark.parametrize(
    ("security", "asked", "field", "message"),
    [
        ("ConfidentialVM", {}, "image.base", ONLY_CONFIDENTIAL),
        ("ConfidentialVm", TRUSTED, "image.base", ONLY_CONFIDENTIAL),
        ("ConfidentialVMSupported", TRUSTED, "image.securityType", "is ConfidentialVMSupported"),
    ],
)
def test_an_image_that_no_builder_starts_from_is_no_base(
    built: World, security: str, asked: Json, field: str, message: str
) -> None:
    """Azure would refuse the builder, when its network is there."""
    base = {"id": made_elsewhere(built, **of_type(security))}
    [found] = problems(built, image_only("r2", base=base, **SYSTEM, **asked))

    assert found[:2] == (field, "BaseImageUnsuitable")
    assert message in found[2]


@pytest.mark.parametrize("security", ["ConfidentialVMSupported", "TrustedLaunchSupported"])
def test_a_pool_gets_an_image_that_other_vms_start_from(built: World, security: str) -> None:
    """Its nodes are as those of any image."""
    image = made_elsewhere(built, **of_type(security))
    build = built.build(pools_only("r2", a_pool("dev"), id=image))

    assert build["state"] == "succeeded", build["error"]


@pytest.mark.parametrize("named", ["id", "name"])
def test_a_pool_of_confidential_nodes_is_refused(built: World, named: str) -> None:
    """Batch would make the pool, and no node."""
    image = made_elsewhere(built, **of_type("ConfidentialVM"))
    request = pools_only(
        "r2", a_pool("dev"), **{"id": {"id": image}, "name": {"name": "theirs"}}[named]
    )
    [found] = problems(built, request)

    assert found[:2] == ("image", "ImageUnsuitable")
    assert ONLY_CONFIDENTIAL in found[2]


def test_a_published_image_for_confidential_vms_is_refused(world: World) -> None:
    """Of a community gallery: Azure shows its definition, too."""
    id_ = published(world, "CommunityGalleries")
    for definition in world.azure.store.of_type("Microsoft.Compute/galleries/images"):
        definition.properties.update(of_type("ConfidentialVM"))

    assert [p[:2] for p in problems(world, with_pool(id_))] == [("image", "ImageUnsuitable")]
    base = image_only("r2", name="mine", base={"id": id_}, **SYSTEM)
    assert [p[:2] for p in problems(world, base)] == [("image.base", "BaseImageUnsuitable")]
