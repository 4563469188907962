"""The Batch account: ensured, and its quotas looked at before anything is paid for."""

from __future__ import annotations

from shared import batch_bodies, clients, decisions
from shared.clients import Started
from shared.decisions import Done, Fail, Verdict, Wait
from shared.errors import Failure, Kind
from shared.operations import Json, Operation, Services, Tick
from shared.plans import AccountPlan

_MAKING_SECONDS = 90.0  # an account takes about 15 s (recorded)


def _look(services: Services, plan: AccountPlan, _: Tick) -> Json | None:
    calls = services.azure.batch.batch_account
    found = clients.fetch(calls.get, plan.resource_group, plan.name)
    if found is not None:
        return found
    body = {"name": plan.name, "type": "Microsoft.Batch/batchAccounts"}
    free = clients.send(services.azure.batch.location.check_name_availability, plan.location, body)
    if free.body and free.body.get("nameAvailable") is False:
        return {"taken": free.body.get("message", "")}
    return None


def _create(services: Services, plan: AccountPlan, _: Tick) -> Started:
    calls = services.azure.batch.batch_account
    return clients.send(
        calls.begin_create, plan.resource_group, plan.name, batch_bodies.batch_account(plan)
    )


def _judge(plan: AccountPlan, observed: Json | None, tick: Tick) -> Verdict:
    subject = plan.account_id
    if observed is not None and "taken" in observed:
        # While an account is being made, by this build or by another one of the same group, its
        # name is taken and the account itself is not there yet.
        if tick.started == "create" or tick.elapsed < _MAKING_SECONDS:
            return Wait(note="the account is being made")
        return Fail(failure=_taken(plan, observed["taken"]))
    if observed is not None and not decisions.same(observed.get("location"), plan.location):
        where = observed.get("location")
        advice = f"Ask for pools in {where}, or name another account."
        return Fail(failure=decisions.foreign(subject, f"it is in {where}", advice))
    endpoint = decisions.properties(observed).get("accountEndpoint")
    result = {"endpoint": endpoint, "waited": tick.elapsed > 0}
    verdict = decisions.created(subject, observed, started=tick.started, result=result)
    if isinstance(verdict, Done) and not endpoint:
        return Wait(note="the account has no endpoint yet")
    return verdict


def _taken(plan: AccountPlan, message: str) -> Failure:
    return Failure(
        code="Conflict",
        kind=Kind.CONFLICT,
        message=f"The Batch account name {plan.name} cannot be used in {plan.location}: {message}",
        resource=plan.account_id,
        next_action="Choose another account name, or give its resource group.",
    )


ensure_batch_account = Operation(
    name="ensure_batch_account",
    plan=AccountPlan,
    verb="create the Batch account",
    subject=lambda plan: plan.account_id,
    look=_look,
    judge=_judge,
    actions={"create": _create},
)
