"""Mistakes that the type checker must find. This file is never run: `test_typing.py` gives it to
mypy, and expects on each marked line the error that the comment names.
"""
# fmt: off

from __future__ import annotations

from typing import Any

from activities import network, registry
from orchestrators import prerequisite_steps
from shared.base.wire import replace
from shared.engine import workflow
from shared.engine.polling_loop import StepContext, Workflow
from shared.engine.step_graph import Results, Step
from shared.model.image_parts import RegistryPlan
from shared.model.plans import ImagePlan


def activity(context: Any, steps: StepContext, plan: ImagePlan) -> Workflow[None]:
    """The name of an activity."""
    yield from workflow.run_step(context, steps, "network", network.create_netwrok, plan)  # expect: has no attribute "create_netwrok"


def dependency(plan: ImagePlan) -> Step[Any, Any]:
    """A step that another one comes after."""
    needed = prerequisite_steps.plan_prerequisites(plan)
    return Step("network", network.create_network, plan, after=[needed.gruop])  # expect: has no attribute "gruop"


def field_of_a_result(results: Results, step: Step[RegistryPlan, Any], plan: RegistryPlan) -> str:
    """A field of the result of a finished step."""
    made = Step("registry", registry.create_registry, plan, after=[step])
    return str(results[made].login_servr)  # expect: has no attribute "login_servr"


def copied_field(plan: RegistryPlan) -> RegistryPlan:
    """A field of a changed copy."""
    return replace(plan, principle_id="p")  # expect: Unexpected keyword argument "principle_id"


def plan_of_another_activity(context: Any, steps: StepContext, plan: ImagePlan) -> Workflow[None]:
    """A plan that the activity does not take."""
    yield from workflow.run_step(context, steps, "registry", registry.create_registry, plan)  # expect: Cannot infer value of type parameter "P"
