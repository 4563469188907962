"""Quick builds: scheduleRun answers at once, the run goes Queued, Running, Succeeded or Failed.

A build fails, as HTTP 200 with `status` Failed and `runErrorMessage`, when its source cannot be
read: an upload that never came, no archive, no Dockerfile in it, or a git host that cannot exist
(RFC 2606: names under `.invalid`). In a registry with repository roles it cannot push, unless the
request says that it logs in as its caller, who has a role with which one pushes.
"""

from __future__ import annotations

import re
from urllib import parse

from local.azure_simulator import arm, context, durations, model, store, times, tokens
from local.azure_simulator.container_registry import image_names, pulls, registries, uploads

TYPE = "simulator.registryRun"
TIMEOUT_SECONDS = (300, 28_800)  # documented: 5 minutes to 8 hours
_BODY = {
    "type": str,
    "imageNames": [str],
    "isPushEnabled": bool,
    "dockerFilePath": str,
    "sourceLocation": str,
    "platform": {"os": str, "architecture": str},
    "timeout": int,
    "agentConfiguration": dict,
    "arguments": [{"name": str, "value": str, "isSecret": bool}],
    "credentials": {"sourceRegistry": {"identity": str, "loginMode": str}},
}
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_REMOTE = re.compile(r"(https?://|git@|oci://)", re.IGNORECASE)
_FINAL = frozenset({"Succeeded", "Failed", "Canceled", "Error", "Timeout"})
ROWS = {
    "runs.queue": durations.Duration(typical=8, source="estimate: an agent is found"),
    "runs.build": durations.Duration(typical=120, source="estimate, of a small image"),
}


def register(azure: context.Azure) -> None:
    azure.durations.add(ROWS)
    registry, run = arm.path_of(registries.TYPE), arm.path_of(registries.TYPE) + "/runs/{run}"
    azure.route("POST", registry + "/scheduleRun", schedule, operation="registries.scheduleRun")
    azure.route("GET", registry + "/runs", list_runs)
    azure.route("GET", run, get)
    azure.route("POST", run + "/listLogSasUrl", list_log_url)
    azure.route("POST", run + "/cancel", cancel)
    for method in ("GET", "HEAD"):
        azure.route(method, "/_registry/logs/{log}", get_log, plane=model.OPEN)
    azure.on(TYPE, "start", _start)
    azure.on(TYPE, "finish", _finish)


def schedule(azure: context.Azure, request: model.Request) -> model.Response:
    """200 with the run: `status` Queued, `provisioningState` Succeeded."""
    registry = arm.require(azure, request.resource_id.rpartition("/")[0])
    body = request.json(_BODY)
    _check(registry, body)
    number = azure.store.count(f"runs|{registry.key}")
    run_id = f"cb{number}"
    run = store.Resource(
        id=f"{registry.id}/runs/{run_id}",
        type=TYPE,
        document={
            "id": f"{registry.id}/runs/{run_id}",
            "name": run_id,
            "type": f"{registries.TYPE}/runs",
            "properties": {
                "runId": run_id,
                "status": "Queued",
                "lastUpdatedTime": times.zulu(azure.now),
                "runType": "QuickBuild",
                "createTime": times.zulu(azure.now),
                "platform": body["platform"],
                "agentConfiguration": body.get("agentConfiguration") or {"cpu": 2},
                "provisioningState": "Succeeded",
                "isArchiveEnabled": bool(body.get("isArchiveEnabled")),
            },
        },
        state={
            "body": body,
            "log": "",
            "key": azure.new_guid("log", registry.key),
            "caller": tokens.caller(azure, request),
        },
    )
    azure.store.add(run)
    azure.schedule(run, "start", azure.duration("runs.queue", run))
    return model.json_response(200, run.document)


def list_runs(azure: context.Azure, request: model.Request) -> model.Response:
    registry = arm.require(azure, request.resource_id.rpartition("/")[0])
    return arm.page(azure, request, azure.store.children(registry.id, TYPE))


def get(azure: context.Azure, request: model.Request) -> model.Response:
    return model.json_response(200, arm.require(azure, request.resource_id).document)


