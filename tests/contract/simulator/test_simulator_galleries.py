"""Galleries, definitions and versions: what must agree, what never changes, what is where."""

from typing import Any

import pytest
from simulated_world import GROUP, LOCATION, UBUNTU, World, definition_body, refused

STANDARD = [{"name": "SecurityType", "value": "Standard"}]
BOTH = {"name": "DiskControllerTypes", "value": "SCSI, NVMe"}


def put_gallery(world: World, name: str = "gallery") -> Any:
    begin = world.compute.galleries.begin_create_or_update
    return begin(GROUP, name, {"location": LOCATION}).result()


def put_definition(world: World, name: str = "image", **changes: Any) -> Any:
    begin = world.compute.gallery_images.begin_create_or_update
    return begin(GROUP, "gallery", name, definition_body(**changes)).result()


def get_version(world: World, version: str = "1.0.0", **options: Any) -> Any:
    versions = world.compute.gallery_image_versions
    return versions.get(GROUP, "gallery", "image", version, **options)


@pytest.fixture
def sealed(world: World) -> World:
    """A world with a sealed, generalized builder and a definition that fits it."""
    world.make_sealed_vm()
    world.make_definition()
    return world


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my-gallery", "_gallery", "gallery.", "g" * 81])
def test_a_gallery_s_name_has_no_hyphens(world: World, name: str) -> None:
    """Letters, digits, underscores, periods; alphanumeric at both ends; 80 at most."""
    world.make_group()

    error = refused(put_gallery, world, name)

    assert (error.status_code, error.error.code) == (400, "InvalidParameter")


@pytest.mark.parametrize("name", ["batchImageGallery", "a.b_c", "g" * 80, "g"])
def test_a_good_gallery_name_is_taken(world: World, name: str) -> None:
    """The default of the old script among them."""
    world.make_group()

    assert put_gallery(world, name).provisioning_state == "Succeeded"


@pytest.mark.parametrize("name", ["-image", "image-", "i" * 81])
def test_a_definition_s_name_is_checked(world: World, name: str) -> None:
    """Hyphens only inside."""
    world.make_group()
    put_gallery(world)

    assert refused(put_definition, world, name).error.target == "galleryImageName"


@pytest.mark.parametrize(
    "version", ["1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.2147483648", "a.b.c"]
)
def test_a_version_is_three_numbers(sealed: World, version: str) -> None:
    """Each an int32, without leading zeros."""
    error = refused(sealed.make_version, version)

    assert error.error.target == "galleryImageVersionName"


# --- definitions ---------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["osType", "osState", "identifier"])
def test_a_definition_is_complete(world: World, missing: str) -> None:
    """400 names what is missing."""
    world.make_group()
    put_gallery(world)

    assert refused(put_definition, world, **{missing: None}).error.target == missing


@pytest.mark.parametrize(
    "identifier",
    [
        {"publisher": "p" * 129, "offer": "o", "sku": "s"},
        {"publisher": "p", "offer": "o" * 65, "sku": "s"},
        {"publisher": "p", "offer": "o", "sku": ""},
    ],
)
def test_an_identifier_has_its_lengths(world: World, identifier: dict[str, str]) -> None:
    """128, 64 and 64, none empty."""
    world.make_group()
    put_gallery(world)

    assert refused(put_definition, world, identifier=identifier).status_code == 400


def test_an_identifier_is_unique_in_its_gallery(world: World) -> None:
    """Two definitions may not share publisher, offer and SKU."""
    world.make_group()
    put_gallery(world)
    put_definition(world, "first")

    error = refused(put_definition, world, "second")

    assert error.status_code == 409
    assert "Choose a different publisher, offer, sku combination" in error.error.message
    other = {"publisher": "acme", "offer": "batch", "sku": "other"}
    put_definition(world, "second", identifier=other)


