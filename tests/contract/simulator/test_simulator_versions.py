"""Gallery image versions: what must agree with the source, what is where, what never changes."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, SECURITY_TYPES, UBUNTU, AzureSandbox, refused

STANDARD = [{"name": "SecurityType", "value": "Standard"}]
BOTH = {"name": "DiskControllerTypes", "value": "SCSI, NVMe"}


def get_version(world: AzureSandbox, version: str = "1.0.0", **options: Any) -> Any:
    versions = world.compute.gallery_image_versions
    return versions.get(GROUP, "gallery", "image", version, **options)


# --- versions from a machine ---------------------------------------------------------------


def test_a_version_is_made_from_a_generalized_machine(sealed: AzureSandbox) -> None:
    """It knows what the machine contained."""
    made = sealed.make_version()

    assert made.provisioning_state == "Succeeded"
    resource = sealed.azure.store.find(made.id)
    assert resource is not None
    assert resource.state["contents"]["sealed"] is True
    assert resource.state["contents"]["docker"]


def test_a_machine_that_is_not_generalized_is_refused(world: AzureSandbox) -> None:
    """The definition says Generalized."""
    world.make_vm()
    world.make_definition()

    error = refused(world.make_version)

    assert error.status_code == 400
    assert "OS State in the parent gallery image ('Generalized')" in error.error.message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "Exactly one of"),
        ({"id": "/a", "virtualMachineId": "/b"}, "Exactly one of"),
        ({"virtualMachineId": "/subscriptions/s/none"}, "is not found"),
    ],
)
def test_a_version_has_one_source_that_exists(
    sealed: AzureSandbox, source: dict[str, str], words: str
) -> None:
    """Neither none nor two."""
    error = refused(sealed.make_version, source=source)

    assert words in error.error.message


def test_a_source_lies_in_the_version_s_region(sealed: AzureSandbox) -> None:
    """Else it is "not found"."""
    error = refused(sealed.make_version, location="eastus", regions=["eastus"])

    assert error.status_code == 404
    assert "in the same region" in error.error.message


def test_generations_agree(world: AzureSandbox) -> None:
    """A V1 machine does not fit a V2 definition."""
    world.make_sealed_vm(image={**UBUNTU, "sku": "server-gen1"})
    world.make_definition()

    assert "different Hypervisor generation ['V1']" in refused(world.make_version).error.message


def test_plans_agree(world: AzureSandbox) -> None:
    """An image derived from one with a plan keeps the requirement."""
    image = {"publisher": "resf", "offer": "rockylinux-x86_64", "sku": "9-base"}
    plan = {"name": "9-base", "publisher": "resf", "product": "rockylinux-x86_64"}
    world.make_sealed_vm(image={**image, "version": "latest"}, plan=plan)
    world.make_definition()

    assert "purchase plan" in refused(world.make_version).error.message


@pytest.mark.parametrize(("vm", "definition", "is_taken"), SECURITY_TYPES)
def test_security_types_agree(
    world: AzureSandbox, vm: str, definition: str, is_taken: bool
) -> None:
    """The machine's and the definition's; "supported" is for other sources."""
    world.make_sealed_vm(security=vm)
    world.make_definition(features=[{"name": "SecurityType", "value": definition}])

    if is_taken:
        assert world.make_version().provisioning_state == "Succeeded"
    else:
        error = refused(world.make_version)
        assert (error.status_code, error.error.code) == (400, "InvalidParameter")
        assert "security type" in error.error.message


def test_an_nvme_machine_needs_the_feature(world: AzureSandbox) -> None:
    """DiskControllerTypes, in Azure's order."""
    world.make_sealed_vm(size="Standard_D4s_v6")
    world.make_definition("image")

    assert "DiskControllerTypes" in refused(world.make_version).error.message


def test_an_nvme_machine_with_the_feature_is_taken(world: AzureSandbox) -> None:
    """Both together."""
    world.make_sealed_vm(size="Standard_D4s_v6")
    world.make_definition(features=[*STANDARD, BOTH])

    assert world.make_version().provisioning_state == "Succeeded"


def test_an_ephemeral_disk_cannot_be_captured(world: AzureSandbox) -> None:
    """The message says so."""
    world.make_network()
    body = world.vm_body(size="Standard_D4ds_v5")
    body["properties"]["storageProfile"]["osDisk"]["diffDiskSettings"] = {"option": "Local"}
    world.compute.virtual_machines.begin_create_or_update(GROUP, "builder", body).result()
    world.generalize()
    world.make_definition()

    assert "cannot contain an ephemeral OS disk" in refused(world.make_version).error.message


def test_the_source_must_last_until_the_copy_is_made(sealed: AzureSandbox) -> None:
    """Deleting the builder too early fails the version; afterwards it may go."""
    versions = sealed.compute.gallery_image_versions
    body = sealed.version_body()
    versions.begin_create_or_update(GROUP, "gallery", "image", "1.0.0", body, polling=False)
    sealed.compute.virtual_machines.begin_delete(GROUP, "builder").result()
    sealed.wait(1200)

    assert get_version(sealed).provisioning_state == "Failed"


