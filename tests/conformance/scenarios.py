"""What any running app must do, over HTTP and storage alone: one function a scenario.

A scenario raises AssertionError where the app does something else. All run side by side, most on an
image that `cpu_image` builds once. Those of `stress` need more than an app: they kill it.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from typing import Any

from tests.conformance.app import App

Json = dict[str, Any]
GROUP = "conformance"
_IMAGE = {"resourceGroup": GROUP, "location": "swedencentral"}
_ACCOUNT = {"name": "conformance12345", "resourceGroup": GROUP}
_CPU_IMAGE = {**_IMAGE, "name": "cpu"}
_SWEEP_MINUTES = 5
_KEPT_MINUTES = 540  # KEEP_HOURS is 8 unless somebody sets it
_BUSYBOX = "docker.io/library/busybox:1.36"
_made: dict[str, str] = {}  # the build of the CPU image, by the app's URL
_making = threading.Lock()
# A sweep gives up every failed build whose time is over, also one that another scenario is about to
# resume: with a short KEEP_HOURS, that time can be over as soon as the build has failed.
_sweeping = threading.Lock()


def cpu_image(app: App) -> Json:
    """The image that most scenarios make pools from; built once for each app."""
    with _making:
        if app.url not in _made:
            _made[app.url] = app.start({"mode": "image-only", "image": _CPU_IMAGE})
    succeeded(app, _made[app.url])
    return _CPU_IMAGE


def succeeded(app: App, build: str) -> Json:
    """The document of the build once it has succeeded and left nothing behind."""
    shown = app.ended(build)
    told = (shown["state"], shown.get("error"), shown.get("leftovers"))
    assert told == ("succeeded", None, []), f"{build} ended as {told}"
    return shown


def a_pool(pool: str, **more: Any) -> Json:
    """A pool of one small node."""
    return {"id": pool, "vmSize": "Standard_D2s_v5", "nodes": 1, **more}


def pools_only(*pools: Json) -> Json:
    """A request for pools of the CPU image."""
    request: Json = {"mode": "batch-only", "image": _CPU_IMAGE}
    return {**request, "batchAccount": _ACCOUNT, "pools": list(pools)}


# -------------------------------------------------------------------------------------------------
# Builds


def full_build_with_three_pools(app: App) -> None:
    """The main job: a GPU image with a preloaded image, and three pools that are verified."""
    image = {**_IMAGE, "name": "gpu", "gpu": True, "containerImages": [_BUSYBOX]}
    pool = {"vmSize": "Standard_NC4as_T4_v3", "verify": True}
    pools = [{"id": f"gpu{n}", "nodes": n, **pool} for n in (1, 2, 4)]
    request: Json = {"requestId": uuid.uuid4().hex, "image": image}
    request |= {"batchAccount": _ACCOUNT, "pools": pools}
    build = app.start(request)
    assert app.start(request) == build, "the same request is the same build"
    other = app.ask("POST", "/api/builds", {**request, "pools": pools[:1]}, 409)
    assert other["error"]["code"] == "RequestIdUsed", other

    shown = succeeded(app, build)

    assert [p["state"] for p in shown["pools"]] == ["ready"] * 3
    assert all(step["state"] == "succeeded" for step in shown["steps"]), shown["steps"]
    assert nothing_is_left(app, build)


def twenty_pools(app: App) -> None:
    """One request, twenty pools side by side."""
    cpu_image(app)
    shown = succeeded(app, app.start(pools_only(*(a_pool(f"many{n}") for n in range(20)))))
    assert [p["state"] for p in shown["pools"]] == ["ready"] * 20


def fifty_builds(app: App) -> None:
    """Fifty requests at once become fifty pools."""
    cpu_image(app)
    builds = [app.start(pools_only(a_pool(f"fifty{n}"))) for n in range(50)]
    for build in builds:
        succeeded(app, build)


def cancel(app: App) -> None:
    """A build that is cancelled while its builder is made stops and removes it."""
    image = {**_IMAGE, "name": "cancelled"}
    build = app.start({"mode": "image-only", "image": image})
    app.until(
        lambda: app.show(build), lambda shown: "builder_vm" in {s["name"] for s in shown["steps"]}
    )
    app.ask("DELETE", f"/api/builds/{build}", status=202)
    shown = app.ended(build)
    assert (shown["state"], shown["leftovers"]) == ("cancelled", []), shown
    assert nothing_is_left(app, build)


def nothing_is_left(app: App, build: str) -> bool:
    """Whether neither the app nor its Azure knows anything temporary of the build."""
    listed = app.ask("GET", "/api/leftovers")["leftovers"]
    if [each for each in listed if each.get("buildId") == build]:
        return False
    if app.simulator is None:
        return True
    temporary = {"virtualMachines", "networkInterfaces", "disks", "natGateways", "virtualNetworks"}
    there = app.simulated("GET", "resources")
    own = [r for r in there if (r["tags"] or {}).get("batch-prep-build") == build]
    return not [r for r in own if r["type"].rpartition("/")[2] in temporary]


def resume(app: App) -> None:
    """A build whose replication failed goes on from its sealed builder."""
    with _sweeping:
        build = _failing(app, "resumed")
        failed = app.ended(build)
        assert (failed["state"], failed["resumable"]) == ("failed", True), failed
        app.ask("POST", f"/api/builds/{build}/resume", status=202)
    installed = _step(failed, "install")
    shown = succeeded(app, build)

    assert _step(shown, "install") == installed, "what was done is not done again"
    assert nothing_is_left(app, build)


def _failing(app: App, name: str) -> str:
    """A build whose image version fails, once."""
    fault = {"effect": "allocation", "operation": "galleryVersions.create", "path": f"/{name}/"}
    app.simulated("POST", "faults", {**fault, "code": "ReplicationJobFailed", "message": "No."})
    return app.start({"mode": "image-only", "image": {**_IMAGE, "name": name}})


def _step(shown: Json, name: str) -> Json:
    (found,) = [step for step in shown["steps"] if step["name"] == name]
    return dict(found)


# -------------------------------------------------------------------------------------------------
# Queue


def queue(app: App) -> None:
    """A right message becomes a pool, a wrong one a record with its reasons; none is lost."""
    cpu_image(app)
    name = uuid.uuid4().hex
    request = {"requestId": name, "batchAccount": _ACCOUNT, "image": _CPU_IMAGE}
    plain = json.dumps({**request, "pool": a_pool(f"plain-{name[:8]}")})
    other = json.dumps({**request, "requestId": f"{name}-2", "pool": a_pool(f"base64-{name[:8]}")})
    wrong = {
        "NotJson": f"not JSON {name}",
        "UnknownField": json.dumps({**request, "pool": a_pool("p"), "colour": name}),
        "Missing": json.dumps({**request}),
        "Large": json.dumps({**request, "pool": a_pool("p", startTask=name * 1800)}),
    }
    _send(app, plain, base64.b64encode(other.encode()).decode())
    sent = dict(zip(wrong, _send(app, *wrong.values()), strict=True))

    pools = {f"plain-{name[:8]}", f"base64-{name[:8]}"}
    app.until(
        lambda: [pool["poolId"] for pool in app.ask("GET", "/api/pools?limit=1000")["pools"]],
        lambda seen: pools <= set(seen),
    )
    for pool in pools:
        assert app.ask("GET", f"/api/pools/{_ACCOUNT['name']}/{pool}")["state"] == "ready"
    refused = app.until(
        lambda: {r["messageId"]: r for r in app.ask("GET", "/api/refused")["refused"]},
        lambda seen: seen.keys() >= set(sent.values()),
        10,
    )
    for what, message in sent.items():
        assert refused[message]["problems"], f"{what} was refused without a reason"


def _send(app: App, *texts: str) -> list[str]:
    """Put messages on the queue as any program does, with the SDK's defaults; their ids."""
    from azure.storage.queue import QueueClient

    assert app.storage is not None
    with QueueClient.from_connection_string(app.storage, "pool-requests") as client:
        return [str(client.send_message(text).id) for text in texts]


