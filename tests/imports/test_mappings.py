"""What becomes of single fields, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cli import errors
from cli.imports import arm_expressions, hcl, systems, written
from cli.imports.draft import Draft, Unresolved
from tests.imports.drafts import drafted, packer, pool

Json = dict[str, Any]
# -- which file it is -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "Understood is a Packer template"),
        ('{"builders": [{"type": "amazon-ebs", "name": "here"}]}', "of the builders (here)"),
        ("{", "is not JSON"),
        ('[{"a": 1}]', "Understood is"),
        ("resource p 'Microsoft.Batch/batchAccounts/pools@2024-02-01' = {\n}", "az bicep build"),
        ('resource "azurerm_storage_account" "x" {\n}', "Understood is"),
        ("a = [", "is not HCL2. Understood is"),
        ('{"builders": [1]}', "is not shaped as"),
        ('{"resources": [], "contentVersion": "1"}', "has no pool"),
    ],
)
def test_another_file_is_refused_with_what_is_understood(
    text: str, said: str, tmp_path: Path
) -> None:
    """Never by a defect of the command."""
    with pytest.raises(errors.Refused) as refused:
        drafted(text, tmp_path)
    assert said in refused.value.message


@pytest.mark.parametrize(
    "document",
    [
        packer(os_type="Windows"),
        packer(
            image_publisher="MicrosoftWindowsServer", image_offer="WindowsServer", image_sku="x"
        ),
        pool(machine={"nodeAgentSKUId": "batch.node.windows amd64"}),
    ],
)
def test_windows_is_refused_by_name(document: Json, tmp_path: Path) -> None:
    """An import that leaves everything out would help nobody."""
    with pytest.raises(errors.Refused, match="Windows"):
        drafted(document, tmp_path)


@pytest.mark.parametrize(
    ("image", "system"),
    [
        ("Canonical:0001-com-ubuntu-server-jammy:22_04-lts-gen2", ("ubuntu", "22.04")),
        ("canonical:ubuntu-24_04-lts:server", ("ubuntu", "24.04")),
        ("Canonical:UbuntuServer:18.04-LTS", ("ubuntu", "18.04")),
        ("microsoft-azure-batch:ubuntu-server-container:20-04-lts", ("ubuntu", "20.04")),
        ("microsoft-dsvm:ubuntu-hpc:2204", ("ubuntu", "22.04")),
        ("almalinux:almalinux-x86_64:9-gen2", ("almalinux", "9")),
        ("almalinux:almalinux-hpc:8_7-hpc-gen2", ("almalinux", "8")),
        ("resf:rockylinux-x86_64:9-base", ("rocky", "9")),
        ("RedHat:RHEL:8-lvm-gen2", ("rhel", "8")),
        ("Debian:debian-12:12-gen2", ("debian", "12")),
        ("OpenLogic:CentOS:7_9", ("centos", "7")),
        ("bitnami:redis:6", None),
    ],
)
def test_marketplace_images_are_systems(image: str, system: tuple[str, str] | None) -> None:
    """Whether images can still be built of one, the service says."""
    assert systems.of_marketplace(*image.split(":")) == system


# -- values of HCL and of templates ---------------------------------------------------------------


def test_references_of_hcl_are_filled_in() -> None:
    """Variables, locals of locals, members; what is more than that stays an expression."""
    text = """
    a = "x-${var.size}-${local.both}"
    b = var.list[1]
    c = upper(var.size)
    d = "$${var.size} %%{if}"
    e = var.absent
    f = "tab\\t\\"q\\" ${var.flag}"
    g = <<EOF
    \\n "as it is" ${var.size}
    EOF
    h = var.size == "a" ? "secret" : "other"
    i = local.circle
    j = { (var.size) = 1, "${var.size}-2" = [var.number] }
    """
    names = {
        "var": {"size": "s", "list": ["a", "b"], "flag": True, "number": 3},
        "local": {"both": "${var.size}${var.number}", "circle": "${local.circle}"},
    }
    scope = hcl.Scope(lambda path: hcl.member(names, path))
    filled = scope.filled(hcl.parse(text, "x.hcl"))
    assert filled == {
        "a": "x-s-s3",
        "b": "b",
        "c": "upper(...)",
        "d": "${var.size} %{if}",
        "e": "var.absent",
        "f": 'tab\t"q" true',
        "g": '    \\n "as it is" s\n',
        "h": "an expression",
        "i": "local.circle",
        "j": {"s": 1, "s-2": [3]},
    }
    unknown = {name for name, value in filled.items() if isinstance(value, Unresolved)}
    assert unknown == {"c", "e", "h", "i"}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("[parameters('Name')]", "acc"),
        ("[concat(parameters('name'), '/', 'it''s')]", "acc/it's"),
        ("[format('{0}-{1}', variables('v'), 2)]", "acc-x-2"),
        ("[parameters('o').list[1].a]", 7),
        ("[toLower('AB')]", "ab"),
        ("[[literal]", "[literal]"),
        ("text", "text"),
        ("[resourceId('x')]", Unresolved("resourceId")),
        ("[parameters('absent')]", Unresolved("parameters('absent')")),
        ("[variables('circle')]", Unresolved("variables('circle')")),
        ("[if(true, 'a', 'b')]", Unresolved("if")),
        ("[concat(]", Unresolved("concat")),
    ],
)
def test_expressions_of_templates(expression: str, value: Any) -> None:
    """Functions that need Azure are not known here."""
    scope = arm_expressions.Scope(
        {"name": "acc", "o": {"list": [0, {"a": 7}]}},
        {"v": "[concat(parameters('name'), '-x')]", "circle": "[variables('circle')]"},
    )
    found = scope.filled(expression)
    assert (found, type(found)) == (value, type(value))


# -- Packer ---------------------------------------------------------------------------------------


def steps_of(tmp_path: Path, *provisioners: Json) -> tuple[list[Json], Draft]:
    """The steps that provisioners become."""
    draft = drafted(packer(*provisioners), tmp_path)
    return draft.request.get("image", {}).get("steps", []), draft


def test_who_runs_a_script_is_seen_by_sudo(tmp_path: Path) -> None:
    """Packer signs in as a user; a script that never says sudo is run as one."""
    (tmp_path / "user.sh").write_text("make\n")
    shell = {"type": "shell"}
    steps, _ = steps_of(
        tmp_path,
        {**shell, "inline": ["make"]},
        {**shell, "inline": ["sudo make"]},
        {**shell, "inline": "make", "execute_command": "sudo sh {{ .Path }}"},
        {**shell, "script": "user.sh"},
        {**shell, "script": "absent.sh"},
    )
    assert [step.get("elevated") for step in steps] == [False, None, None, False, None]
    assert [step["name"] for step in steps] == ["shell", "shell-2", "shell-3", "user", "absent"]


def test_a_restart_at_the_end_is_the_steps_own(tmp_path: Path) -> None:
    """A step that restarts the machine by itself would be seen as lost."""
    for line in ("sudo reboot", "shutdown -r now", "/sbin/reboot"):
        steps, _ = steps_of(tmp_path, {"type": "shell", "inline": ["true", line]})
        assert steps[0]["restart"] is True
        assert steps[0]["inline"] == "#!/bin/sh -e\ntrue\n"
    steps, _ = steps_of(tmp_path, {"type": "shell", "inline": ["sudo reboot"]})
    assert steps == [{"name": "restart", "inline": "true\n", "restart": True}]


@pytest.mark.parametrize(
    ("source", "destination", "expected"),
    [
        ("etc/a.conf", "/etc/app/", [("etc/a.conf", "/etc/app")]),
        ("etc/a.conf", "/etc/app/a.conf", [("etc/a.conf", "/etc/app")]),
        ("etc/a.conf", "/etc/app/b.conf", [("etc/a.conf", "/etc/app"), "mv -- /etc/app/a.conf"]),
        ("etc/", "/opt/app", [("etc/", "/opt/app")]),
        ("etc", "/opt/app", [("etc", "/opt/app/etc")]),
        ("etc/a.conf", "~/a.conf", []),
        ("etc/a.conf", "/a.conf", []),
    ],
)
def test_files_arrive_where_packer_puts_them(
    source: str, destination: str, expected: list[Any], tmp_path: Path
) -> None:
    """A slash at the end decides whether a folder or its content is meant."""
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "a.conf").write_text("a\n")
    given = {"type": "file", "source": source, "destination": destination}
    steps, draft = steps_of(tmp_path, given)
    shown = [
        (step["upload"], step["destination"]) if "upload" in step else step["inline"]
        for step in steps
    ]
    assert len(shown) == len(expected)
    for found, wanted in zip(shown, expected, strict=True):
        assert found == wanted or str(found).startswith(str(wanted))
    assert bool(draft.left) is not bool(expected)


def test_secrets_are_left_out_of_steps(tmp_path: Path) -> None:
    """A request is stored, and a log shows what a script prints."""
    steps, draft = steps_of(
        tmp_path,
        {"type": "shell", "inline": ["curl 'https://x/y?sig=abc' | tar x"]},
        {"type": "shell", "inline": ["true"], "env": {"DB_PASSWORD": "hunter2", "MODE": "fast"}},
    )
    assert [step.get("environment") for step in steps] == [{"MODE": "fast"}]
    assert set(draft.left) == {"provisioners[0].inline", "provisioners[1].env.DB_PASSWORD"}
    assert "hunter2" not in written.text(draft, "x")


def test_a_network_needs_the_whole_id_of_its_subnet(tmp_path: Path) -> None:
    """Packer looks it up by names; a request has no names of networks."""
    names = {"virtual_network_name": "n", "virtual_network_subnet_name": "s"}
    group = {"virtual_network_resource_group_name": "g"}
    whole = drafted(packer(**names, **group, subscription_id="1"), tmp_path)
    subnet = whole.request["image"]["outbound"]["subnetId"]
    assert subnet.endswith(
        "/resourceGroups/g/providers/Microsoft.Network/virtualNetworks/n/subnets/s"
    )
    assert "builders[0].virtual_network_name" in drafted(packer(**names), tmp_path).left


# -- pools ----------------------------------------------------------------------------------------

VERSION = (
    "/subscriptions/s/resourceGroups/images/providers/Microsoft.Compute/galleries/g/images/i"
    "/versions/1.2.3"
)


def test_a_pool_of_a_gallery_image_needs_no_build(tmp_path: Path) -> None:
    """A version by its id, a definition by its names."""
    request = drafted(pool(machine={"imageReference": {"id": VERSION}}), tmp_path).request
    assert (request["mode"], request["image"]) == ("batch-only", {"id": VERSION})
    newest = {"id": VERSION.rpartition("/versions")[0]}
    request = drafted(pool(machine={"imageReference": newest}), tmp_path).request
    assert request["mode"] == "batch-only"
    assert request["image"] == {"resourceGroup": "images", "gallery": "g", "name": "i"}


def test_a_template_of_the_cli_extension_is_a_pool_too(tmp_path: Path) -> None:
    """Its pool has the service's names, and parameters."""
    template = {
        "parameters": {"nodes": {"type": "int", "defaultValue": 3}},
        "pool": {
            "type": "Microsoft.Batch/batchAccounts/pools",
            "properties": {**pool(), "targetDedicatedNodes": "[parameters('nodes')]", "x": 1},
        },
    }
    draft = drafted(template, tmp_path)
    assert draft.request["pools"] == [{"id": "p", "vmSize": "Standard_D2s_v5", "nodes": 3}]
    assert set(draft.left) == {"pool.properties.x"}


