"""The two faces of Batch: routes of Resource Manager, and the data plane of each account.

On Azure an account's data plane has a host of its own, `account.region.batch.azure.com`: two
accounts of one name are in two regions. Here it lies below `/{account.region}` at the simulator's
address, and `accountEndpoint` says so: `HOST/account.region`, without a scheme as on Azure.
"""

from __future__ import annotations

from collections.abc import Callable

from local.azure_simulator import context, model, store, times
from local.azure_simulator.batch import problems
from local.azure_simulator.data import locations

ACCOUNT_TYPE = "Microsoft.Batch/batchAccounts"
POOL_TYPE = "Microsoft.Batch/batchAccounts/pools"
# Recorded and in the SDK: the scope is https://batch.core.windows.net//.default.
DATA_PLANE_AUDIENCES = frozenset({"batch.core.windows.net"})

_CODES = {model.INVALID_CONTENT: "InvalidRequestBody"}
"""The data plane's codes for what Resource Manager names otherwise."""

DataHandler = Callable[["context.Azure", model.Request, store.Resource], model.Response]
"""A handler of the data plane: also gets the account that the path names."""


class DataPlane:
    """Registers routes below `/{account.region}` and gives their answers Batch's headers and
    envelope.
    """

    def __init__(self, azure: context.Azure) -> None:
        self._azure = azure
        self._plane = model.Plane(
            name="batch",
            audiences=DATA_PLANE_AUDIENCES,
            api_version_required=True,
            render=self._render,
        )

    def route(self, method: str, path: str, handler: DataHandler, *, operation: str = "") -> None:
        """Answer `method /{account.region}path`; `operation` names it for faults."""

        def serve(azure: context.Azure, request: model.Request) -> model.Response:
            account = find_account(azure, request.parameters["host"])
            _check_open(account)
            response = handler(azure, request, account)
            return response.with_headers({"request-id": _request_id(azure)})

        self._azure.route(method, "/{host}" + path, serve, plane=self._plane, operation=operation)

    def _render(self, refusal: model.Refusal, request: model.Request) -> model.JsonObject:
        # The service has one code for every token it does not take.
        code = _CODES.get(refusal.code, refusal.code)
        code = "AuthenticationFailed" if refusal.status == 401 else code
        host = request.path.split("/")[1]
        element = "Microsoft.Azure.Batch.Protocol.Entities.Container.errors/@Element"
        body: model.JsonObject = {
            "odata.metadata": f"{request.base_url}/{host}/$metadata#{element}",
            "code": code,
            "message": {"lang": "en-US", "value": _stamped(self._azure, refusal.message)},
        }
        if refusal.details:
            values = [{"key": item["code"], "value": item["message"]} for item in refusal.details]
            body["values"] = values
        return body


def stamping(handler: context.Handler) -> context.Handler:
    """The handler of a Resource Manager route whose refusals carry RequestId and Time."""

    def serve(azure: context.Azure, request: model.Request) -> model.Response:
        try:
            return handler(azure, request)
        except model.Refusal as refusal:
            if refusal.target == problems.TARGET:
                refusal.message = _stamped(azure, refusal.message)
            raise

    return serve


def find_account(azure: context.Azure, host: str) -> store.Resource:
    """The account whose data plane is meant; 404 where its host name would not resolve."""
    for account in azure.store.of_type(ACCOUNT_TYPE):
        if data_plane_host(account) == host.lower():
            if account.properties["provisioningState"] == "Succeeded":
                return account
            break
    raise problems.not_found("Account", "The specified Batch account does not exist.")


def _check_open(account: store.Resource) -> None:
    """Callers have Entra tokens, and come from the public network. The status is Azure's; the code
    of the first refusal is an estimate.
    """
    if account.properties["publicNetworkAccess"] != "Enabled":
        message = "Public network access is disabled for this account."
        raise model.Refusal(403, "AuthorizationFailure", message)
    if "AAD" not in account.properties["allowedAuthenticationModes"]:
        message = "The account does not allow authentication with Microsoft Entra tokens."
        raise model.Refusal(401, "AuthenticationFailed", message)


def endpoint(request: model.Request, account: store.Resource) -> str:
    """`accountEndpoint` as the caller can reach it: through the host that was asked."""
    return f"{request.host}/{data_plane_host(account)}"


def data_plane_host(account: store.Resource) -> str:
    """The part of the account's host name that no other account has. An account of a stored state
    from before these names had a region keeps its own: builds under way know it.
    """
    return str(account.state.get("dataPlane", account.name.lower()))


def host_name(account: store.Resource) -> str:
    """The same for a new account."""
    return f"{account.name.lower()}.{locations.canonical(account.location)}"


def service_url(request: model.Request, path: str) -> str:
    """Absolute URL below the data plane that the request came to."""
    host = request.path.split("/")[1]
    return f"{request.base_url}/{host}/{path}"


def _stamped(azure: context.Azure, message: str) -> str:
    return f"{message}\nRequestId:{_request_id(azure)}\nTime:{times.zulu(azure.now)}"


def _request_id(azure: context.Azure) -> str:
    return azure.new_guid("batch", "request")
