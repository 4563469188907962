"""Generated requests over every field of every route: each is answered in JSON, none with a 5xx.

HOSTILE_REQUESTS is their number; the same number makes the same requests.
"""

from __future__ import annotations

import base64
import copy
import json
import os
import random
import string
from collections.abc import Iterator
from typing import Any

from tests.stories.test_every_answer import send
from tests.world import World, a_pool, a_request, an_image, world_after
from triggers.routes import ROUTES, UNKNOWN, Route

Json = dict[str, Any]
COUNT = int(os.environ.get("HOSTILE_REQUESTS", "300"))
SUBNET = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images/providers"
    "/Microsoft.Network/virtualNetworks/n/subnets/s"
)
IDENTITY = (
    "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/images/providers"
    "/Microsoft.ManagedIdentity/userAssignedIdentities/i"
)
# A value for every field, so that each can be replaced by something hostile.
IMAGE = an_image(
    gallery="g", name="n", version="1.0.0", os="ubuntu", osVersion="24.04", gpu=False, zones=["1"],
    driverVersion="580.1", containerToolkitVersion="1.1.1", dockerVersion="29.1.1",
    builderVmSize="Standard_D2s_v5", builderVmSizes=[], securityType="Standard", spot=False,
    managedImage=False, outbound={"subnetId": SUBNET}, sshPublicKey="ssh-rsa AAAA", force=False,
    containerImages=["busybox"], targetRegions=[{"name": "westeurope", "replicas": 1}],
    registry={
        "name": "myregistry",
        "build": {"source": "https://h/p.git", "image": "a:1", "overwriteTag": True},
    },
    osDiskSizeGiB=64, keepVm=False, id=None, identity=IDENTITY,
    steps=[
        {
            "name": "tools", "inline": "true", "when": "after-docker", "environment": {"A": "a"},
            "secrets": {"TOKEN": "https://team.vault.azure.net/secrets/t"}, "timeoutMinutes": 5,
            "exitCodes": [0, 3], "restart": True, "elevated": True,
        },
        {"name": "more", "url": "https://h/p.sh", "sha256": "a" * 64},
        {
            "name": "files", "upload": f"contexts/{'a' * 32}.tar.gz", "run": "a.sh",
            "destination": "/opt/a",
        },
    ],
)  # fmt: skip
POOL = a_pool(
    "dev", vmSizes=[], lowPriorityNodes=0, autoscaleFormula="$x=1;", taskSlotsPerNode=1,
    image="latest", verify=True, ifExists="update", subnetId=SUBNET, ttlHours=1,
    startTask={
        "commandLine": "true",
        "userIdentity": {"userName": "worker"},
        "environmentSettings": [{"name": "A", "value": "a"}],
        "resourceFiles": [
            {
                "storageContainerUrl": "https://a.blob.core.windows.net/c", "blobPrefix": "a",
                "filePath": "d", "fileMode": "0755", "identityReference": {"resourceId": IDENTITY},
            }
        ],
        "maxTaskRetryCount": 1, "waitForSuccess": True,
    },
    userAccounts=[
        {
            "name": "worker", "elevationLevel": "Admin",
            "linuxUserConfiguration": {"uid": 2000, "gid": 2000},
        }
    ],
    applicationPackages=[{"id": "tool", "version": "1.0"}], displayName="d",
    metadata=[{"name": "a", "value": "b"}], tags={"a": "b"},
    identity={"type": "UserAssigned", "userAssignedIdentities": {IDENTITY: {}}},
    containerConfiguration={
        "containerImageNames": ["busybox"],
        "containerRegistries": [
            {"registryServer": "a.azurecr.io", "identityReference": {"resourceId": IDENTITY}}
        ],
    },
    autoscale={
        "preset": "offHours", "nodes": 1, "lowPriorityNodes": 0, "fromHour": 8, "toHour": 18,
        "weekdaysOnly": True, "utcOffsetMinutes": 60,
    },
    taskSchedulingPolicy={"nodeFillType": "Spread"}, autoscaleEvaluationInterval="PT30M",
    mountConfiguration=[
        {
            "azureBlobFileSystemConfiguration": {
                "accountName": "team", "containerName": "data", "relativeMountPath": "data",
                "blobfuseOptions": "-o ro", "identityReference": {"resourceId": IDENTITY},
            }
        },
        {
            "nfsMountConfiguration": {
                "source": "a:/b", "relativeMountPath": "b", "mountOptions": "-o vers=4",
            }
        },
    ],
    publicIPAddressConfiguration={
        "provision": "UserManaged",
        "ipAddressIds": [SUBNET.replace("virtualNetworks/n/subnets/s", "publicIPAddresses/a")],
    },
    endpointConfiguration={
        "inboundNatPools": [
            {
                "name": "ssh", "protocol": "TCP", "backendPort": 22,
                "frontendPortRangeStart": 1000, "frontendPortRangeEnd": 1100,
                "networkSecurityGroupRules": [
                    {
                        "priority": 150, "access": "Allow", "sourceAddressPrefix": "10.0.0.0/8",
                        "sourcePortRanges": ["*"],
                    }
                ],
            }
        ]
    },
    enableAcceleratedNetworking=True,
    osDisk={
        "caching": "ReadOnly", "diskSizeGB": 128,
        "managedDisk": {"storageAccountType": "Premium_LRS"},
        "ephemeralOSDiskSettings": {"placement": "CacheDisk"},
    },
    dataDisks=[
        {
            "lun": 0, "diskSizeGB": 8, "caching": "None",
            "managedDisk": {"storageAccountType": "StandardSSD_LRS"},
        }
    ],
    securityProfile={"encryptionAtHost": True},
    nodePlacementConfiguration={"policy": "Zonal"},
    nodeDeallocationOption="Requeue", resizeTimeout="PT30M",
    checks=[{"image": "busybox", "command": "true", "exitCode": 0}],
)  # fmt: skip
BODIES: dict[str, Json] = {
    "Build": a_request(image=IMAGE, pools=[POOL]),
    "PoolMessage": {"requestId": "q", "batchAccount": {"name": "acc"}, "image": {}, "pool": POOL},
    "Recipe": {
        "name": "weekly",
        "enabled": True,
        "request": {"mode": "image-only", "image": IMAGE},
    },
    "Resize": {"nodes": 1, "lowPriorityNodes": 0},
    "ImageChange": {"excludeFromLatest": True},
}
TEXTS = [
    "", " ", "\0", "a\0b", "..", "../../x", "%00", "%2e%2e", "'", '"', "'; drop table x; --",
    "`id`",
    "$(id)", "\r\nSet-Cookie: a=b", "\u202e", "\ud83d\ude00" * 300, "ä" * 70, "x" * 9000, "null",
    "true", "-1", "1e999", "NaN", "{}", "[]", "latest", "https://u:p@h/x.git", "//", "\\", "#?&=",
    "١٢٣", "İ", "ﬁ", "\ufeff", "A" * 255 + ":", SUBNET + "/..", "/subscriptions//resourceGroups//",
]  # fmt: skip
VALUES: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**200, 1.5, -0.0, 1e308, [], {}, [None], [[]], [{}],
    {"a": 1}, {"": ""}, [1] * 1001, {"id": {"id": {"id": {}}}},
]  # fmt: skip


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Where something can be replaced."""
    if path:
        yield path
    inside = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value if isinstance(value, list) else [])
    )
    for key, each in inside:
        yield from places(each, (*path, key))


def hostile(dice: random.Random) -> Any:
    """Some value that no sensible caller sends."""
    kind = dice.randrange(4)
    if kind == 0:
        return "".join(
            dice.choices(string.printable + "äß\u0000\u2028\U0001f600", k=dice.randrange(40))
        )
    # A copy: a value that was put into itself would be no JSON any more.
    return copy.deepcopy(dice.choice(TEXTS if kind < 3 else VALUES))


def spoilt(dice: random.Random, body: Json) -> Json:
    """A body with one to three of its fields replaced, removed or doubled under another name."""
    body = copy.deepcopy(body)
    for _ in range(dice.randrange(1, 4)):
        found = list(places(body))
        if not found:  # an earlier change left nothing
            break
        *way, last = dice.choice(found)
        holder: Any = body
        try:
            for step in way:
                holder = holder[step]
            match dice.randrange(6):
                case 0:
                    del holder[last]
                case 1 if isinstance(holder, dict):
                    holder[str(hostile(dice))] = holder[last]
                case _:
                    holder[last] = hostile(dice)
        except (KeyError, IndexError, TypeError):  # gone with an earlier change
            continue
    return body


def raw(dice: random.Random, body: Json) -> bytes:
    """Bytes that may be no JSON any more."""
    data = bytearray(json.dumps(body).encode())
    match dice.randrange(5):
        case 0:
            data = data[: dice.randrange(len(data))]
        case 1:
            data[dice.randrange(len(data))] = dice.randrange(256)
        case 2:
            data = bytearray(base64.b64encode(data))
        case 3:
            data = bytearray(json.dumps(body).encode(dice.choice(["utf-16", "utf-32", "utf-7"])))
    return bytes(data)


def ask(world: World, dice: random.Random, route: Route) -> tuple[int, str, Any]:
    """One request; its status, media type and document."""
    body: object = b""
    if route.body is not None:
        spoilt_body = spoilt(dice, BODIES[route.body])
        body = raw(dice, spoilt_body) if dice.random() < 0.3 else spoilt_body
    elif route.uploads is not None:
        body = dice.randbytes(dice.randrange(100))
    names = [part[1:-1].strip("*") for part in route.path.split("/") if part.startswith("{")]
    known = {"id": "b1", "account": "mybatch12345", "pool": "dev", "version": "latest"}
    params = {n: known.get(n, n) if dice.random() < 0.3 else str(hostile(dice)) for n in names}
    queries = ("resourceGroup", "account", "limit", "after", "state", "mode", "what", "x")
    query = {n: str(hostile(dice)) for n in queries if dice.random() < 0.3}
    method = route.method or dice.choice(["GET", "PUT", "TRACE", "HEAD", "Ä"])
    path = params.get("path")
    response = send(world, route, body, path, params=params, query=query, method=method)
    return response.status_code, response.mimetype, json.loads(response.get_body())


def test_no_request_breaks_the_app() -> None:
    """Every one gets a JSON document; a refusal has a code and a message."""
    dice = random.Random(COUNT)
    fresh = world_after(a_request())
    fresh.sweep()
    world = fresh.copy()
    bad = []
    for number in range(COUNT):
        if number % 50 == 0:  # what was accepted is not carried out
            world = fresh.copy()
        route = dice.choice([*ROUTES, UNKNOWN])
        status, media, document = ask(world, dice, route)
        error = document.get("error") if status >= 400 else {"code": "-", "message": "-"}
        if status >= 500 or media != "application/json" or not (error["code"] and error["message"]):
            bad.append((number, route.name, status, document))
    assert bad == []
