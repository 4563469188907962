"""What Azure adds to the documents that it was given."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox

from local.azure_simulator import core, tokens
from local.stack import layout

NETWORK = "Microsoft.Network"


def claims_of(token: str) -> dict[str, Any]:
    middle = token.split(".")[1]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(middle + "=" * (-len(middle) % 4)))
    return found


def put(world: AzureSandbox, kind: str, name: str, body: dict[str, Any], version: str) -> Any:
    """The answer to a PUT of a new resource."""
    answer = world.send("PUT", f"{world.id(kind, name)}?api-version={version}", body)
    assert answer.status == 201, answer.body
    return answer.json()


def test_a_token_says_who_holds_it_and_for_what(world: AzureSandbox) -> None:
    """Clients decode it: the Azure CLI looks for the tenant and the object id."""
    world.make_group()
    made = world.identities.user_assigned_identities.create_or_update(
        GROUP, "i", {"location": LOCATION}
    )

    audience = "https://batch.core.windows.net/"
    token, expires_on = tokens.new_token(world.azure, audience, made.client_id)
    claims = claims_of(token)

    assert claims["aud"] == audience
    assert claims["iss"] == f"https://sts.windows.net/{made.tenant_id}/"
    assert (claims["tid"], claims["appid"]) == (made.tenant_id, made.client_id)
    assert (claims["oid"], claims["exp"]) == (made.principal_id, expires_on)
    assert claims["nbf"] <= time.time() < claims["exp"]


def test_a_machines_own_identity_has_a_principal_of_its_own(world: AzureSandbox) -> None:
    """The same one in each token."""
    first, second = (claims_of(tokens.new_token(world.azure, "https://a/")[0]) for _ in range(2))

    assert first["oid"] == second["oid"]
    assert first["appid"] == tokens.OWN_CLIENT_ID


def test_identities_are_in_the_tenant_that_the_stack_tells_the_app(world: AzureSandbox) -> None:
    """A script that logs in to a registry names the tenant of the app's settings."""
    told = layout.app_settings(layout.Options(), layout.Ports(host=1), "secret")

    assert told["AZURE_TENANT_ID"] == core.LOCAL_TENANT
    assert told["AZURE_SUBSCRIPTION_ID"] == core.LOCAL_SUBSCRIPTION


def test_a_nested_resource_is_listed_with_the_names_above_it(world: AzureSandbox) -> None:
    """As Resource Manager's list across types has them; its own address says the last part only."""
    world.make_group()
    world.make_definition()

    listed = {item.name for item in world.resources.resources.list_by_resource_group(GROUP)}

    assert {"gallery", "gallery/image"} <= listed
    assert world.compute.gallery_images.get(GROUP, "gallery", "image").name == "image"


def test_the_providers_of_a_subscription_are_listed(world: AzureSandbox) -> None:
    found = {item.namespace for item in world.resources.providers.list()}

    assert {"Microsoft.Compute", "Microsoft.Batch", "Microsoft.ContainerRegistry"} <= found


def test_a_public_address_has_its_defaults(world: AzureSandbox) -> None:
    world.make_group()
    body = {"location": LOCATION, "sku": {"name": "Standard"}}
    body["properties"] = {"publicIPAllocationMethod": "Static"}

    address = put(world, f"{NETWORK}/publicIPAddresses", "ip", body, "2025-05-01")

    assert address["sku"] == {"name": "Standard", "tier": "Regional"}
    assert address["properties"]["idleTimeoutInMinutes"] == 4
    assert address["properties"]["ddosSettings"] == {"protectionMode": "VirtualNetworkInherited"}
    assert address["properties"]["publicIPAllocationMethod"] == "Static"


def test_a_machine_says_what_its_agent_may_do(world: AzureSandbox) -> None:
    world.make_network()

    vm = put(world, "Microsoft.Compute/virtualMachines", "vm", world.vm_body(), "2025-04-01")

    assert vm["properties"]["osProfile"]["allowExtensionOperations"] is True
    assert vm["properties"]["osProfile"]["requireGuestProvisionSignal"] is True


def test_a_version_says_how_many_copies_there_are(sealed: AzureSandbox) -> None:
    """The size of the disk is known when the version is made, not before."""
    kind = "Microsoft.Compute/galleries/gallery/images/image/versions"

    version = put(sealed, kind, "1.0.0", sealed.version_body(), "2025-03-03")

    assert version["properties"]["publishingProfile"]["replicaCount"] == 1
    assert version["properties"]["safetyProfile"]["reportedForPolicyViolation"] is False
    assert "osDiskImage" not in version["properties"]["storageProfile"]
    sealed.wait(3600)
    made = sealed.compute.gallery_image_versions.get(GROUP, "gallery", "image", "1.0.0")
    assert made.storage_profile.os_disk_image.size_in_gb == 64


def test_a_version_without_a_publishing_profile_is_for_its_own_region(
    sealed: AzureSandbox,
) -> None:
    kind = "Microsoft.Compute/galleries/gallery/images/image/versions"
    body = sealed.version_body()
    del body["properties"]["publishingProfile"]

    version = put(sealed, kind, "1.0.0", body, "2025-03-03")

    regions = version["properties"]["publishingProfile"]["targetRegions"]
    assert [region["name"] for region in regions] == ["Sweden Central"]


def test_a_marketplace_image_says_its_size_in_bytes(world: AzureSandbox) -> None:
    """A virtual hard disk has a footer of 512 bytes."""
    found = world.compute.virtual_machine_images.get(
        LOCATION, "Canonical", "ubuntu-24_04-lts", "server", "latest"
    )

    disk = found.os_disk_image
    assert disk["sizeInBytes"] == disk["sizeInGb"] * 2**30 + 512
    assert found["properties"]["replicaType"] == "Unmanaged"


@pytest.mark.parametrize(("version", "is_open"), [("2025-05-01", True), ("2025-07-01", False)])
def test_a_new_subnet_is_private_since_an_api_version(
    world: AzureSandbox, version: str, is_open: bool
) -> None:
    """Where the request says nothing: then an older client's subnet reaches the internet."""
    world.make_group()
    subnet = {"name": "build", "properties": {"addressPrefix": "10.20.0.0/25"}}
    properties = {"addressSpace": {"addressPrefixes": ["10.20.0.0/24"]}, "subnets": [subnet]}
    body = {"location": LOCATION, "properties": properties}

    network = put(world, f"{NETWORK}/virtualNetworks", "net", body, version)
    world.wait(60)
    again = world.send(
        "PUT", f"{world.id(f'{NETWORK}/virtualNetworks', 'net')}?api-version=2026-03-01", body
    )

    for document in (network, again.json()):
        (shown,) = document["properties"]["subnets"]
        assert shown["properties"].get("defaultOutboundAccess", True) is is_open
