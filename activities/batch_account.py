"""The Batch account: create it where it does not exist."""

from __future__ import annotations

from shared.azure import batch_bodies, resource_state, sdk
from shared.azure.sdk import Started
from shared.base import names
from shared.base.errors import Failure, Kind
from shared.engine import decisions
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Fail, Wait
from shared.model.plans import AccountPlan
from shared.model.results import AccountReady

_MAKING_SECONDS = 90.0  # an account takes about 15 s (recorded)


def _observe(services: Services, plan: AccountPlan, _: PollState) -> Json | None:
    calls = services.azure.batch.batch_account
    found = sdk.fetch(calls.get, plan.resource_group, plan.name)
    if found is not None:
        return found
    body = {"name": plan.name, "type": "Microsoft.Batch/batchAccounts"}
    free = sdk.send(services.azure.batch.location.check_name_availability, plan.location, body)
    if free.body and free.body.get("nameAvailable") is False:
        return {"taken": free.body.get("message", "")}
    return None


def _create(services: Services, plan: AccountPlan, _: PollState) -> Started:
    calls = services.azure.batch.batch_account
    return sdk.send(
        calls.begin_create, plan.resource_group, plan.name, batch_bodies.batch_account(plan)
    )


def _decide(plan: AccountPlan, observed: Json | None, poll: PollState) -> Decision[AccountReady]:
    subject = plan.account_id
    if observed is not None and "taken" in observed:
        # While an account is being created, by this build or another, its name is taken and the
        # account itself does not exist yet.
        if poll.started == "create" or poll.elapsed < _MAKING_SECONDS:
            return Wait(note="the account is being created")
        return Fail(failure=_taken(plan, observed["taken"]))
    if observed is not None and not names.same(observed.get("location"), plan.location):
        where = observed.get("location")
        advice = f"Ask for pools in {where}, or name another account."
        return Fail(failure=decisions.foreign(subject, f"it is in {where}", advice))
    endpoint = resource_state.properties(observed).get("accountEndpoint")
    ready = AccountReady(endpoint=endpoint, waited=poll.elapsed > 0) if endpoint else None
    return decisions.created(subject, observed, started=poll.started, result=ready)


def _taken(plan: AccountPlan, message: str) -> Failure:
    return Failure(
        code="Conflict",
        kind=Kind.CONFLICT,
        message=f"Could not create Batch account {plan.name} in resource group "
        f"{plan.resource_group}: its name is not free in {plan.location}. "
        f"Azure answered: {message}",
        resource=plan.account_id,
        next_action="Choose another account name, or give the resource group that the account is "
        "in: another build may have created it since this build's checks.",
    )


ensure_batch_account = Reconciler(
    name="ensure_batch_account",
    plan=AccountPlan,
    result=AccountReady,
    verb="create the Batch account",
    subject=lambda plan: plan.account_id,
    observe=_observe,
    decide=_decide,
    actions={"create": _create},
)