def list_log_url(azure: context.Azure, request: model.Request) -> model.Response:
    run = arm.require(azure, request.resource_id.rpartition("/")[0])
    signature = azure.digest("signature", run.key).hex()
    url = f"{request.base_url}/_registry/logs/{run.state['key']}?sv=2024-11-04&sig={signature}"
    return model.json_response(200, {"logLink": url})


def get_log(azure: context.Azure, request: model.Request) -> model.Response:
    """What the signed URL yields, without credentials: an append blob of text, or a part of it.

    Its metadata say when it is complete.
    """
    for run in azure.store.of_type(TYPE):
        if run.state["key"] == request.parameters["log"] and "sig" in request.query:
            return _blob(azure, request, run)
    raise model.Refusal(404, "BlobNotFound", "The specified blob does not exist.")


def _blob(azure: context.Azure, request: model.Request, run: store.Resource) -> model.Response:
    content: bytes = run.state["log"].encode()
    headers = {
        "Content-Type": "text/plain; charset=utf-8",
        "ETag": f'"0x{len(content):X}"',
        "Last-Modified": times.http_date(azure.now),
        "x-ms-blob-type": "AppendBlob",
    }
    if run.properties["status"] in _FINAL:
        is_good = run.properties["status"] == "Succeeded"
        headers["x-ms-meta-Complete"] = "successful" if is_good else "failed"
    if request.method == "HEAD":
        return model.Response(status=200, headers={**headers, "Content-Length": f"{len(content)}"})
    asked = _RANGE.fullmatch(request.headers.get("x-ms-range", ""))
    if asked is None:
        return model.Response(status=200, headers=headers, body=content)
    first, end = int(asked[1]), min(int(asked[2] or len(content)) + 1, len(content))
    if first >= len(content):
        message = "The range specified is invalid for the current size of the resource."
        raise model.Refusal(416, "InvalidRange", message)
    headers["Content-Range"] = f"bytes {first}-{end - 1}/{len(content)}"
    return model.Response(status=206, headers=headers, body=content[first:end])


def cancel(azure: context.Azure, request: model.Request) -> model.Response:
    run = arm.require(azure, request.resource_id.rpartition("/")[0])
    if run.properties["status"] not in _FINAL:
        run.cancel()
        _end(azure, run, "Canceled", "")
    return model.empty_response(200)


def _check(registry: store.Resource, body: model.JsonObject) -> None:
    if not registries.is_ready(registry):
        model.refuse(409, "RegistryNotReady", f"The registry {registry.name} is not ready.")
    problem = _request_problem(registry, body)
    if problem:
        model.refuse(400, "InvalidRunRequest", problem)


def _request_problem(registry: store.Resource, body: model.JsonObject) -> str:
    if body.get("type") != "DockerBuildRequest":
        return f"Run requests of type '{body.get('type')}' are not available here."
    for field in ("dockerFilePath", "sourceLocation", "platform"):
        if not body.get(field):
            return f"The property '{field}' is required."
    if not body["platform"].get("os"):
        return "The property 'platform.os' is required."
    shortest, longest = TIMEOUT_SECONDS
    if not shortest <= body.get("timeout", shortest) <= longest:
        return f"The timeout must be between {shortest} and {longest} seconds."
    is_pushed = body.get("isPushEnabled", True)
    if is_pushed and None in _image_names(registry, body, "run"):
        return "An image name is no valid reference."
    return ""


def _image_names(
    registry: store.Resource, body: model.JsonObject, run_id: str
) -> list[image_names.ImageName | None]:
    """The images to push, below the registry; None for each name that is no reference."""
    found: list[image_names.ImageName | None] = []
    for text in body.get("imageNames") or []:
        server = registry.properties["loginServer"]
        name = text.replace("{{.Run.ID}}", run_id).removeprefix(f"{server}/")
        try:
            found.append(image_names.parse(f"{server}/{name}"))
        except image_names.BadReferenceError:
            found.append(None)
    return found


