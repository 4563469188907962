"""Plans: what a request decides before anything is asked."""

from __future__ import annotations

import pytest

from shared.model import parsing, plan_updates, planning, resuming
from shared.model.image_parts import BaseImage
from shared.model.outcomes import BuildOutcome
from tests.world import CONFIG, a_pool, a_request, an_image


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
