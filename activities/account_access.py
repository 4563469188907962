"""Whether the app may use the data plane of a Batch account: nodes, jobs, files of nodes.

Resource Manager answers for every account; an account's own address takes only the kinds of tokens
that the account allows, and only from the networks that it knows.
"""

from __future__ import annotations

from shared.azure import resource_state, sdk
from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, Services

_ENTRA = "AAD"
_FIELD = "batchAccount.name"


def problem(services: Services, account: Json) -> Problem | None:
    """Why the data plane is closed to the app, or None. An account with limited network access is
    asked: the app may be in one of its networks.
    """
    found = resource_state.properties(account)
    modes = found.get("allowedAuthenticationModes")
    if modes and not any(names.same(mode, _ENTRA) for mode in modes):
        message = (
            f"Batch account {account['name']} takes no Entra tokens (allowedAuthenticationModes: "
            f"{', '.join(modes)}), and the app has nothing else: let the account take {_ENTRA}, "
            "too, or name another one"
        )
        return Problem(field=_FIELD, code="EntraNotAllowed", message=message)
    if not _is_limited(found):
        return None
    refused = _refusal(services, str(found["accountEndpoint"]))
    if refused is None:
        return None
    message = (
        f"Batch account {account['name']} is closed to the app's network (publicNetworkAccess: "
        f"{found.get('publicNetworkAccess')}; {refused}): give the app a way to the account's "
        "private endpoint, allow the app's addresses, or name another account"
    )
    return Problem(field=_FIELD, code="AccountNotReachable", message=message)


def _is_limited(found: Json) -> bool:
    access = (found.get("networkProfile") or {}).get("accountAccess") or {}
    is_public = names.same(found.get("publicNetworkAccess", "Enabled"), "Enabled")
    return not is_public or names.same(access.get("defaultAction", "Allow"), "Deny")


def _refusal(services: Services, endpoint: str) -> str | None:
    from azure.core.exceptions import HttpResponseError, ServiceRequestError

    try:
        sdk.listed(services.azure.batch_service(endpoint).list_supported_images)
    except HttpResponseError as error:
        if error.status_code != 403:
            raise
        return "HTTP 403"
    except ServiceRequestError as error:  # its name leads nowhere outside of the network
        return str(error.message)
    return None
