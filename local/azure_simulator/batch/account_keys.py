"""The shared keys of an account: listed and made anew. The data plane takes tokens only."""

from __future__ import annotations

import base64

from local.azure_simulator import arm, context, model, resource_ids, store
from local.azure_simulator.batch import planes, problems

_NAMES = ("primary", "secondary")


def register(azure: context.Azure) -> None:
    path = arm.path_of(planes.ACCOUNT_TYPE)
    azure.route("POST", path + "/listKeys", planes.stamping(list_keys))
    azure.route("POST", path + "/regenerateKeys", planes.stamping(regenerate))


def list_keys(azure: context.Azure, request: model.Request) -> model.Response:
    """400 where the account does not take shared keys."""
    account = arm.require(azure, resource_ids.without_action(request.resource_id))
    if "SharedKey" not in account.properties["allowedAuthenticationModes"]:
        message = "The account does not allow authentication with shared keys."
        raise problems.refusal(400, "OperationNotAllowed", message)
    return _answer(azure, account)


def regenerate(azure: context.Azure, request: model.Request) -> model.Response:
    account = arm.require(azure, resource_ids.without_action(request.resource_id))
    name = request.json({"keyName!": str})["keyName"].lower()
    if name not in _NAMES:
        raise problems.invalid_value("keyName", "keyName", name, "Primary or Secondary.")
    account.state.setdefault("keys", {})[name] = _new_key(azure, account)
    return _answer(azure, account)


def _answer(azure: context.Azure, account: store.Resource) -> model.Response:
    keys = account.state.setdefault("keys", {})
    for name in _NAMES:
        keys.setdefault(name, _new_key(azure, account))
    return model.json_response(200, {"accountName": account.name, **keys})


def _new_key(azure: context.Azure, account: store.Resource) -> str:
    parts = (azure.digest("account key", account.key) for _ in range(2))
    return base64.b64encode(b"".join(parts)).decode()