def test_a_failed_version_can_be_put_again(sealed: AzureSandbox) -> None:
    """The same source, more luck."""
    sealed.add_fault(operation="galleryVersions.create", effect="allocation", code="InternalError")
    refused(sealed.make_version)
    assert get_version(sealed).provisioning_state == "Failed"

    assert sealed.make_version().provisioning_state == "Succeeded"


# --- regions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("regions", "words"),
    [
        (["eastus"], "must contain the location of image version"),
        ([LOCATION, "Sweden Central"], "duplicate regions"),
        ([LOCATION, "atlantis"], "'atlantis' is not available"),
    ],
)
def test_target_regions_are_checked(sealed: AzureSandbox, regions: list[str], words: str) -> None:
    """The own one among them, none twice, all known."""
    error = refused(sealed.make_version, regions=regions)

    assert (error.status_code, words in error.error.message) == (400, True)


def test_regions_come_back_by_their_display_names(sealed: AzureSandbox) -> None:
    """While the location stays as it was."""
    made = sealed.make_version(regions=[LOCATION, "eastus2"])

    names = [region.name for region in made.publishing_profile.target_regions]
    assert (names, made.location) == (["Sweden Central", "East US 2"], LOCATION)


def test_replication_is_told_by_region(sealed: AzureSandbox) -> None:
    """Progress while it goes on, Completed at its end; only on request."""
    versions = sealed.compute.gallery_image_versions
    body = sealed.version_body(regions=[LOCATION, "eastus2"])
    versions.begin_create_or_update(GROUP, "gallery", "image", "1.0.0", body, polling=False)
    sealed.wait(120)
    during = get_version(sealed, expand="ReplicationStatus").replication_status
    sealed.wait(2400)
    after = get_version(sealed, expand="ReplicationStatus").replication_status

    assert during.aggregated_state == "InProgress"
    assert all(0 < item.progress < 100 for item in during.summary)
    assert after.aggregated_state == "Completed"
    assert {item.state for item in after.summary} == {"Completed"}
    assert get_version(sealed).replication_status is None


def test_a_failed_version_says_so_for_its_regions(sealed: AzureSandbox) -> None:
    """Nobody waits for a copy that never comes."""
    sealed.add_fault(operation="galleryVersions.create", effect="allocation", code="InternalError")
    refused(sealed.make_version)

    status = get_version(sealed, expand="ReplicationStatus").replication_status

    assert (status.aggregated_state, status.summary[0].state) == ("Failed", "Failed")


def test_more_regions_take_longer(make_world) -> None:
    """450 s for one, more with a copy elsewhere; shallow ones are fast."""
    times = []
    for options in ({}, {"regions": [LOCATION, "eastus2"]}, {"mode": "Shallow"}):
        world = make_world(duration_band=(1, 1))
        world.make_sealed_vm()
        world.make_definition()
        before = world.now()
        world.make_version(**options)
        times.append(world.now() - before)

    one, two, shallow = times
    assert shallow < one < two
    assert 450 <= one < 520


def test_the_same_put_again_needs_no_source(sealed: AzureSandbox) -> None:
    """A version that is there is updated, not captured once more."""
    sealed.make_version()
    sealed.compute.virtual_machines.begin_delete(GROUP, "builder").result()

    assert sealed.make_version().provisioning_state == "Succeeded"


def test_the_same_put_during_creation_joins_it(sealed: AzureSandbox) -> None:
    """One operation, one copy."""
    version = sealed.id("Microsoft.Compute/galleries", "gallery/images/image/versions/1.0.0")
    path = f"{version}?api-version=2026-03-03"

    answers = [sealed.send("PUT", path, sealed.version_body()) for _ in range(2)]

    first, second = (answer.headers["Azure-AsyncOperation"].partition("?")[0] for answer in answers)
    assert [answer.status for answer in answers] == [201, 200]
    assert first == second


def test_deleting_a_version_ends_its_creation(sealed: AzureSandbox) -> None:
    """Whoever polls the creation learns of it."""
    version = sealed.id("Microsoft.Compute/galleries", "gallery/images/image/versions/1.0.0")
    path = f"{version}?api-version=2026-03-03"
    created = sealed.send("PUT", path, sealed.version_body())
    versions = sealed.compute.gallery_image_versions
    versions.begin_delete(GROUP, "gallery", "image", "1.0.0").result()

    document = sealed.send("GET", created.headers["Azure-AsyncOperation"]).json()

    assert (document["status"], document["error"]["code"]) == ("Canceled", "OperationPreempted")