def test_one_request_has_pools_of_one_image(tmp_path: Path) -> None:
    """A template with others names them; --only takes one of them."""
    other = {"publisher": "canonical", "offer": "ubuntu-24_04-lts", "sku": "server"}
    template = {
        "contentVersion": "1.0.0.0",
        "resources": [
            {
                "type": "Microsoft.Batch/batchAccounts/pools",
                "name": f"acc/{name}",
                "properties": {
                    "vmSize": "Standard_D2s_v5",
                    "deploymentConfiguration": {
                        "virtualMachineConfiguration": {"imageReference": image}
                    },
                },
            }
            for name, image in (("a", {"id": VERSION}), ("b", other), ("c", {"id": VERSION}))
        ],
    }
    draft = drafted(template, tmp_path)
    assert [each["id"] for each in draft.request["pools"]] == ["a", "c"]
    assert "another image" in draft.left["resources[1]"]
    only = drafted(template, tmp_path, only="b")
    assert [each["id"] for each in only.request["pools"]] == ["b"]
    assert only.request["image"] == {"os": "ubuntu", "osVersion": "24.04"}


def test_a_user_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    """The checks of the node need an administrator, so the rest of the start task has one."""
    user = {"autoUser": {"elevationLevel": "nonAdmin"}}
    draft = drafted(pool(startTask={"commandLine": "id", "userIdentity": user}), tmp_path)
    assert draft.request["pools"][0]["startTask"] == {"commandLine": "id"}
    assert "administrator" in draft.left["startTask.userIdentity.autoUser"]


