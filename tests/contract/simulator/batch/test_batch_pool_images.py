"""Pools in Resource Manager: the images and the identities they may name."""

from __future__ import annotations

import pytest
from azure_sandbox import GROUP, LOCATION, refused
from batch_sandbox import (
    ACCOUNT,
    AGENT,
    CPU,
    BatchSandbox,
    containers_of,
    details,
    fixed_scale,
    inner_error,
    patch_pool,
    pool_body,
    reference,
)

from local.azure_simulator import control, times

ARM_AGENT = "batch.node.ubuntu 24.04-arm64"
TRUSTED = {"security": {"securityType": "trustedLaunch"}}
CONFIDENTIAL = {"security": {"securityType": "confidentialVM"}}
pytestmark = pytest.mark.usefixtures("account")


# --- images -------------------------------------------------------------------------------------


def test_an_image_must_exist(world):
    """A wrong id is found out at once."""
    missing = world.make_image().replace("1.0.0", "1.0.1")
    error = refused(world.make_pool, image=missing)
    assert details(error)["Reason"] == "The specified image is not found."


def test_an_image_must_be_one_version_of_a_gallery(world):
    """A definition would let nodes of one pool differ."""
    definition = world.make_image().rpartition("/versions/")[0]
    assert "image version" in details(refused(world.make_pool, image=definition))["Reason"]


def test_an_image_is_named_in_one_way(world):
    """An id and a marketplace image together are refused, though each alone is good."""
    both = {**reference(None), "id": world.make_image()}
    error = refused(world.make_pool, image=both)
    assert "exactly one" in details(error)["Reason"]


def test_an_image_must_be_generalized(world):
    """Batch takes no specialized images."""
    image = world.make_image(osState="Specialized")
    assert "not generalized" in details(refused(world.make_pool, image=image))["Reason"]


def test_an_image_must_be_provisioned(world):
    """A version that is still being copied is no image yet."""
    image = world.make_image()
    world.azure.store.find(image).properties["provisioningState"] = "Creating"
    assert "not provisioned" in details(refused(world.make_pool, image=image))["Reason"]


@pytest.mark.parametrize(
    ("system", "version", "agent", "fits"),
    [
        ("ubuntu", "24.04", AGENT, True),
        ("ubuntu", "22.04", AGENT, False),
        ("almalinux", "9.6", "batch.node.el 9", True),
        ("rocky", "8.10", "batch.node.el 8", True),
        ("almalinux", "10.0", "batch.node.el 9", False),
        ("debian", "12", AGENT, False),
    ],
)
def test_the_agent_must_be_made_for_the_images_system(world, system, version, agent, fits):
    """What is inside the image decides, not its name."""
    image = world.make_image(inside={"os": system, "osVersion": version})
    if fits:
        assert world.make_pool(image=image, agent=agent, nodes=0).name == "dev"
    else:
        error = refused(world.make_pool, image=image, agent=agent)
        assert details(error)["PropertyName"] == "nodeAgentSkuId"


@pytest.mark.parametrize(("architecture", "agent"), [("Arm64", AGENT), ("x64", ARM_AGENT)])
def test_the_agent_must_be_made_for_the_images_architecture(world, architecture, agent):
    """Each has an agent of its own; what its definition says counts."""
    error = refused(world.make_pool, image=world.make_image(architecture=architecture), agent=agent)
    assert details(error)["PropertyName"] == "nodeAgentSkuId"


def test_arm64_images_make_pools_of_arm64_sizes(world):
    """Of the sizes with Cobalt processors."""
    features = {"SecurityType": "Standard", "DiskControllerTypes": "SCSI, NVMe"}
    image = world.make_image(architecture="Arm64", features=features)
    world.make_pool(image=image, agent=ARM_AGENT, size="Standard_E4ps_v6")
    assert world.resize_errors() == []


@pytest.mark.parametrize(
    ("ends", "named"), [(AGENT, "nodeAgentSkuId"), ("standardDSv5Family", "vmSize")]
)
def test_a_pool_is_refused_when_its_support_is_over(world, ends, named):
    """Of the node agent or of the family of sizes; until that day both are listed with it."""
    setting = f"batchSupportEnds:{ends}"
    control.change_settings(world.azure, {setting: times.zulu(world.azure.now - 1)})
    assert details(refused(world.make_pool))["PropertyName"] == named

    control.change_settings(world.azure, {setting: times.zulu(world.azure.now + 3600)})
    assert world.make_pool(nodes=0).name == "dev"


