"""Requests for pools: what Azure would refuse, and every secret, is refused by name."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from shared.base.errors import Problem, RequestRefused
from shared.model import parsing, refused_fields
from shared.model.pool_request import Pool
from tests.world import CONFIG, SETTINGS

Json = dict[str, Any]
DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "requests.md"
GROUP = f"/subscriptions/{SETTINGS['AZURE_SUBSCRIPTION_ID']}/resourceGroups/team/providers"
IDENTITY = f"{GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/team"
FORMULA = "$TargetDedicatedNodes=1;"
TASK = {"commandLine": "true"}


def problems(**pool: Any) -> list[Problem]:
    """What is wrong with a pool."""
    try:
        request = {"mode": "batch-only", "requestId": "r", "pools": [{"id": "dev", **pool}]}
        parsing.parse_build(request, CONFIG)
    except RequestRefused as refused:
        return refused.problems
    return []


def a_task(**task: Any) -> Json:
    return {"startTask": {**TASK, **task}}


def a_file(**file: Any) -> Json:
    return a_task(resourceFiles=[file])


def a_variable(name: str, value: str) -> Json:
    return a_task(environmentSettings=[{"name": name, "value": value}])


def a_mount(**changes: Any) -> Json:
    mount = {"source": "files.example.org:/data", "relativeMountPath": "data", **changes}
    return {"mountConfiguration": [{"nfsMountConfiguration": mount}]}


def an_endpoint(**changes: Any) -> Json:
    ports = {"frontendPortRangeStart": 1000, "frontendPortRangeEnd": 1100}
    nat = {"name": "ssh", "protocol": "TCP", "backendPort": 22, **ports, **changes}
    return {"endpointConfiguration": {"inboundNatPools": [nat]}}


NFS = a_mount()["mountConfiguration"][0]
SUBNET = f"{GROUP}/Microsoft.Network/virtualNetworks/n/subnets/s"
URL = "https://example.org/tool"
REFUSED: dict[str, tuple[Json, str, str]] = {
    "a user who is no administrator": (
        a_task(userIdentity={"autoUser": {"scope": "pool"}}),
        "startTask.userIdentity.autoUser.elevationLevel",
        "Impossible",
    ),
    "two users": (
        a_task(userIdentity={"autoUser": {"elevationLevel": "admin"}, "userName": "worker"}),
        "startTask.userIdentity",
        "Impossible",
    ),
    "a user without an account": (
        a_task(userIdentity={"userName": "worker"}),
        "startTask.userIdentity.userName",
        "Impossible",
    ),
    "not waiting": (a_task(waitForSuccess=False), "startTask.waitForSuccess", "Impossible"),
    "a file from nowhere": (
        a_file(filePath="f"),
        "startTask.resourceFiles[0]",
        "Impossible",
    ),
    "a file without a path": (
        a_file(httpUrl=URL),
        "startTask.resourceFiles[0].filePath",
        "Missing",
    ),
    "blobs of a file": (
        a_file(httpUrl=URL, filePath="f", blobPrefix="b"),
        "startTask.resourceFiles[0].blobPrefix",
        "Impossible",
    ),
    "a path upwards": (
        a_file(httpUrl=URL, filePath="a/../../f"),
        "startTask.resourceFiles[0].filePath",
        "InvalidName",
    ),
    "a signature in a URL": (
        a_file(httpUrl=f"{URL}?sv=2024&sig=abc", filePath="f"),
        "startTask.resourceFiles[0].httpUrl",
        "SecretInUrl",
    ),
    "a user in a URL": (
        a_file(httpUrl="https://u:p@example.org/f", filePath="f"),
        "startTask.resourceFiles[0].httpUrl",
        "SecretInUrl",
    ),
    "no TLS": (
        a_file(httpUrl="http://example.org/f", filePath="f"),
        "startTask.resourceFiles[0].httpUrl",
        "InvalidValue",
    ),
    "Batch's own variable": (
        a_variable("AZ_BATCH_NODE_ID", "n"),
        "startTask.environmentSettings[0].name",
        "InvalidName",
    ),
    "a variable that is no name": (
        a_variable("A B", "n"),
        "startTask.environmentSettings[0].name",
        "InvalidName",
    ),
    "a NUL in a variable": (
        a_variable("GREETING", "a\0b"),
        "startTask.environmentSettings[0].value",
        "InvalidValue",
    ),
    "a password by its name": (
        a_variable("DB_PASSWORD", "p"),
        "startTask.environmentSettings[0].value",
        "Secret",
    ),
    "a key by its value": (
        a_variable("STORAGE", "AccountName=a;AccountKey=abc"),
        "startTask.environmentSettings[0].value",
        "Secret",
    ),
    "a variable twice": (
        a_task(environmentSettings=[{"name": "A"}, {"name": "A"}]),
        "startTask.environmentSettings",
        "Impossible",
    ),
    "root": ({"userAccounts": [{"name": "root"}]}, "userAccounts[0].name", "InvalidName"),
    "half an id": (
        {"userAccounts": [{"name": "a", "linuxUserConfiguration": {"uid": 2000}}]},
        "userAccounts[0].linuxUserConfiguration.gid",
        "Missing",
    ),
    "an account twice": (
        {"userAccounts": [{"name": "a"}, {"name": "a"}]},
        "userAccounts",
        "Impossible",
    ),
    "batch-prep's metadata": (
        {"metadata": [{"name": "Batch-Prep-build", "value": "b"}]},
        "metadata[0].name",
        "InvalidName",
    ),
    "a tag that Azure refuses": ({"tags": {"a/b": "c"}}, "tags.'a/b'", "InvalidName"),
    "no identity": (
        {"identity": {"userAssignedIdentities": {}}},
        "identity.userAssignedIdentities",
        "InvalidValue",
    ),
    "an identity of another subscription": (
        {
            "identity": {
                "userAssignedIdentities": {
                    IDENTITY.replace(SETTINGS["AZURE_SUBSCRIPTION_ID"], "other"): {}
                }
            }
        },
        "identity.userAssignedIdentities[0]",
        "OtherSubscription",
    ),
    "a registry twice": (
        {
            "containerConfiguration": {
                "containerRegistries": [
                    {"registryServer": server, "identityReference": {"resourceId": IDENTITY}}
                    for server in ("a.azurecr.io", "A.azurecr.io")
                ]
            }
        },
        "containerConfiguration.containerRegistries",
        "Impossible",
    ),
    "an interval without a formula": (
        {"autoscaleEvaluationInterval": "PT10M"},
        "autoscaleEvaluationInterval",
        "Impossible",
    ),
    "a preset and a formula": (
        {"autoscaleFormula": FORMULA, "autoscale": {"preset": "fixed"}},
        "autoscale",
        "Impossible",
    ),
    "a preset and a number of nodes": (
        {"nodes": 2, "autoscale": {"preset": "fixed"}},
        "autoscale",
        "Impossible",
    ),
    "no such preset": (
        {"autoscale": {"preset": "weekends"}},
        "autoscale",
        "InvalidValue",
    ),
    "another preset's field": (
        {"autoscale": {"preset": "fixed", "maxNodes": 3}},
        "autoscale.maxNodes",
        "UnknownField",
    ),
    "no working hours": (
        {"autoscale": {"preset": "offHours", "fromHour": 0, "toHour": 24}},
        "autoscale.toHour",
        "Impossible",
    ),
    "more nodes at least than at most": (
        {"autoscale": {"preset": "pendingTasks", "minNodes": 3, "maxNodes": 2}},
        "autoscale.minNodes",
        "Impossible",
    ),
    "a short interval": (
        {"autoscaleFormula": FORMULA, "autoscaleEvaluationInterval": "PT1M"},
        "autoscaleEvaluationInterval",
        "InvalidValue",
    ),
    "an empty mount": ({"mountConfiguration": [{}]}, "mountConfiguration[0]", "Impossible"),
    "two mounts in one place": (
        {"mountConfiguration": [NFS, NFS]},
        "mountConfiguration",
        "Impossible",
    ),
    "a password in options": (
        a_mount(mountOptions="-o username=a,password=b"),
        "mountConfiguration[0].nfsMountConfiguration.mountOptions",
        "InvalidValue",
    ),
    "a shell in options": (
        a_mount(mountOptions="-o ro; reboot"),
        "mountConfiguration[0].nfsMountConfiguration.mountOptions",
        "InvalidValue",
    ),
    "own addresses without any": (
        {"subnetId": SUBNET, "publicIPAddressConfiguration": {"provision": "usermanaged"}},
        "publicIPAddressConfiguration.ipAddressIds",
        "Impossible",
    ),
    "no addresses without a subnet": (
        {"publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"}},
        "publicIPAddressConfiguration.provision",
        "Impossible",
    ),
    "endpoints without addresses": (
        {
            "subnetId": SUBNET,
            "publicIPAddressConfiguration": {"provision": "NoPublicIPAddresses"},
            **an_endpoint(),
        },
        "publicIPAddressConfiguration.provision",
        "Impossible",
    ),
    "few addresses": (
        {
            "nodes": 101,
            "subnetId": SUBNET,
            "publicIPAddressConfiguration": {
                "provision": "UserManaged",
                "ipAddressIds": [f"{GROUP}/Microsoft.Network/publicIPAddresses/a"],
            },
        },
        "publicIPAddressConfiguration.ipAddressIds",
        "Impossible",
    ),
    "more nodes of a preset than may communicate": (
        {
            "interNodeCommunication": True,
            "autoscale": {"preset": "pendingTasks", "maxNodes": 101},
        },
        "interNodeCommunication",
        "Impossible",
    ),
    "few ports": (
        an_endpoint(frontendPortRangeEnd=1010),
        "endpointConfiguration.inboundNatPools[0].frontendPortRangeEnd",
        "Impossible",
    ),
    "Batch's ports": (
        an_endpoint(frontendPortRangeStart=54_990, frontendPortRangeEnd=55_100),
        "endpointConfiguration.inboundNatPools[0].frontendPortRangeStart",
        "Impossible",
    ),
    "Batch's port": (
        an_endpoint(backendPort=29877),
        "endpointConfiguration.inboundNatPools[0].backendPort",
        "Impossible",
    ),
    "one number for two disks": (
        {"dataDisks": [{"lun": 0, "diskSizeGB": 8}, {"lun": 0, "diskSizeGB": 8}]},
        "dataDisks",
        "Impossible",
    ),
    "no duration": ({"resizeTimeout": "15 minutes"}, "resizeTimeout", "InvalidValue"),
    "a timeout beside a formula": (
        {"autoscaleFormula": FORMULA, "resizeTimeout": "PT15M"},
        "resizeTimeout",
        "Impossible",
    ),
    "a deallocation beside a formula": (
        {"autoscaleFormula": FORMULA, "nodeDeallocationOption": "Requeue"},
        "nodeDeallocationOption",
        "Impossible",
    ),
}


@pytest.mark.parametrize(
    ("pool", "longer"),
    [
        ({"autoscaleFormula": FORMULA.ljust(8192)}, {"autoscaleFormula": FORMULA.ljust(8193)}),
        (a_variable("A", "x" * 8192), a_variable("A", "x" * 8193)),
        ({"startTask": {"commandLine": "x" * 8192}}, {"startTask": {"commandLine": "x" * 8193}}),
    ],
    ids=["a formula", "a variable", "a command line"],
)
def test_a_text_may_have_8192_characters(pool: Json, longer: Json) -> None:
    """And not one more."""
    assert problems(vmSize="Standard_D2s_v5", **pool) == []
    assert [p.code for p in problems(vmSize="Standard_D2s_v5", **longer)] != []


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_is_refused_by_name(case: str) -> None:
    """Before anything is asked of Azure, and without repeating what may be secret."""
    pool, field, code = REFUSED[case]
    found = problems(**pool)
    assert [(p.field, p.code) for p in found] == [(f"pools[0].{field}", code)]
    assert "sig=abc" not in found[0].message
    assert "AccountKey=abc" not in found[0].message


def _nested(path: str) -> Json:
    """A pool with a value at a path of names; lists where the request has them."""
    lists = {"userAccounts", "containerRegistries", "resourceFiles", "mountConfiguration"}
    *way, last = path.split(".")
    value: Any = {last: "hunter2"}
    for name in reversed(way):
        value = {name: [value] if name in lists else value}
    return dict(value)


@pytest.mark.parametrize("path", refused_fields.FIELDS)
def test_a_field_of_azures_that_is_not_here_says_why(path: str) -> None:
    """In a build, in a message of the queue and in a recipe; the value is never repeated."""
    code, message = refused_fields.FIELDS[path]
    found = problems(**_nested(path))
    ours = [p for p in found if re.sub(r"\[\d+\]", "", p.field) == f"pools.{path}"]
    assert [(p.code, p.message) for p in ours] == [(code, message)]
    assert not any("hunter2" in p.message for p in found)
    assert refused_fields.why(f"pool.{path}") == (code, message)
    assert refused_fields.why(f"request.pools[3].{path}") == (code, message)


def test_an_unknown_field_is_just_unknown() -> None:
    """Of Azure and of everybody."""
    (problem,) = problems(colour="red")
    assert (problem.field, problem.code) == ("pools[0].colour", "UnknownField")


def test_words_of_azure_are_taken_in_any_case() -> None:
    """The data plane and exports write them differently."""
    pool = {"taskSchedulingPolicy": {"nodeFillType": "spread"}, "nodeDeallocationOption": "requeue"}
    assert problems(**pool) == []


def test_a_secret_in_key_vault_may_be_named() -> None:
    """Its address is none."""
    value = "https://vault.vault.azure.net/secrets/db"
    assert problems(**a_variable("DB_PASSWORD_URI", value)) == []


def rows(section: str) -> dict[str, str]:
    """The table of a section of docs/requests.md: field and what is said of it."""
    text = DOCUMENT.read_text().split(f"\n## {section}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE)
    return dict(found)


def test_every_field_of_a_pool_is_in_the_document() -> None:
    """What is taken, and what is refused with its reason."""
    table = rows("Pools")
    fields = {str(field.alias) for field in Pool.model_fields.values()}
    assert fields <= table.keys()
    refused = {path for path, (code, _) in refused_fields.FIELDS.items() if code != "UnknownField"}
    assert refused <= table.keys()
    assert all(table[path].startswith("refused") for path in refused)
    top = {name for name in table if "." not in name}
    assert top <= fields | refused_fields.FIELDS.keys()
