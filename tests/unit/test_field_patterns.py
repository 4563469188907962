"""The description's pattern of a string field says what the app itself accepts."""

from __future__ import annotations

import re
from typing import Annotated, Any, get_args, get_origin

import pytest
from jsonschema import Draft202012Validator
from pydantic import ConfigDict, TypeAdapter, ValidationError

from shared.model import fields, pool_fields
from tests import openapi_checks

_IN_GROUP = "/subscriptions/s/resourceGroups/g/providers"
# At least one good value of each type.
GOOD = {
    "GroupName": ["my-rg", "gr\u00f6\u00dfe_(1)", "a" * 90],
    "GalleryName": ["a", "my_gallery.1"],
    "ImageName": ["batchCustomImage-ubuntu-24.04-gpu"],
    "Location": ["swedencentral"],
    "VersionName": ["latest", "1.0.0", "12.345.6789"],
    "Date": ["2027-06-30", "2028-02-29"],
    "AccountName": ["mybatch12345"],
    "PoolId": ["dev", "A_b-1"],
    "RegistryName": ["imagesregistry1"],
    "VmSize": ["Standard_D4s_v5", "d4s_v5", "STANDARD_NC4AS_T4_V3", "Standard_ND96isr_H100_v5"],
    "RequestId": ["nightly-2026-11-29", "~!@#"],
    "ImageReference": ["docker.io/library/busybox:1.36", f"a@sha256:{'0' * 64}", "h:5000/a/b"],
    "BuiltImage": ["app:v1.0", "team/app", "a__b"],
    "SubnetId": [f"{_IN_GROUP}/Microsoft.Network/virtualNetworks/n/subnets/x"],
    "GitSource": ["https://example.org/app.git#main", "https://e.org/a.git#b:folder/x"],
    "ContextId": [f"contexts/{'0a' * 16}.tar.gz"],
    "PublicKey": ["ssh-ed25519 AAAA", "ssh-rsa AAAA== me@here"],
    "DriverVersion": ["580.173.02", "570.1"],
    "ContainerToolkitVersion": ["1.20.0"],
    "DockerVersion": ["29.7.2"],
    "PublicUrl": ["https://example.org/a/b.txt"],
    "IdentityId": [f"{_IN_GROUP}/Microsoft.ManagedIdentity/userAssignedIdentities/pull-1"],
    "RelativePath": ["data/x..y", "\u00f6", "a b"],
    "FileMode": ["0755", "644"],
    "VariableName": ["PATH_2", "_x", "AZ_BATCHES"],
    "AccountUser": ["me", "rooty", "_x-1"],
    "RegistryServer": ["ghcr.io", "my.registry.example:5000"],
    "MetadataName": ["team", "batch-pre", "a=b \u00f6"],
    "TagName": ["cost centre", "batch_prep"],
    "StorageAccountName": ["team1"],
    "ContainerName": ["$root", "a-b", "data1"],
    "NfsSource": ["files.example.org:/data", "10.0.0.4:/"],
    "MountOptions": ["-o vers=4,minorversion=1,sec=sys", "--file-cache-timeout=120"],
    "PublicAddressId": [f"{_IN_GROUP}/Microsoft.Network/publicIPAddresses/a"],
    "EndpointName": ["ssh", "a_", "a.b-c1"],
    "ApplicationName": ["tool", "A_b-1"],
    "PackageVersion": ["1.0", "v1-rc_2"],
}
HOSTILE = [
    "", " ", "\n", "\0", "a\n", "a b", "..", "../x", "a/b", "a//b", ".a", "a.", "-", "_", "a" * 300,
    "\u00e9", "\ud7ff", "\ufeffa", "A", "1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-rc", "Latest", "{}",
    "$(x)", "`x`", "a;b", "'", '"', "\\", "%2e", "<a>", "a:b:c", "https://u:p@e.org/a.git",
    "http://e.org/a.git", "https:///a.git", "Standard_", "Standard_D4s_v5 ", "Basic_A1", "latest ",
    "sha256:0", "a@sha256:0", "root", "AZ_BATCH_X", "Batch-Prep-x", "a/../b", "/a", "0999", "1e999",
]  # fmt: skip
WIDER = {"VersionName", "VmSize", "MountOptions"}  # their rules are more than a pattern


def types() -> dict[str, Any]:
    """The string types with a rule, by name."""
    named = {**vars(fields), **vars(pool_fields)}
    annotated = {n: t for n, t in named.items() if get_origin(t) is Annotated}
    return {
        name: type_
        for name, type_ in annotated.items()
        if any(isinstance(part, fields.Checked) for part in get_args(type_))
    }


def accepts(type_: Any, value: str) -> bool:
    """Whether the app takes it."""
    try:
        TypeAdapter(type_, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError:
        return False
    return True


def test_every_type_is_tried() -> None:
    """One that is added is tried, too."""
    assert set(types()) == set(GOOD)


@pytest.mark.parametrize("name", GOOD)
def test_the_pattern_agrees_with_the_app(name: str) -> None:
    """What the app takes, the description allows; what it refuses, the description refuses, except
    where a rule is more than a pattern.
    """
    type_ = types()[name]
    schema = TypeAdapter(type_).json_schema()
    described = Draft202012Validator(schema)
    assert schema["pattern"].startswith("^(?:")
    assert all(accepts(type_, value) for value in GOOD[name])
    for value in [*HOSTILE, *(good for values in GOOD.values() for good in values)]:
        if accepts(type_, value):
            assert described.is_valid(value), value
        elif name not in WIDER and value.isascii() and not value.endswith("\n"):
            assert not described.is_valid(value), value


@pytest.mark.parametrize("name", GOOD)
def test_the_pattern_is_one_of_javascripts(name: str) -> None:
    """Of what both dialects know, with and without the flag `u`."""
    pattern = TypeAdapter(types()[name]).json_schema()["pattern"]
    assert not re.search(r"\(\?(?![:!])|\\[AZbBpP]|\(\?P", pattern)
    outside = re.sub(r"\[(?:\\.|[^\]])*\]", "", pattern)
    assert not re.search(r"\\[-w~:@]", outside)


def test_the_description_has_them() -> None:
    """In requests, also below lists and where a field may be left out."""
    schemas = openapi_checks.described()["components"]["schemas"]
    assert "pattern" in str(schemas["Pool"]["properties"]["id"])
    assert "pattern" in str(schemas["Image"]["properties"]["containerImages"])
    assert "pattern" in schemas["Registry"]["properties"]["name"]
