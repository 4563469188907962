"""Pools made and changed on the data plane: its flat body becomes the one of Resource Manager."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import odata, planes, pool_body, pools, problems, service_pools

_SHAPE = {
    "id!": str,
    "vmSize": str,
    "virtualMachineConfiguration": {"imageReference": {"*": str}, "nodeAgentSKUId": str},
    "targetDedicatedNodes": int,
    "targetLowPriorityNodes": int,
    "resizeTimeout": str,
    "enableAutoScale": bool,
    "autoScaleFormula": str,
    "autoScaleEvaluationInterval": str,
    "enableInterNodeCommunication": bool,
}
_SAME = frozenset(
    {
        "displayName",
        "metadata",
        "mountConfiguration",
        "networkConfiguration",
        "startTask",
        "taskSchedulingPolicy",
        "taskSlotsPerNode",
        "upgradePolicy",
        "userAccounts",
        "vmSize",
    }
)
_RENAMED = {"applicationPackageReferences": "applicationPackages"}
_CHANGEABLE = frozenset({"displayName", "metadata", "startTask", "taskSlotsPerNode", "vmSize"})
_DROPPED = frozenset({"targetNodeCommunicationMode", "resourceTags", "certificateReferences"})
"""Of older API versions."""


def serve(plane: planes.DataPlane) -> None:
    plane.route("POST", "/pools", create, operation="pools.create")
    plane.route("PATCH", "/pools/{pool}", patch, operation="pools.update")
    plane.route("POST", "/pools/{pool}/updateproperties", replace, operation="pools.update")


def create(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """201 without a body; 409 PoolExists."""
    given = request.json(_SHAPE)
    pool_body.check_name(given["id"])
    body = {"properties": _properties(given)}
    wanted = _as_request(body).json(pool_body.SHAPE)
    pool = pools.create(azure, account, f"{account.id}/pools/{given['id']}", wanted)
    return odata.created(service_pools.shown(azure, pool, request))


def patch(azure: context.Azure, request: model.Request, account: store.Resource) -> model.Response:
    """200: what is given replaces what was there."""
    return _change(azure, request, account, {})


def replace(
    azure: context.Azure, request: model.Request, account: store.Resource
) -> model.Response:
    """204: what is not given is taken away."""
    answer = _change(azure, request, account, {"metadata": [], "startTask": {}})
    return model.empty_response(204, answer.headers)


def _change(
    azure: context.Azure,
    request: model.Request,
    account: store.Resource,
    defaults: model.JsonObject,
) -> model.Response:
    pool = service_pools.require(azure, request, account)
    given = {**defaults, **request.json()}
    unknown = sorted(set(given) - _CHANGEABLE - _DROPPED - set(_RENAMED))
    if unknown:
        raise problems.unknown_property(unknown[0], "pool")
    kept = {name: value for name, value in given.items() if name in _CHANGEABLE}
    wanted = _as_request({"properties": kept}).json(pool_body.SHAPE)
    pools.change(azure, pool, wanted)
    return odata.done(request, 200)


def _as_request(body: model.JsonObject) -> model.Request:
    """The body as a request of Resource Manager has it, for the check of its shape."""
    return model.Request(method="PUT", path="", body=model.json_response(200, body).body)


def _properties(given: Mapping[str, Any]) -> dict[str, Any]:
    read = {name.removesuffix("!") for name in _SHAPE}
    unknown = sorted(set(given) - read - _SAME - set(_RENAMED) - _DROPPED)
    if unknown:
        raise problems.unknown_property(unknown[0], "pool")
    found = {name: value for name, value in given.items() if name in _SAME}
    found.update({new: given[old] for old, new in _RENAMED.items() if old in given})
    between = given.get("enableInterNodeCommunication", False)
    return {
        **found,
        "interNodeCommunication": "Enabled" if between else "Disabled",
        "deploymentConfiguration": {"virtualMachineConfiguration": _machine(given)},
        "scaleSettings": _scale(given),
    }


def _machine(given: Mapping[str, Any]) -> dict[str, Any]:
    """The data plane writes SKU in capitals and names the id of an image in full."""
    configuration = dict(given.get("virtualMachineConfiguration") or {})
    agent = configuration.pop("nodeAgentSKUId", None)
    reference = dict(configuration.get("imageReference") or {})
    image = reference.pop("virtualMachineImageId", None)
    if image is not None:
        reference["id"] = image
    named = {"imageReference": reference} if reference else {}
    return {**configuration, **named, **({} if agent is None else {"nodeAgentSkuId": agent})}


def _scale(given: Mapping[str, Any]) -> dict[str, Any]:
    names = ("targetDedicatedNodes", "targetLowPriorityNodes", "resizeTimeout")
    if not given.get("enableAutoScale"):
        return {"fixedScale": {name: given[name] for name in names if name in given}}
    auto = {"formula": given.get("autoScaleFormula", "")}
    if "autoScaleEvaluationInterval" in given:
        auto["evaluationInterval"] = given["autoScaleEvaluationInterval"]
    return {"autoScale": auto}
