"""`--request FILE`: what flags are laid over, and what cannot be."""

from __future__ import annotations

from pathlib import Path

import pytest
from lines import problems_of, request_of

from cli import metadata


def test_flags_have_the_last_word_over_a_request_file() -> None:
    """Rare fields come from a file; what is typed replaces what it names and nothing else."""
    base = {
        "mode": "image-only",
        "image": {"os": "ubuntu", "zones": ["1"], "registry": {"name": "old"}},
    }
    request = request_of("--os almalinux --acr new", base=base)
    assert request == {
        "mode": "image-only",
        "image": {"os": "almalinux", "zones": ["1"], "registry": {"name": "new"}},
    }


def test_pools_of_a_request_file_stay_unless_pools_are_named() -> None:
    """--verify on top of a file is meant for the file's pools."""
    base = {"pools": [{"id": "a", "ttlHours": 2}, {"id": "b"}]}
    assert request_of("--verify", base=base)["pools"] == [
        {"id": "a", "ttlHours": 2, "verify": True},
        {"id": "b", "verify": True},
    ]
    assert request_of("--pool-id c", base=base)["pools"] == [{"id": "c"}]


OLD_IMAGE = metadata.ImageFile(
    path=Path("image_metadata.json"),
    content={
        "imageId": "/subscriptions/s/resourceGroups/images/providers/Microsoft.Compute/galleries/g",
        "galleryName": "g",
        "imageName": "i",
        "version": "1.0.0",
    },
    was_named=False,
)


def test_the_image_of_a_request_file_is_nobody_elses_to_choose() -> None:
    """Neither image_metadata.json nor a default is laid over it."""
    asked = {"resourceGroup": "rg2", "gallery": "g2", "name": "n2", "version": "3.0.0"}
    base = {"mode": "batch-only", "image": asked}
    assert request_of("", base=base, image_metadata=OLD_IMAGE)["image"] == asked
    typed = request_of("--image-version 4.0.0", base=base, image_metadata=OLD_IMAGE)
    assert typed["image"] == {**asked, "version": "4.0.0"}
    by_id = {"mode": "batch-only", "image": {"id": "/subscriptions/s/x"}}
    assert request_of("", base=by_id, image_metadata=OLD_IMAGE)["image"] == by_id["image"]
    (problem,) = problems_of("--image-version 2.0.0", base=by_id)
    assert "names another image" in problem


def test_the_groups_of_image_and_account_may_differ() -> None:
    """The last build's file knows where the image is; the flag says where the account is."""
    line = "--batch-only --resource-group accounts --account acc"
    request = request_of(line, image_metadata=OLD_IMAGE)
    assert request["image"]["resourceGroup"] == "images"
    assert request["batchAccount"]["resourceGroup"] == "accounts"


@pytest.mark.parametrize(
    ("base", "told"),
    [
        ({"mode": "imageonly"}, "mode 'imageonly' is none of full, image-only, batch-only"),
        ({"mode": ["full"]}, "is none of"),
        ({"image": None}, "image must be an object"),
        ({"image": "latest"}, "image must be an object"),
        ({"image": {"registry": "myacr"}}, "image.registry must be an object"),
        ({"image": {"registry": {"build": 5}}}, "image.registry.build must be an object"),
        ({"image": {"registry": {"build": {"context": 5}}}}, "context must be a text"),
        ({"batchAccount": "acc"}, "batchAccount must be an object"),
        ({"pools": {"id": "a"}}, "pools must be a list of objects"),
    ],
)
def test_a_request_file_that_nothing_can_be_laid_over_is_refused(base: dict, told: str) -> None:
    """Above all, a misspelt mode is no full build."""
    (problem,) = problems_of("", base=base)
    assert told in problem
