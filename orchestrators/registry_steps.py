"""The steps of an image's registry. The builder VM waits for `identity`, `preload` for all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from activities import registry
from orchestrators.prerequisite_steps import Prerequisites
from shared.base.wire import replace
from shared.engine.activity import NoResult
from shared.engine.step_graph import Results, Step
from shared.model.image_parts import RegistryPlan
from shared.model.results import ContainerImageBuilt, PullIdentity, RegistryReady


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """The registry, an identity that may pull from it, and the image that is built in it."""

    identity: Step[RegistryPlan, PullIdentity]
    registry: Step[RegistryPlan, RegistryReady]
    access: Step[RegistryPlan, NoResult] | None
    push: Step[RegistryPlan, ContainerImageBuilt] | None

    @property
    def all(self) -> list[Step[Any, Any]]:
        """The steps in order."""
        optional = (self.access, self.push)
        return [self.identity, self.registry, *(step for step in optional if step)]


def plan_registry(plan: RegistryPlan, prerequisites: Prerequisites) -> Registry:
    """No `access` for an identity that the request names, no `push` where it builds no container
    image.
    """
    identity = Step(
        "pull_identity", registry.ensure_pull_identity, plan, after=[prerequisites.group]
    )
    made = Step("registry", registry.create_registry, plan, after=[prerequisites.group])

    def with_principal(done: Results) -> RegistryPlan:
        return replace(plan, principal_id=done[identity].principal_id)

    access = Step("pull_access", registry.grant_pull, with_principal, after=[made, identity])
    push = Step("push_image", registry.push_image, plan, after=[made])
    return Registry(
        identity=identity,
        registry=made,
        access=None if plan.identity_id else access,
        push=push if plan.build_image else None,
    )