def test_what_is_named_like_a_secret_is_left_out(tmp_path: Path) -> None:
    """Wherever pools have names and values."""
    pairs = [{"name": "db-password", "value": "hunter2"}, {"name": "owner", "value": "a"}]
    task = {"commandLine": "curl https://user:hunter2@host/", "environmentSettings": pairs}
    draft = drafted(pool(metadata=pairs, startTask=task), tmp_path)
    [made] = draft.request["pools"]
    assert made["metadata"] == [{"name": "owner", "value": "a"}]
    assert "startTask" not in made
    assert {"metadata[0].value", "startTask.commandLine"} <= set(draft.left)
    assert "hunter2" not in written.text(draft, "x")


def test_parts_are_whole_or_left_out(tmp_path: Path) -> None:
    """A registry without its password, or a mount without its key, would only fail."""
    registry = {"registryServer": "team.azurecr.io", "username": "u", "password": "p"}
    containers = {
        "containerRegistries": [registry],
        "containerImageNames": ["team.azurecr.io/app:1", "docker.io/library/busybox:1.36"],
    }
    blob = {"accountName": "a", "containerName": "c", "relativeMountPath": "m", "accountKey": "k"}
    mounts = [{"azureBlobFileSystemConfiguration": blob}]
    document = pool(machine={"containerConfiguration": containers}, mountConfiguration=mounts)
    draft = drafted(document, tmp_path)
    [made] = draft.request["pools"]
    assert made["containerConfiguration"] == {
        "containerImageNames": ["docker.io/library/busybox:1.36"]
    }
    assert "mountConfiguration" not in made
    left = "mountConfiguration[0].azureBlobFileSystemConfiguration.accountName"
    assert draft.left[left] == "its identityReference was left out"