def _start(
    azure: context.Azure,
    run: store.Resource,
    data: model.JsonObject,  # noqa: ARG001
) -> None:
    run.properties["status"] = "Running"
    run.properties["startTime"] = run.properties["lastUpdatedTime"] = times.zulu(azure.now)
    seconds = azure.duration("runs.build", run)
    timeout = run.state["body"].get("timeout", 3600)
    outcome = {"status": "Timeout" if seconds > timeout else ""}
    azure.schedule(run, "finish", min(seconds, timeout), outcome)


def _finish(azure: context.Azure, run: store.Resource, data: model.JsonObject) -> None:
    registry = azure.store.find(run.id.rpartition("/runs/")[0])
    if registry is None:
        return
    fault = azure.faults.failure("runs.build", run)
    problem = fault["message"] if fault else _source_problem(azure, registry, run.state["body"])
    problem = problem or _push_problem(azure, registry, run)
    if data["status"]:
        _end(azure, run, data["status"], "The run exceeded its time-out.")
    elif problem:
        _end(azure, run, "Failed", problem)
    else:
        _push(azure, registry, run)
        _end(azure, run, "Succeeded", "")


def _end(azure: context.Azure, run: store.Resource, status: str, problem: str) -> None:
    properties = run.properties
    properties["status"] = status
    properties["finishTime"] = properties["lastUpdatedTime"] = times.zulu(azure.now)
    if problem:
        properties["runErrorMessage"] = problem
    pushed = [f"Successfully pushed image: {_shown(i)}" for i in properties.get("outputImages", [])]
    lines = [
        "Downloading source code...",
        *pushed,
        *([f"failed to run step ID: build: {problem}"] if problem else []),
        f"Run ID: {properties['runId']} {status.lower()}",
    ]
    run.state["log"] = "".join(f"{line}\r\n" for line in lines)


def _push(azure: context.Azure, registry: store.Resource, run: store.Resource) -> None:
    body = run.state["body"]
    if not body.get("isPushEnabled", True):
        return
    digest = image_names.made_up_digest(azure.digest("image", run.key).hex())
    outputs = []
    for name in _image_names(registry, body, run.name):
        if name is not None:
            registries.push(azure, registry, name.repository, name.tag, digest)
            outputs.append(
                {
                    "registry": registry.properties["loginServer"],
                    "repository": name.repository,
                    "tag": name.tag,
                    "digest": digest,
                }
            )
    run.properties["outputImages"] = outputs


def _shown(image: model.JsonObject) -> str:
    return f"{image['registry']}/{image['repository']}:{image['tag']} {image['digest']}"


def _push_problem(azure: context.Azure, registry: store.Resource, run: store.Resource) -> str:
    """Why the run may not push; "" if it may."""
    body = run.state["body"]
    if not body.get("isPushEnabled", True) or not pulls.has_repository_roles(registry):
        return ""
    source = (body.get("credentials") or {}).get("sourceRegistry") or {}
    is_caller = source.get("identity") == "[caller]"
    if is_caller and pulls.may_push(azure, registry, run.state.get("caller", "")):
        return ""
    server = registry.properties["loginServer"]
    return (
        f"failed to push images: unauthorized: authentication required for {server}, visit "
        "https://aka.ms/acr/authorization for more information."
    )


def _source_problem(azure: context.Azure, registry: store.Resource, body: model.JsonObject) -> str:
    """Why the source cannot be built; "" if it can."""
    location = str(body["sourceLocation"])
    if _REMOTE.match(location):
        host = parse.urlsplit(location).hostname or ""
        if host.endswith(".invalid"):
            return f"failed to download source: could not resolve host: {host}"
        return ""
    source = uploads.find(azure, registry, location)
    if source is None:
        return "failed to download source: the specified blob does not exist."
    names = source.document["names"]
    if names is None:
        return "failed to download source: the context is not a gzip-compressed tar archive."
    if str(body["dockerFilePath"]).removeprefix("./") not in names:
        return f"unable to evaluate symlinks in Dockerfile path: {body['dockerFilePath']}"
    return ""
