"""The graph of an image's steps: what a step reads, it comes after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from orchestrators import image_steps
from orchestrators.image_steps import ImageSteps
from shared.engine.activity import R
from shared.engine.step_graph import Results, Step
from shared.model import parsing, planning
from shared.model.image_parts import BaseImage
from shared.model.plans import ImagePlan
from shared.model.results import BuilderReady, PullIdentity, RegistryReady, VersionClaimed
from tests.world import CONFIG

GROUP = f"/subscriptions/{CONFIG.subscription_id}/resourceGroups/g/providers"
COMPUTE = f"{GROUP}/Microsoft.Compute"
READER = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/reader"
BASE = BaseImage(publisher="p", offer="o", sku="s", version="1", generation="V2")
RESULTS = {
    "builder_vm": BuilderReady(size="Standard_NC4as_T4_v3", base=BASE, expires_at="2026"),
    "pull_identity": PullIdentity(client_id="c", principal_id="p"),
    "registry": RegistryReady(login_server="r.azurecr.io"),
    "version": VersionClaimed(version="1.0.0"),
}
IMAGES = {
    "plain": {},
    "gpu": {"gpu": True},
    "features": {"scratch": True, "gpu": True, "dcgm": True},
    "infiniband": {"gpu": True, "infiniband": True},
    "its own kernel": {"gpu": True, "os": "almalinux"},
    "registry": {
        "gpu": True,
        "containerImages": ["docker.io/library/busybox:1.36"],
        "registry": {
            "name": "myacr",
            "build": {"source": "https://example.org/a.git", "image": "a:1"},
        },
        "managedImage": True,
    },
    "existing subnet": {
        "outbound": {
            "subnetId": f"/subscriptions/{CONFIG.subscription_id}/resourceGroups/g/providers"
            "/Microsoft.Network/virtualNetworks/v/subnets/n"
        }
    },
    "default access": {"outbound": "defaultAccess"},
    "a refresh": {
        "base": {"id": f"{COMPUTE}/galleries/g/images/i/versions/1.0.0"},
        "os": "ubuntu",
        "gpu": True,
        "containerImages": ["docker.io/library/busybox:1.36"],
    },
    "a registry with an identity": {
        "registry": {"name": "imagesregistry1", "identity": READER},
        "containerImages": ["imagesregistry1.azurecr.io/app:1"],
    },
    "own steps": {
        "containerImages": ["docker.io/library/busybox:1.36"],
        "steps": [
            {
                "name": f"{when}-{restart}".lower(),
                "inline": "true",
                "when": when,
                "restart": restart,
            }
            for when in ("after-restart", "before-docker", "after-docker")
            for restart in (True, False)
        ],
    },
}


class Recording(Results):
    """Results of every step, which remember the steps that were read."""

    def __init__(self, steps: ImageSteps) -> None:
        found = {s.name: _result(s).to_wire() for s in steps.all}
        super().__init__(found)
        self.read: list[Step[Any, Any]] = []

    def get(self, step: Step[Any, R] | None) -> R | None:
        if step is not None:
            self.read.append(step)
        return super().get(step)


def _result(step: Step[Any, Any]) -> Any:
    return RESULTS.get(step.name) or step.activity.result.model_construct()


def ancestors(step: Step[Any, Any]) -> Iterator[Step[Any, Any]]:
    """All steps that have ended when this one begins."""
    for earlier in step.after:
        yield earlier
        yield from ancestors(earlier)


def plan_of(image: dict[str, object]) -> ImagePlan:
    """The plan of an image request."""
    data = {"mode": "image-only", "requestId": "r", "image": image}
    build = planning.plan_build(parsing.parse_build(data, CONFIG), CONFIG)
    assert build.image is not None
    return build.image


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_a_step_reads_only_the_results_of_steps_that_it_comes_after(
    image: dict[str, object],
) -> None:
    """Otherwise a build would fail where the other step happens to take longer."""
    steps = image_steps.plan_steps(plan_of(image))
    for step in steps.all:
        results = Recording(steps)
        step.when(results)
        step.plan_from(results)
        before = set(ancestors(step))
        late = [read.name for read in results.read if read not in before]
        assert late == [], f"{step.name} reads {late} and does not come after them"


@pytest.mark.parametrize("image", IMAGES.values(), ids=IMAGES.keys())
def test_every_step_stands_behind_those_that_it_comes_after(image: dict[str, object]) -> None:
    """So the failure of the first step in the list is the cause of the others. Names are unique."""
    steps = image_steps.plan_steps(plan_of(image)).all
    for place, step in enumerate(steps):
        assert set(step.after) <= set(steps[:place]), step.name
    assert len({step.name for step in steps}) == len(steps)
