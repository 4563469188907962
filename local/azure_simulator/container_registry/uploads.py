"""Uploaded build contexts: the address to put an archive at, and what was put there.

Only what a build asks for is kept: the archive's digest and the names in it.
"""

from __future__ import annotations

import hashlib
import io
import tarfile

from local.azure_simulator import arm, context, model, store, times
from local.azure_simulator.container_registry import registries

TYPE = "simulator.buildSource"
_PATH = "/_registry/sources/{source}"
_NAMES_MAX = 2000


def register(azure: context.Azure) -> None:
    path = arm.path_of(registries.TYPE) + "/listBuildSourceUploadUrl"
    azure.route("POST", path, list_upload_url)
    azure.route("PUT", _PATH, put, plane=model.OPEN, operation="registries.upload")


def list_upload_url(azure: context.Azure, request: model.Request) -> model.Response:
    """`{uploadUrl, relativePath}`: a signed URL for one archive, and its name for scheduleRun."""
    registry = arm.require(azure, request.resource_id.rpartition("/")[0])
    identifier = azure.new_guid("source", registry.key)
    relative_path = f"tasks-source/{times.moment(azure.now):%Y%m%d%H%M}/{identifier}.tar.gz"
    azure.store.add(
        store.Resource(
            id=f"/simulator/sources/{identifier}",
            type=TYPE,
            document={"relativePath": relative_path, "registry": registry.id, "digest": ""},
        )
    )
    signature = azure.digest("signature", identifier).hex()
    url = f"{request.base_url}/_registry/sources/{identifier}?sv=2024-11-04&sp=cw&sig={signature}"
    return model.json_response(200, {"uploadUrl": url, "relativePath": relative_path})


def put(azure: context.Azure, request: model.Request) -> model.Response:
    """A block blob in one request, as Azure Storage takes it; 201."""
    source = azure.store.find(f"/simulator/sources/{request.parameters['source']}")
    if source is None or "sig" not in request.query:
        message = "Server failed to authenticate the request."
        model.refuse(403, "AuthenticationFailed", message)
    if request.headers.get("x-ms-blob-type", "").lower() != "blockblob":
        message = "An HTTP header that's mandatory for this request is not specified."
        model.refuse(400, "MissingRequiredHeader", message, target="x-ms-blob-type")
    source.document["digest"] = hashlib.sha256(request.body).hexdigest()
    source.document["names"] = _names(request.body)
    headers = {
        "ETag": f'"0x{source.document["digest"][:15].upper()}"',
        "Last-Modified": times.moment(azure.now).strftime("%a, %d %b %Y %H:%M:%S GMT"),
        "x-ms-request-server-encrypted": "true",
    }
    return model.empty_response(201, headers)


def find(azure: context.Azure, registry: store.Resource, path: str) -> store.Resource | None:
    """The context that was really uploaded under this relative path for this registry."""
    for source in azure.store.of_type(TYPE):
        document = source.document
        if document["relativePath"] == path and document["registry"] == registry.id:
            return source if document["digest"] else None
    return None


def _names(archive: bytes) -> list[str] | None:
    """Names of the files in a tar.gz, without a leading `./`; None if it is none."""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as opened:
            names = [member.name.removeprefix("./") for member in opened.getmembers()]
    except (tarfile.TarError, OSError, EOFError):
        return None
    return names[:_NAMES_MAX]