def test_the_same_definition_again_changes_nothing(world: World) -> None:
    """A retried activity may put it again."""
    world.make_group()
    put_gallery(world)
    put_definition(world)

    assert put_definition(world).provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("osState", "Specialized"),
        ("hyperVGeneration", "V1"),
        ("architecture", "Arm64"),
        ("identifier", {"publisher": "other", "offer": "batch", "sku": "ubuntu"}),
        ("features", [{"name": "SecurityType", "value": "TrustedLaunch"}]),
        ("purchasePlan", {"name": "n", "publisher": "p", "product": "q"}),
    ],
)
@pytest.mark.parametrize("method", ["put", "patch"])
def test_a_definition_never_changes(world: World, name: str, value: Any, method: str) -> None:
    """So get and compare; do not put blindly."""
    world.make_group()
    put_gallery(world)
    put_definition(world)
    change = {"properties": {name: value}}

    error = (
        refused(put_definition, world, **{name: value})
        if method == "put"
        else refused(world.compute.gallery_images.begin_update, GROUP, "gallery", "image", change)
    )

    assert (error.status_code, error.error.code) == (409, "PropertyChangeNotAllowed")
    assert f"galleryImage.properties.{name}" in error.error.message


def test_a_definition_without_a_security_type_gets_one(world: World) -> None:
    """TrustedLaunchSupported and V2, since 2025-03-03: the trap."""
    world.make_group()
    put_gallery(world)

    made = put_definition(world, features=[])

    assert [(item.name, item.value) for item in made.features] == [
        ("SecurityType", "TrustedLaunchSupported")
    ]


def test_disk_controllers_come_back_in_azure_s_order(world: World) -> None:
    """Then the same PUT again is a change."""
    world.make_group()
    put_gallery(world)
    features = [*STANDARD, {"name": "DiskControllerTypes", "value": "NVMe, SCSI"}]

    made = put_definition(world, features=features)

    assert made.features[1].value == "SCSI, NVMe"


def test_a_description_can_be_patched(world: World) -> None:
    """What is not immutable."""
    world.make_group()
    put_gallery(world)
    put_definition(world)
    change = {"tags": {"a": "b"}, "properties": {"description": "new"}}

    begin = world.compute.gallery_images.begin_update

    assert begin(GROUP, "gallery", "image", change).result().description == "new"


def test_a_gallery_can_be_patched(world: World) -> None:
    """Its tags, for instance."""
    world.make_group()
    put_gallery(world)

    world.compute.galleries.begin_update(GROUP, "gallery", {"tags": {"a": "b"}}).result()

    assert world.listed()["gallery"]["tags"] == {"a": "b"}


# --- versions from a machine ---------------------------------------------------------------


def test_a_version_is_made_from_a_generalized_machine(sealed: World) -> None:
    """It knows what the machine contained."""
    made = sealed.make_version()

    assert made.provisioning_state == "Succeeded"
    resource = sealed.azure.store.find(made.id)
    assert resource is not None
    assert resource.state["contents"]["sealed"] is True
    assert resource.state["contents"]["docker"]


def test_a_machine_that_is_not_generalized_is_refused(world: World) -> None:
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
    sealed: World, source: dict[str, str], words: str
) -> None:
    """Neither none nor two."""
    error = refused(sealed.make_version, source=source)

    assert words in error.error.message


def test_a_source_lies_in_the_version_s_region(sealed: World) -> None:
    """Else it is "not found"."""
    error = refused(sealed.make_version, location="eastus", regions=["eastus"])

    assert error.status_code == 404
    assert "in the same region" in error.error.message


def test_generations_agree(world: World) -> None:
    """A V1 machine does not fit a V2 definition."""
    world.make_sealed_vm(image={**UBUNTU, "sku": "server-gen1"})
    world.make_definition()

    assert "different Hypervisor generation ['V1']" in refused(world.make_version).error.message


def test_architectures_agree(world: World) -> None:
    """Nor an Arm64 machine an x64 definition."""
    image = {**UBUNTU, "sku": "server-arm64"}
    world.make_sealed_vm(image=image, size="Standard_D4ps_v5")
    world.make_definition()

    assert "different architecture ['Arm64']" in refused(world.make_version).error.message


