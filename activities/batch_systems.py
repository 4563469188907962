"""The systems that Batch supports, as a Batch account lists them."""

from __future__ import annotations

from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, PollState, Services
from shared.model import support
from shared.model.catalogue import OperatingSystem
from shared.model.plans import BuildPlan
from shared.model.results import Findings


def check(services: Services, plan: BuildPlan, account: Json, poll: PollState) -> Findings:
    """Whether the account has a node agent for the image's system, and until when."""
    if plan.image:
        system = plan.image.system
        return check_agent(services, system.node_agent, account, poll, system)
    assert plan.image_ref is not None
    return check_agent(services, plan.image_ref.node_agent, account, poll)


def check_agent(
    services: Services,
    agent: str,
    account: Json,
    poll: PollState,
    system: OperatingSystem | None = None,
) -> Findings:
    """Whether the account has a node agent, and until when it supports that or its `system`."""
    endpoint = resource_state.properties(account)["accountEndpoint"]
    listed, today = _supported_images(services, endpoint, poll)
    of_agent = [image for image in listed if image["nodeAgentSKUId"] == agent]
    if not of_agent:
        there = ", ".join(sorted({image["nodeAgentSKUId"] for image in listed}))
        message = f"the Batch account lists no system with node agent {agent!r}; it has: {there}"
        return _blocked("SystemNotSupported", message)
    ends, what = _end(of_agent, system), f"node agent {agent!r}"
    if support.is_over(ends, today):
        return _blocked("SupportEnded", support.ended(what, ends))
    return Findings(warnings=support.ends_soon("image.os", what, ends, today))


def _blocked(code: str, message: str) -> Findings:
    return Findings(blockers=[Problem(field="image.os", code=code, message=message)])


def _end(listed: list[Json], system: OperatingSystem | None) -> str | None:
    """When the support ends: that of the image's own base where it is listed, or the last of all
    systems with its node agent. None where Batch has not decided it.
    """
    base = [i for i in listed if system and _is_base(i["imageReference"], system)]
    ends = [image.get("batchSupportEndOfLife") for image in base or listed]
    return max((end for end in ends if end), default=None) if all(ends) else None


def _is_base(reference: Json, system: OperatingSystem) -> bool:
    return all(
        names.same(reference.get(part), getattr(system, part))
        for part in ("publisher", "offer", "sku")
    )


def _supported_images(
    services: Services, endpoint: str, poll: PollState
) -> tuple[list[Json], str | None]:
    """The images that Batch supports, and the time of Azure's answer."""

    def ask() -> tuple[list[Json], str | None]:
        return sdk.listed_at(services.azure.batch_service(endpoint).list_supported_images)

    return services.cache.get(("supported images", endpoint), poll.now, ask)
