"""What Batch supports. Pure."""

from __future__ import annotations

from shared.base.errors import Problem
from shared.model import catalogue
from shared.model.plans import BuildPlan


def unproven_system(plan: BuildPlan) -> list[Problem]:
    """A warning for an experimental system in a build that has no Batch account: only an account
    lists the node agents that Batch has.
    """
    image = plan.image
    if image is None or plan.account is not None or not catalogue.is_experimental(image.system):
        return []
    system = image.system
    message = (
        f"{system.name} {system.version} is experimental: Batch may not have its node agent, "
        f"{system.node_agent!r}, and then refuses every pool of this image. List what your account "
        "supports (az batch pool supported-images list), or build in mode full, which asks the "
        "account before it creates anything that costs money"
    )
    return [Problem(field="image.os", code="SystemExperimental", message=message)]
