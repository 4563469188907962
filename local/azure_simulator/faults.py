"""Faults that tests and demonstrations inject.

A fault is a JSON object: which requests or operations it meets, how often, and what it does.

    {"method": "PUT", "path": "virtualMachines/", "operation": "virtualMachines.create",
     "resourceType": "Microsoft.Compute/virtualMachines",         who is met; all optional
     "times": 2, "probability": 0.1, "after": 1,                  how often; default once
     "effect": "throttle", ...}                                   what happens

| effect | more fields | happens to | what |
|---|---|---|---|
| throttle | retryAfter (default 10; null: no header) | a request | 429 |
| status | status, code, message, retryAfter | a request | that answer, nothing done |
| drop | when: before or after (default before) | a request | the connection is reset |
| quota | name, limit, usage, required | a request | 409 OperationNotAllowed with the quota's text |
| allocation | code (AllocationFailed), message | an operation | it fails at its end |
| slow | factor (default 4) | an operation | its duration is multiplied |
| preempt | retryAfter (default 600; null: never) | a run on a Spot node | the node is preempted |
| script | step, exitCode, message, stdout | a script | it ends with that code |
| silent | step | a script | exit code 0 but no result line |
| crash | step | a script | the VM stops in the middle, unsealed |
| sealFails | | a script | sealing fails later: a line on the console, no power off |

The runs on a node are `nodes.startTask` and `tasks.run`; the node goes five seconds after such a
run began, and comes back `retryAfter` seconds later.

`operation` and `path` are regular expressions that are searched for; `method`, `resourceType` and
`step` are compared without case; `step` names a step or one of its parts (`prepare`, `docker`,
`driver` of `install`; `check` of `seal`); `after` lets that many go by first. With `probability` a
fault has no limit unless `times` gives one; whether it strikes depends on the seed and on how often
it was considered, so a run repeats.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from local.azure_simulator import context, model, resource_ids, store

TYPE = "simulator.fault"
REQUEST_EFFECTS = frozenset({"throttle", "status", "drop", "quota"})
OPERATION_EFFECTS = frozenset({"allocation", "slow", "preempt"})
SCRIPT_EFFECTS = frozenset({"script", "silent", "crash", "sealFails"})
_FIELDS = frozenset(
    {
        "id", "method", "path", "resourceType", "operation", "times", "probability", "after",
        "effect", "retryAfter", "status", "code", "message", "when", "name", "limit", "usage",
        "required", "factor", "step", "exitCode", "stdout",
    }
)  # fmt: skip


class Faults:
    """The faults in force, and the question whether one strikes now."""

    def __init__(self, azure: context.Azure) -> None:
        self._azure = azure

    def add(self, fault: model.JsonObject) -> model.JsonObject:
        """Put a fault in force; refuses what is not understood. Returns it with its id."""
        known = REQUEST_EFFECTS | OPERATION_EFFECTS | SCRIPT_EFFECTS
        unknown = sorted(set(fault) - _FIELDS)
        if fault.get("effect") not in known or unknown:
            problem = f"fields {unknown}" if unknown else f"effect {fault.get('effect')!r}"
            model.refuse(400, "InvalidFault", f"Unknown {problem}; effects are {sorted(known)}.")
        identifier = str(fault.get("id") or self._azure.store.count("faults"))
        document = {**fault, "id": identifier}
        self._azure.store.add(
            store.Resource(
                id=f"/simulator/faults/{identifier}",
                type=TYPE,
                document=document,
                state={"considered": 0, "struck": 0},
            )
        )
        return document

    def add_once(self, fault: model.JsonObject) -> None:
        """Add a fault unless one with its id is known, which may have struck already."""
        if self._azure.store.find(f"/simulator/faults/{fault['id']}") is None:
            self.add(fault)

    def list(self) -> list[model.JsonObject]:
        """Faults with how often each has struck."""
        found = self._azure.store.of_type(TYPE)
        return [{**fault.document, "struck": fault.state["struck"]} for fault in found]

    def clear(self) -> None:
        for fault in self._azure.store.of_type(TYPE):
            self._azure.store.remove(fault.id)

    def on_request(self, request: model.Request, operation: str) -> model.JsonObject | None:
        """The fault that meets this request, if one does."""
        return self._strike(
            REQUEST_EFFECTS,
            method=request.method,
            path=request.path,
            operation=operation,
            type_name=resource_ids.type_of(request.resource_id),
        )

    def failure(self, operation: str, resource: store.Resource) -> model.JsonObject | None:
        """The error with which an operation that begins now will end."""
        fault = self.on_operation(operation, resource, "allocation")
        if fault is None:
            return None
        message = (
            "Allocation failed. We do not have sufficient capacity for the requested VM size in "
            "this region. Read more about improving likelihood of allocation success at "
            "http://aka.ms/allocation-guidance"
        )
        code = fault.get("code", "AllocationFailed")
        return model.error_object(code, fault.get("message", message))

    def slowness(self, operation: str, resource: store.Resource) -> float:
        """Factor on the duration of an operation that begins now."""
        fault = self.on_operation(operation, resource, "slow")
        return 1.0 if fault is None else float(fault.get("factor", 4))

    def on_operation(
        self, operation: str, resource: store.Resource, effect: str
    ) -> model.JsonObject | None:
        """The fault with this effect that meets an operation on a resource, if one does."""
        return self._strike(
            {effect}, path=resource.id, operation=operation, type_name=resource.type
        )

    def on_script(self, names: Sequence[str], run: store.Resource) -> model.JsonObject | None:
        """The fault that meets a script on this run command: `names` are its step (`""` for other
        scripts) and the step's parts.
        """
        return self._strike(
            SCRIPT_EFFECTS, path=run.id, operation="runCommands.run", type_name=run.type, step=names
        )

    def _strike(
        self, effects: frozenset[str] | set[str], **met: str | Sequence[str]
    ) -> model.JsonObject | None:
        for fault in self._azure.store.of_type(TYPE):
            is_met = fault.document["effect"] in effects and _meets(fault.document, met)
            if is_met and self._takes_its_turn(fault):
                fault.state["struck"] += 1
                return fault.document
        return None

    def _takes_its_turn(self, fault: store.Resource) -> bool:
        document = fault.document
        fault.state["considered"] += 1
        limit = document.get("times", None if "probability" in document else 1)
        is_spent = limit is not None and fault.state["struck"] >= limit
        if is_spent or fault.state["considered"] <= document.get("after", 0):
            return False
        chance = self._azure.durations.chance("fault", fault.name, fault.state["considered"])
        return bool(chance < document.get("probability", 1))


def _meets(fault: model.JsonObject, met: dict[str, str | Sequence[str]]) -> bool:
    searched = (("path", "path"), ("operation", "operation"))
    compared = (("method", "method"), ("resourceType", "type_name"), ("step", "step"))
    return all(
        re.search(fault[field], str(met[name]), re.IGNORECASE)
        for field, name in searched
        if field in fault and name in met
    ) and all(
        fault[field].lower() in _names(met.get(name, ""))
        for field, name in compared
        if field in fault
    )


def _names(met: str | Sequence[str]) -> list[str]:
    return [name.lower() for name in ([met] if isinstance(met, str) else met)]


def answer(fault: model.JsonObject) -> None:
    """Do what a request fault does, except `drop` after the effect: raises."""
    match fault["effect"]:
        case "drop":
            if fault.get("when", "before") == "before":
                raise model.ConnectionDropped(after_effect=False)
        case "throttle":
            model.refuse(
                429,
                fault.get("code", "TooManyRequests"),
                fault.get("message", "The request is being throttled."),
                headers=_retry_after(fault, 10),
            )
        case "quota":
            model.refuse(409, "OperationNotAllowed", fault.get("message") or quota_text(fault))
        case _:
            status = int(fault.get("status", 500))
            model.refuse(
                status,
                fault.get("code", "InternalServerError"),
                fault.get("message", "An error was injected."),
                headers=_retry_after(fault, None),
            )


def quota_text(quota: model.JsonObject) -> str:
    """Compute's words for a quota refusal: `name`, `location`, `limit`, `usage`, `required`."""
    limit, usage = quota.get("limit", 0), quota.get("usage", 0)
    required = quota.get("required", 4)
    return (
        "Operation could not be completed as it results in exceeding approved "
        f"{quota.get('name', 'Total Regional Cores')} quota. Additional details - Deployment "
        f"Model: Resource Manager, Location: {quota.get('location', 'swedencentral')}, Current "
        f"Limit: {limit}, Current Usage: {usage}, Additional Required: {required}, (Minimum) New "
        f"Limit Required: {usage + required}. Setup Alerts when Quota reaches threshold. Learn "
        "more at https://aka.ms/quotamonitoringalerting. Submit a request for Quota increase at "
        "https://aka.ms/ProdportalCRP by specifying parameters listed in the 'Details' section "
        "for deployment to succeed. Please read more about quota limits at "
        "https://docs.microsoft.com/en-us/azure/azure-supportability/per-vm-quota-requests"
    )


def _retry_after(fault: model.JsonObject, default: int | None) -> dict[str, str]:
    seconds = fault.get("retryAfter", default)
    return {} if seconds is None else {"Retry-After": str(seconds)}
