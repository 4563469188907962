"""Nothing waits that need not: a step of an image begins when the steps before it have ended. Where
a Batch account is made first, all other steps come after it and the network. What a process had
taken when it died waits until the next one sees it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from orchestrators import image_steps
from shared.model import planning
from shared.model.requests import Build
from tests.simulation.simulated_world import SimulatedWorld
from tests.simulation.stories import Climate
from tests.world import VISIBILITY

_SLACK_SECONDS = 1.0
# Where steps are done twice or wait for the storage, their records do not tell when they ended.
_TOLD_BY = {Climate.CALM, Climate.CRASHES, Climate.TRANSIENT}


def no_step_waits_in_vain(world: SimulatedWorld) -> Iterator[str]:
    """By the records of builds that succeeded at once."""
    if world.story.climate not in _TOLD_BY:
        return
    for row in world.build_rows():
        makes_an_image = row["Mode"] in {"full", "image-only"}
        if makes_an_image and row["State"] == "succeeded" and row.key not in world.resumed:
            yield from _late(world, row)


def _late(world: SimulatedWorld, row: Any) -> Iterator[str]:
    request = Build.from_wire(row["Request"])
    image = planning.plan_build(request, world.services.azure.config).image
    assert image is not None
    steps = {step.key: step for step in world.records.steps(row.key)}
    ended: dict[str, datetime] = {}
    planned = image_steps.plan_steps(image)
    first = {step.name for step in planned.prerequisites.all}
    account = [steps[name] for name in ("batch_account", "quotas") if name in steps]
    slack = _SLACK_SECONDS + world.engine.crashes * VISIBILITY.messages
    laid = [datetime.fromisoformat(str(step["SeenAt"])) for step in account]
    for step in planned.all:
        before = [ended[earlier.name] for earlier in step.after if earlier.name in ended]
        if account and step.name not in first:
            before += [*laid, *(ended[name] for name in first)]
        if step.name not in steps:  # skipped: what comes after it need not wait
            ended[step.name] = max(before)
            continue
        began = datetime.fromisoformat(str(steps[step.name]["StartedAt"]))
        ended[step.name] = datetime.fromisoformat(str(steps[step.name]["SeenAt"]))
        late = (began - max(before)).total_seconds() if before else 0.0
        if late > slack:
            yield f"step {step.name} of build {row.key} began {late:.0f} s late"