def test_an_image_without_a_copy_in_the_region_fails_the_allocation(world):
    """The pool is made; compute's refusal shows as an error of the resize."""
    image = world.make_image(regions=["westeurope"])
    world.make_pool(image=image)
    (error,) = world.resize_errors()
    assert error.code == "AllocationFailed"
    inner = inner_error(error)
    assert inner["code"] == "GalleryImageNotFound"
    assert "is not available in swedencentral region" in inner["message"]


@pytest.mark.parametrize(
    ("definition", "size", "options", "words"),
    [
        ({"hyperVGeneration": "V1"}, "Standard_NC40ads_H100_v5", {}, "cannot boot Hypervisor"),
        ({"architecture": "Arm64"}, CPU, {"agent": ARM_AGENT}, "CPU Architecture of 'x64'"),
        ({}, "Standard_D4ps_v6", {}, "CPU Architecture of 'Arm64'"),
        ({"features": {"SecurityType": "TrustedLaunch"}}, CPU, {}, "'TrustedLaunch' security type"),
        ({}, CPU, {"security": {"securityType": "trustedLaunch"}}, "TrustedLaunch"),
        ({"features": {"SecurityType": "ConfidentialVM"}}, CPU, {}, "'ConfidentialVM' security"),
        ({"features": {"SecurityType": "ConfidentialVMSupported"}}, CPU, TRUSTED, "TrustedLaunch"),
        ({"features": {"SecurityType": "ConfidentialVM"}}, CPU, CONFIDENTIAL, "VM size"),
        ({}, "Standard_D4s_v6", {}, "disk controller"),
    ],
)  # fmt: skip
def test_an_image_that_compute_cannot_boot_fails_the_allocation(
    world, definition, size, options, words
):
    """Generation, architecture, security type and disk controller must fit the size."""
    world.make_pool(image=world.make_image(**definition), size=size, **options)
    (error,) = world.resize_errors()
    assert words in inner_error(error)["message"]
    assert world.pool().current_dedicated_nodes == 0


def test_a_trusted_launch_image_makes_a_trusted_launch_pool(world):
    """Both spellings of the security type meet."""
    image = world.make_image(features={"SecurityType": "TrustedLaunch"})
    world.make_pool(image=image, security={"securityType": "trustedLaunch"})
    assert world.resize_errors() == []


def test_a_pool_cannot_grow_after_its_image_was_deleted(world):
    """Deleting a version is allowed, and felt at the next resize."""
    image = world.make_image()
    world.make_pool(image=image)
    world.await_steady()
    world.azure.store.remove(image)
    patch_pool(world, scaleSettings=fixed_scale(2))
    (error,) = world.resize_errors()
    assert error.code == "AllocationFailed"
    assert world.pool().current_dedicated_nodes == 1


# --- identities ---------------------------------------------------------------------------------


def _identity(world: BatchSandbox, name: str = "pull") -> str:
    body = {"location": LOCATION}
    return str(world.identities.user_assigned_identities.create_or_update(GROUP, name, body).id)


def test_identities_must_exist(world):
    """A pool cannot be given an identity that was deleted."""
    missing = world.id("Microsoft.ManagedIdentity/userAssignedIdentities", "gone")
    assert refused(world.make_pool, identity=missing).status_code == 400


@pytest.mark.parametrize(
    "identity", [{"type": "SystemAssigned"}, {"type": "UserAssigned"}, {"type": "Anything"}]
)
def test_a_pools_identity_is_user_assigned(world, identity):
    """A pool has no identity of its own, and an empty list is none."""
    body = {**pool_body(), "identity": identity}
    error = refused(world.batch.pool.create, GROUP, ACCOUNT, "dev", body)
    assert error.status_code == 400


def test_a_registrys_identity_must_be_listed_at_the_pool(world):
    """Naming it in the registry alone is not enough."""
    identity = _identity(world)
    registry = {"registryServer": "x.azurecr.io", "identityReference": {"resourceId": identity}}
    containers = containers_of(containerRegistries=[registry])
    error = refused(world.make_pool, containers=containers)
    assert details(error)["PropertyName"] == "identityReference"
    pool = world.make_pool(containers=containers, identity=identity, nodes=0)
    shown = next(iter(pool.identity.user_assigned_identities.values()))
    assert shown.client_id


def test_a_registry_has_one_way_in(world):
    """Name and password, or an identity: not both, not none."""
    containers = containers_of(containerRegistries=[{"registryServer": "x.azurecr.io"}])
    assert (
        details(refused(world.make_pool, containers=containers))["PropertyName"]
        == "containerRegistries"
    )
