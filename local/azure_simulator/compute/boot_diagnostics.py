"""Boot diagnostics with managed storage: signed URLs, served here, read without credentials."""

from __future__ import annotations

import hashlib
from urllib import parse

from local.azure_simulator import arm, context, model, resource_ids, store, times
from local.azure_simulator.compute import placement, power

_PATH = "/_storage/bootdiagnostics/{vm}/{file}"
_LINK_MINUTES = 120
"""Default lifetime of the links."""


def register(azure: context.Azure) -> None:
    path = arm.path_of(placement.VM_TYPE) + "/retrieveBootDiagnosticsData"
    azure.route("POST", path, retrieve)
    azure.route("GET", _PATH, serve, plane=model.OPEN)


def retrieve(azure: context.Azure, request: model.Request) -> model.Response:
    vm = arm.require(azure, resource_ids.without_action(request.resource_id))
    profile = (vm.properties.get("diagnosticsProfile") or {}).get("bootDiagnostics") or {}
    if not profile.get("enabled"):
        message = f"Boot diagnostics is not enabled on VM '{vm.name}'."
        model.refuse(409, "OperationNotAllowed", message)
    minutes = request.number("sasUriExpirationTimeInMinutes", _LINK_MINUTES)
    expires = times.zulu(azure.now + 60 * minutes)
    return model.json_response(
        200,
        {
            "consoleScreenshotBlobUri": _link(request, vm, "screenshot.bmp", expires),
            "serialConsoleLogBlobUri": _link(request, vm, "serialconsole.log", expires),
        },
    )


def serve(azure: context.Azure, request: model.Request) -> model.Response:
    """The serial console's text; 403 for a wrong or expired signature, 404 for a lost machine."""
    name = request.parameters["vm"]
    expires = request.query.get("se", "")
    file = request.parameters["file"]
    if request.query.get("sig") != _signature(name, file, expires) or expires < times.zulu(
        azure.now
    ):
        message = "Server failed to authenticate the request. Signature did not match."
        model.refuse(403, "AuthenticationFailed", message)
    vms = azure.store.of_type(placement.VM_TYPE)
    vm = next((item for item in vms if item.properties["vmId"] == name), None)
    if vm is None:
        model.refuse(404, "BlobNotFound", "The specified blob does not exist.")
    power.look_inside(azure, vm)
    lines = vm.state["console"] if file.endswith(".log") else []
    body = "".join(f"{line}\r\n" for line in lines).encode()
    return model.Response(status=200, headers={"Content-Type": "text/plain"}, body=body)


def _link(request: model.Request, vm: store.Resource, file: str, expires: str) -> str:
    name = vm.properties["vmId"]
    query = {"sv": "2024-11-04", "se": expires, "sr": "b", "sp": "r"}
    query["sig"] = _signature(name, file, expires)
    path = _PATH.format(vm=name, file=file)
    return f"{request.base_url}{path}?{parse.urlencode(query)}"


def _signature(name: str, file: str, expires: str) -> str:
    return hashlib.sha256(f"{name}|{file}|{expires}".encode()).hexdigest()
