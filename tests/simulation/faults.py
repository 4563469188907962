"""What goes wrong on Azure, drawn for a climate. The forms are those of the simulator's faults."""

from __future__ import annotations

import random
from typing import Any

Json = dict[str, Any]

_PLACES = [
    "", "virtualMachines/", "runCommands", "galleries", "versions/", "virtualNetworks",
    "natGateways", "publicIPAddresses", "batchAccounts", "/pools/", "resourcegroups/", "/nodes",
    "/jobs", "registries", "userAssignedIdentities", "roleAssignments", "images/", "skus", "usages",
]  # fmt: skip
_METHODS = ["GET", "PUT", "POST", "PATCH", "DELETE"]
_STEPS = ["prepare", "docker", "driver", "preload", "check", "seal", "verify"]
_EXIT_CODES = [10, 11, 20, 21, 22, 23, 24, 30, 40, 41, 50, 70, 75, 124, 137]
_REMOVED = ["virtualMachines/", "virtualNetworks", "natGateways", "publicIPAddresses"]


def draw(dice: random.Random, climate: str) -> tuple[Json, ...]:
    """The faults of a story."""
    match climate:
        case "transient":
            return tuple(_transient(dice) for _ in range(dice.randint(1, 4)))
        case "hard":
            faults = tuple(_hard(dice) for _ in range(dice.randint(1, 3)))
            return faults if dice.random() < 0.7 else (*faults, *_nodes_that_stay(dice))
        case _:
            return ()


def _transient(dice: random.Random) -> Json:
    """What time cures. A few times only: the app gives up in the end, and should."""
    if dice.random() < 0.15:
        return {"effect": "slow", "factor": dice.choice([1.5, 2, 3]), "times": dice.randint(1, 3)}
    fault: Json = {"times": dice.randint(1, 3), "after": dice.choice([0, 0, 0, 1, 3, 10, 40])}
    if place := dice.choice(_PLACES):
        fault["path"] = place
    if dice.random() < 0.5:
        fault["method"] = dice.choice(_METHODS)
    if dice.random() < 0.2:
        del fault["times"]
        fault["probability"] = 0.05
    return {**fault, **_hiccup(dice)}


def _hiccup(dice: random.Random) -> Json:
    match dice.choice(["throttle", "status", "drop", "drop"]):
        case "throttle":
            return {"effect": "throttle", "retryAfter": dice.choice([None, 1, 10, 60])}
        case "status":
            return {"effect": "status", "status": dice.choice([500, 502, 503, 504])}
        case _:
            return {"effect": "drop", "when": dice.choice(["before", "after"])}


def _hard(dice: random.Random) -> Json:
    match dice.choice(["machine", "script", "script", "refusal", "removal", "outage"]):
        case "machine":
            return _no_machine(dice)
        case "script":
            return _broken_script(dice)
        case "refusal":
            fault = {"effect": "status", "status": dice.choice([400, 403, 409]), "times": 100}
            method = dice.choice(["PUT", "POST"])
            return {**fault, "code": "Injected", "method": method, "path": dice.choice(_PLACES)}
        case "removal":
            fault = {"effect": "status", "status": 409, "code": "Injected", "times": 100}
            return {**fault, "method": "DELETE", "path": dice.choice(_REMOVED)}
        case _:
            return {"effect": "status", "status": 503, "times": 100, "path": dice.choice(_PLACES)}


def _no_machine(dice: random.Random) -> Json:
    vm = "Microsoft.Compute/virtualMachines"
    match dice.choice(["allocation", "quota", "operation", "resize", "node"]):
        case "allocation":
            return {"effect": "allocation", "resourceType": vm, "times": dice.randint(1, 4)}
        case "quota":
            return {"effect": "quota", "method": "PUT", "path": "virtualMachines/[^/]+$"}
        case "operation":
            code = dice.choice(["InternalExecutionError", "OSProvisioningTimedOut", "Injected"])
            return {"effect": "allocation", "code": code, "after": dice.randint(0, 6)}
        case "node":
            return {"effect": "allocation", "operation": "nodes.start", "times": dice.randint(1, 6)}
        case _:
            return {"effect": "allocation", "operation": "pools", "times": dice.randint(1, 3)}


def _nodes_that_stay(dice: random.Random) -> tuple[Json, Json]:
    """Nodes that nothing helps, of pools that Azure does not let anybody change for hours."""
    bad = {"effect": "allocation", "operation": "nodes.start", "times": dice.choice([9, 100])}
    stuck = {"effect": "status", "status": dice.choice([409, 503]), "code": "Injected"}
    times = dice.choice([1, 20, 200])
    return bad, {**stuck, "method": "PATCH", "path": "/pools/", "times": times}


def _broken_script(dice: random.Random) -> Json:
    step = dice.choice(_STEPS)
    match dice.choice(["script", "silent", "crash", "sealFails"]):
        case "script":
            return {"effect": "script", "step": step, "exitCode": dice.choice(_EXIT_CODES)}
        case "sealFails":
            return {"effect": "sealFails", "step": "seal"}
        case effect:
            return {"effect": effect, "step": step}
