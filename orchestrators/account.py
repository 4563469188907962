"""The Batch account of a build and, created at the same time, the prerequisites of its image."""

from __future__ import annotations

from typing import Any

from activities import batch_account, network, pool_preflight
from shared.base import names
from shared.engine.polling_loop import Context, Json, StepContext, Workflow
from shared.engine.step_graph import Step, follow
from shared.model import build_outcomes, plan_updates
from shared.model.plans import AccountPlan, BuildPlan


def with_account(
    context: Context, plan: BuildPlan, step_context: StepContext
) -> Workflow[BuildPlan]:
    """The plan with the endpoint of its account, which is created if it does not exist."""
    if plan.account is None or plan.account.endpoint is not None:
        return plan
    plan, _ = yield from ensure_account(context, plan, plan.account, step_context, [], {})
    return plan


def ensure_account(
    context: Context,
    plan: BuildPlan,
    account: AccountPlan,
    step_context: StepContext,
    prerequisites: list[Step[Any, Any]],
    done: dict[str, Json],
) -> Workflow[tuple[BuildPlan, dict[str, Json]]]:
    """Create the Batch account, check its quotas and, at the same time, create the resource group
    and network of the builder.

    Only an existing account has quotas to check, so everything that costs money waits for them.
    Returns the plan with the account's endpoint, and the results of the steps so far.
    """
    group: Step[Any, Any] = Step(
        "account_group", network.ensure_resource_group, plan_updates.group_of(account)
    )
    if (
        prerequisites
        and plan.image
        and names.same(plan.image.resource_group, account.resource_group)
    ):
        group, *prerequisites = prerequisites  # the image is in the same group: it is created once
    ensured = Step("batch_account", batch_account.ensure_batch_account, account, after=[group])
    quotas = Step(
        "quotas",
        pool_preflight.check_batch,
        plan,
        after=[ensured],
        when=lambda done: done[ensured].waited,  # otherwise they were checked before
    )
    steps = [group, ensured, quotas, *prerequisites]
    results = yield from follow(context, step_context, steps, done)
    if checked := results.get(quotas):
        found = build_outcomes.without_blockers(
            [checked], "only the Batch account exists now, which costs nothing"
        )
        plan = plan_updates.with_warnings(plan, found)
    plan = plan_updates.with_endpoint(plan, results[ensured].endpoint)
    return plan, {**done, **results.to_wire()}
