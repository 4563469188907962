"""What a Packer template starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.imports.drafts import drafted, packer, pool

Json = dict[str, Any]
IMAGES = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute"
COMMUNITY = "/CommunityGalleries/c/Images/i/Versions/1.0.0"
UBUNTU = {"os": "ubuntu", "osVersion": "24.04"}


def marketplace(urn: str) -> Json:
    """The builder's fields of an image of the marketplace."""
    names = ("image_publisher", "image_offer", "image_sku", "image_version")
    return dict(zip(names, urn.split(":"), strict=False))


@pytest.mark.parametrize(
    ("builder", "image"),
    [
        (marketplace("Canonical:ubuntu-24_04-lts:server"), UBUNTU),
        (
            marketplace("microsoft-dsvm:ubuntu-hpc:2404:24.04.2026010101"),
            UBUNTU
            | {
                "base": {
                    "publisher": "microsoft-dsvm",
                    "offer": "ubuntu-hpc",
                    "sku": "2404",
                    "version": "24.04.2026010101",
                }
            },
        ),
        (
            marketplace("bitnami:redis:6"),
            {"base": {"publisher": "bitnami", "offer": "redis", "sku": "6"}},
        ),
        (
            {
                "subscription_id": "s",
                "custom_managed_image_name": "i",
                "custom_managed_image_resource_group_name": "g",
            },
            {"base": {"id": f"{IMAGES}/images/i"}},
        ),
        (
            {
                "shared_image_gallery": {
                    "subscription": "s",
                    "resource_group": "g",
                    "gallery_name": "y",
                    "image_name": "i",
                    "image_version": "1.0.0",
                }
            },
            {"base": {"id": f"{IMAGES}/galleries/y/images/i/versions/1.0.0"}},
        ),
        (
            {"shared_image_gallery": {"community_gallery_image_id": COMMUNITY}},
            {"base": {"id": COMMUNITY}},
        ),
    ],
)
def test_a_builder_starts_from_the_image_that_the_template_names(
    builder: Json, image: Json, tmp_path: Path
) -> None:
    """A system of batch-prep's own, where it is no more than that."""
    draft = drafted(packer(**builder), tmp_path)
    found = draft.request.get("image", {})
    assert {name: found[name] for name in ("os", "osVersion", "base") if name in found} == image


def test_an_image_without_its_whole_id_is_named(tmp_path: Path) -> None:
    """Packer takes the subscription from its sign-in."""
    draft = drafted(packer(custom_managed_image_name="i"), tmp_path)
    assert "base" not in draft.request.get("image", {})
    assert "image.base.id" in " ".join(draft.left.values())


def test_a_pool_whose_image_has_more_than_its_system_is_told(tmp_path: Path) -> None:
    """Its jobs may need MPI; the image that is built has none of it."""
    hpc = {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204"}
    said = " ".join(drafted(pool(machine={"imageReference": hpc}), tmp_path).remarks)
    assert "InfiniBand, MPI" in said
    assert "image.base with publisher microsoft-dsvm, offer ubuntu-hpc, sku 2204" in said

    plain = {"publisher": "Canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    said = " ".join(drafted(pool(machine={"imageReference": plain}), tmp_path).remarks)
    assert "image.base" not in said