# -------------------------------------------------------------------------------------------------
# Timers


def rebuild(app: App) -> None:
    """The weekly timer builds the enabled recipes."""
    name = f"weekly-{uuid.uuid4().hex[:8]}"
    request = {"mode": "image-only", "image": {**_IMAGE, "name": name}}
    app.ask("PUT", f"/api/recipes/{name}", {"enabled": True, "request": request}, 200)
    app.fire("weekly_rebuild")
    app.until(
        lambda: app.ask("GET", "/api/images?limit=1000")["images"],
        lambda images: name in {image["imageName"] for image in images},
    )
    app.ask("DELETE", f"/api/recipes/{name}", status=200)


def expiry(app: App) -> None:
    """A pool that was asked for for a while goes when that is over, with the next sweep."""
    cpu_image(app)
    pool = f"brief-{uuid.uuid4().hex[:8]}"
    succeeded(app, app.start(pools_only(a_pool(pool, ttlHours=0.4))))
    _sweep_until(
        app,
        lambda: pool not in {p["poolId"] for p in app.ask("GET", "/api/pools?limit=1000")["pools"]},
    )


def sweep(app: App) -> None:
    """What a failed build keeps for its resumption goes after its date, with the next sweep."""
    build = _failing(app, "given-up")
    assert app.ended(build)["resumable"]
    assert not nothing_is_left(app, build)
    _sweep_until(app, lambda: nothing_is_left(app, build), _KEPT_MINUTES)
    assert not app.show(build)["resumable"]


def _sweep_until(app: App, is_gone: Any, azure_minutes: float = 120) -> None:
    def look() -> bool:
        with _sweeping:
            app.fire("sweep_leftovers")
        time.sleep(_SWEEP_MINUTES * 60 / app.time_scale)
        return bool(is_gone())

    app.until(look, bool, azure_minutes)


WITH_ANY_APP = [full_build_with_three_pools, twenty_pools, cancel, queue, rebuild, expiry]
ALL = [*WITH_ANY_APP, resume, sweep, fifty_builds]  # these need the simulator, or much of Azure