def test_plans_agree(world: World) -> None:
    """An image derived from one with a plan keeps the requirement."""
    image = {"publisher": "resf", "offer": "rockylinux-x86_64", "sku": "9-base"}
    plan = {"name": "9-base", "publisher": "resf", "product": "rockylinux-x86_64"}
    world.make_sealed_vm(image={**image, "version": "latest"}, plan=plan)
    world.make_definition()

    assert "purchase plan" in refused(world.make_version).error.message


@pytest.mark.parametrize(
    ("vm", "definition", "is_taken"),
    [
        ("Standard", "Standard", True),
        ("TrustedLaunch", "TrustedLaunch", True),
        ("Standard", "TrustedLaunchSupported", False),
        ("Standard", "TrustedLaunch", False),
        ("TrustedLaunch", "Standard", False),
    ],
)
def test_security_types_agree(world: World, vm: str, definition: str, is_taken: bool) -> None:
    """The machine's and the definition's; "supported" is for other sources."""
    world.make_sealed_vm(security=vm)
    world.make_definition(features=[{"name": "SecurityType", "value": definition}])

    if is_taken:
        assert world.make_version().provisioning_state == "Succeeded"
    else:
        error = refused(world.make_version)
        assert (error.status_code, error.error.code) == (400, "InvalidParameter")
        assert "security type" in error.error.message


def test_an_nvme_machine_needs_the_feature(world: World) -> None:
    """DiskControllerTypes, in Azure's order."""
    world.make_sealed_vm(size="Standard_D4s_v6")
    world.make_definition("image")

    assert "DiskControllerTypes" in refused(world.make_version).error.message


def test_an_nvme_machine_with_the_feature_is_taken(world: World) -> None:
    """Both together."""
    world.make_sealed_vm(size="Standard_D4s_v6")
    world.make_definition(features=[*STANDARD, BOTH])

    assert world.make_version().provisioning_state == "Succeeded"


def test_an_ephemeral_disk_cannot_be_captured(world: World) -> None:
    """The message says so."""
    world.make_network()
    body = world.vm_body(size="Standard_D4ds_v5")
    body["properties"]["storageProfile"]["osDisk"]["diffDiskSettings"] = {"option": "Local"}
    world.compute.virtual_machines.begin_create_or_update(GROUP, "builder", body).result()
    world.generalize()
    world.make_definition()

    assert "cannot contain an ephemeral OS disk" in refused(world.make_version).error.message


def test_the_source_must_last_until_the_copy_is_made(sealed: World) -> None:
    """Deleting the builder too early fails the version; afterwards it may go."""
    versions = sealed.compute.gallery_image_versions
    body = sealed.version_body()
    versions.begin_create_or_update(GROUP, "gallery", "image", "1.0.0", body, polling=False)
    sealed.compute.virtual_machines.begin_delete(GROUP, "builder").result()
    sealed.wait(1200)

    assert get_version(sealed).provisioning_state == "Failed"


def test_a_failed_version_can_be_put_again(sealed: World) -> None:
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
def test_target_regions_are_checked(sealed: World, regions: list[str], words: str) -> None:
    """The own one among them, none twice, all known."""
    error = refused(sealed.make_version, regions=regions)

    assert (error.status_code, words in error.error.message) == (400, True)


def test_regions_come_back_by_their_display_names(sealed: World) -> None:
    """While the location stays as it was."""
    made = sealed.make_version(regions=[LOCATION, "eastus2"])

    names = [region.name for region in made.publishing_profile.target_regions]
    assert (names, made.location) == (["Sweden Central", "East US 2"], LOCATION)


def test_replication_is_told_by_region(sealed: World) -> None:
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


def test_a_failed_version_says_so_for_its_regions(sealed: World) -> None:
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


def test_a_region_can_be_added_later(sealed: World) -> None:
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


