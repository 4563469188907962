"""The owner's steps as steps of an image: one after the other, in the order of the request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from activities import builder_vm, run_script
from shared.engine.activity import NoResult
from shared.engine.step_graph import Step
from shared.model import image_scripts
from shared.model.own_steps import When
from shared.model.plans import ImagePlan, ScriptPlan
from shared.model.results import ScriptResult

OwnStep = Step[ScriptPlan, ScriptResult]
_SEEN_LATE_MINUTES = 5  # after Azure has ended the run command


def chain(
    plan: ImagePlan, when: When, after: Sequence[Step[Any, Any]]
) -> list[OwnStep | Step[ImagePlan, NoResult]]:
    """The owner's steps of one time with the restarts that they ask for. The first begins when all
    of `after` have ended, each other one when the one before it has.
    """
    found: list[OwnStep | Step[ImagePlan, NoResult]] = []
    for asked in plan.steps:
        if asked.when is not when:
            continue
        script = image_scripts.own(plan, asked)
        limit = script.timeout_minutes + _SEEN_LATE_MINUTES
        found.append(
            Step(asked.record, run_script.run_script, script, after=after, limit_minutes=limit)
        )
        after = found[-1:]
        if asked.restart:
            name = f"restart_after_{asked.name}"
            found.append(Step(name, builder_vm.restart_builder, plan, after=after))
            after = found[-1:]
    return found
