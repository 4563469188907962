"""An image with `scratch` makes one file system of its nodes' local NVMe disks."""

from __future__ import annotations

import pytest

from tests.world import World, a_pool, a_request, an_image


@pytest.mark.parametrize(
    ("scratch", "size", "mib"),
    [
        (True, "Standard_D4ds_v6", 220 * 1024),
        (False, "Standard_D4ds_v6", None),
        (True, "Standard_D4s_v5", None),
    ],
)
def test_a_pool_proves_how_large_its_scratch_is(
    world: World, scratch: bool, size: str, mib: int | None
) -> None:
    """The same image serves sizes without such disks, and one without scratch leaves them raw."""
    request = a_request(
        image=an_image(scratch=scratch), pools=[a_pool("dev", vmSize=size, verify=True)]
    )

    build = world.build(request)

    assert build["state"] == "succeeded", build["error"]
    proofs = {p["check"]: p for p in world.pool("mybatch12345", "dev")["proofs"]}
    assert proofs["system"]["evidence"].get("scratchMib") == mib