def test_replicas_cost(sealed: World) -> None:
    """Per region."""
    sealed.make_version("1.0.0")
    sealed.make_version("1.0.1", regions=[LOCATION, "eastus2"])

    listed = sealed.listed()

    assert listed["1.0.1"]["costPerHour"] == pytest.approx(
        2 * listed["1.0.0"]["costPerHour"], rel=1e-3
    )


# --- what never changes --------------------------------------------------------------------


def test_a_version_number_is_used_once(sealed: World) -> None:
    """Another source under the same number is refused; the same one is an update."""
    sealed.make_version()
    other = sealed.vm_id("other")

    error = refused(sealed.make_version, vm_id=other)

    assert (error.status_code, error.error.code) == (409, "PropertyChangeNotAllowed")
    assert "galleryImageVersion.properties.storageProfile.source.id" in error.error.message
    assert sealed.make_version().provisioning_state == "Succeeded"


def test_the_replication_mode_never_changes(sealed: World) -> None:
    """Nor does the storage of a region."""
    sealed.make_version()

    mode = refused(sealed.make_version, mode="Shallow")
    body = sealed.version_body()
    region = {"name": LOCATION, "storageAccountType": "Premium_LRS"}
    body["properties"]["publishingProfile"]["targetRegions"] = [region]
    begin = sealed.compute.gallery_image_versions.begin_create_or_update
    storage = refused(begin, GROUP, "gallery", "image", "1.0.0", body)

    assert mode.error.code == storage.error.code == "PropertyChangeNotAllowed"


# --- latest --------------------------------------------------------------------------------


def test_the_latest_version_is_the_highest_that_is_not_excluded(sealed: World) -> None:
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


# --- deletion ------------------------------------------------------------------------------


def test_deletion_goes_from_the_inside_out(sealed: World) -> None:
    """Versions, then the definition, then the gallery."""
    sealed.make_version()
    compute = sealed.compute

    errors = [
        refused(compute.gallery_images.begin_delete, GROUP, "gallery", "image"),
        refused(compute.galleries.begin_delete, GROUP, "gallery"),
    ]

    assert {error.error.code for error in errors} == {"CannotDeleteResource"}
    compute.gallery_image_versions.begin_delete(GROUP, "gallery", "image", "1.0.0").result()
    compute.gallery_images.begin_delete(GROUP, "gallery", "image").result()
    compute.galleries.begin_delete(GROUP, "gallery").result()


# --- managed images ------------------------------------------------------------------------


def image_body(world: World, generation: str = "V2") -> dict[str, Any]:
    source = {"id": world.vm_id()}
    properties = {"sourceVirtualMachine": source, "hyperVGeneration": generation}
    return {"location": LOCATION, "properties": properties}


def put_image(world: World, body: dict[str, Any]) -> Any:
    return world.compute.images.begin_create_or_update(GROUP, "managed", body).result()


def test_a_managed_image_can_be_a_source_too(sealed: World) -> None:
    """The older way, on request."""
    put_image(sealed, image_body(sealed))
    source = {"id": sealed.id("Microsoft.Compute/images", "managed")}

    made = sealed.make_version(source=source)

    assert made.provisioning_state == "Succeeded"
    sealed.compute.images.begin_delete(GROUP, "managed").result()


def test_a_managed_image_needs_a_generalized_machine(world: World) -> None:
    """409."""
    world.make_vm()

    error = refused(put_image, world, image_body(world))

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")


def test_a_managed_image_needs_its_machine(world: World) -> None:
    """404."""
    world.make_group()

    assert refused(put_image, world, image_body(world)).status_code == 404


def test_a_managed_image_has_the_machine_s_generation(sealed: World) -> None:
    """V1 is the default, and wrong here."""
    error = refused(put_image, sealed, image_body(sealed, "V1"))

    assert error.error.target == "hyperVGeneration"


def test_trusted_launch_makes_no_managed_images(world: World) -> None:
    """Only gallery versions."""
    world.make_sealed_vm(security="TrustedLaunch")

    error = refused(put_image, world, image_body(world))

    assert "not supported for virtual machine with TrustedLaunch" in error.error.message