def test_a_version_has_its_defaults(sealed: AzureSandbox) -> None:
    """Full copies on standard storage, one replica, not excluded."""
    body = sealed.version_body()
    body["properties"]["publishingProfile"] = {"targetRegions": [{"name": LOCATION}]}
    begin = sealed.compute.gallery_image_versions.begin_create_or_update

    profile = begin(GROUP, "gallery", "image", "1.0.0", body).result().publishing_profile

    assert (profile.replication_mode, profile.exclude_from_latest) == ("Full", False)
    assert profile.published_date is not None
    (region,) = profile.target_regions
    assert (region.regional_replica_count, region.storage_account_type) == (1, "Standard_LRS")


def test_a_region_can_be_added_later(sealed: AzureSandbox) -> None:
    """The version is updated; the source is not needed any more."""
    sealed.make_version()
    sealed.compute.virtual_machines.begin_delete(GROUP, "builder").result()
    profile = {"targetRegions": [{"name": LOCATION}, {"name": "westeurope"}]}
    change = {"properties": {"publishingProfile": profile}}

    begin = sealed.compute.gallery_image_versions.begin_update
    begin(GROUP, "gallery", "image", "1.0.0", change).result()

    status = get_version(sealed, expand="ReplicationStatus").replication_status
    assert [item.region for item in status.summary] == ["Sweden Central", "West Europe"]
    assert status.aggregated_state == "Completed"


def test_replicas_cost(sealed: AzureSandbox) -> None:
    """Per region."""
    sealed.make_version("1.0.0")
    sealed.make_version("1.0.1", regions=[LOCATION, "eastus2"])

    listed = sealed.listed()

    assert listed["1.0.1"]["costPerHour"] == pytest.approx(
        2 * listed["1.0.0"]["costPerHour"], rel=1e-3
    )


# --- what never changes --------------------------------------------------------------------


def test_a_version_number_is_used_once(sealed: AzureSandbox) -> None:
    """Another source under the same number is refused; the same one is an update."""
    sealed.make_version()
    other = sealed.vm_id("other")

    error = refused(sealed.make_version, vm_id=other)

    assert (error.status_code, error.error.code) == (409, "PropertyChangeNotAllowed")
    assert "galleryImageVersion.properties.storageProfile.source.id" in error.error.message
    assert sealed.make_version().provisioning_state == "Succeeded"


def test_the_replication_mode_never_changes(sealed: AzureSandbox) -> None:
    """Nor does the storage of a region."""
    sealed.make_version()

    mode = refused(sealed.make_version, mode="Shallow")
    body = sealed.version_body()
    region = {"name": LOCATION, "storageAccountType": "Premium_LRS"}
    body["properties"]["publishingProfile"]["targetRegions"] = [region]
    begin = sealed.compute.gallery_image_versions.begin_create_or_update
    storage = refused(begin, GROUP, "gallery", "image", "1.0.0", body)

    assert mode.error.code == storage.error.code == "PropertyChangeNotAllowed"


@pytest.mark.parametrize(
    ("region", "kind"), [("westus", "Standard_ZRS"), ("eastus", "PremiumV9_LRS")]
)
def test_storage_that_a_region_does_not_have_is_refused(
    sealed: AzureSandbox, region: str, kind: str
) -> None:
    """West US has no availability zones."""
    body = sealed.version_body()
    regions = [{"name": LOCATION}, {"name": region, "storageAccountType": kind}]
    body["properties"]["publishingProfile"]["targetRegions"] = regions
    begin = sealed.compute.gallery_image_versions.begin_create_or_update

    error = refused(begin, GROUP, "gallery", "image", "1.0.0", body).error
    assert (error.code, error.target) == ("InvalidParameter", "storageAccountType")


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        ({"targetRegions": [{"name": "eastus"}]}, "InvalidParameter"),
        ({"replicationMode": "Shallow"}, "PropertyChangeNotAllowed"),
    ],
)
def test_a_patch_obeys_the_same_rules(
    sealed: AzureSandbox, profile: dict[str, Any], code: str
) -> None:
    """What PUT refuses, PATCH refuses."""
    sealed.make_version()
    change = {"properties": {"publishingProfile": profile}}

    begin = sealed.compute.gallery_image_versions.begin_update

    assert refused(begin, GROUP, "gallery", "image", "1.0.0", change).error.code == code


# --- latest --------------------------------------------------------------------------------


def test_the_latest_version_is_the_highest_that_is_not_excluded(sealed: AzureSandbox) -> None:
    """Numbers compare as numbers, whatever was made last."""
    from local.azure_simulator.compute import image_sources

    for version in ("1.0.10", "1.0.9", "1.1.0"):
        sealed.make_version(version)
    change = {"properties": {"publishingProfile": {"excludeFromLatest": True}}}
    begin = sealed.compute.gallery_image_versions.begin_update
    begin(GROUP, "gallery", "image", "1.1.0", change).result()
    definition = {"id": sealed.id("Microsoft.Compute/galleries", "gallery/images/image")}

    found = image_sources.resolve(sealed.azure, definition, LOCATION)

    assert found.exact_version == "1.0.10"
