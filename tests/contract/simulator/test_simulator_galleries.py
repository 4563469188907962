"""Galleries, definitions and versions: what must agree, what never changes, what is where."""

from typing import Any

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox, definition_body, refused

STANDARD = [{"name": "SecurityType", "value": "Standard"}]
BOTH = {"name": "DiskControllerTypes", "value": "SCSI, NVMe"}


def put_gallery(world: AzureSandbox, name: str = "gallery") -> Any:
    begin = world.compute.galleries.begin_create_or_update
    return begin(GROUP, name, {"location": LOCATION}).result()


def put_definition(world: AzureSandbox, name: str = "image", **changes: Any) -> Any:
    begin = world.compute.gallery_images.begin_create_or_update
    return begin(GROUP, "gallery", name, definition_body(**changes)).result()


# --- names ---------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["my-gallery", "_gallery", "gallery.", "g" * 81])
def test_a_gallery_s_name_has_no_hyphens(world: AzureSandbox, name: str) -> None:
    """Letters, digits, underscores, periods; alphanumeric at both ends; 80 at most."""
    world.make_group()

    error = refused(put_gallery, world, name)

    assert (error.status_code, error.error.code) == (400, "InvalidParameter")


@pytest.mark.parametrize("name", ["batchImageGallery", "a.b_c", "g" * 80, "g"])
def test_a_good_gallery_name_is_taken(world: AzureSandbox, name: str) -> None:
    """The default of the old script among them."""
    world.make_group()

    assert put_gallery(world, name).provisioning_state == "Succeeded"


@pytest.mark.parametrize("name", ["-image", "image-", "i" * 81])
def test_a_definition_s_name_is_checked(world: AzureSandbox, name: str) -> None:
    """Hyphens only inside."""
    world.make_group()
    put_gallery(world)

    assert refused(put_definition, world, name).error.target == "galleryImageName"


@pytest.mark.parametrize(
    "version", ["1.0", "1.0.0.0", "v1.0.0", "01.0.0", "1.0.2147483648", "a.b.c"]
)
def test_a_version_is_three_numbers(sealed: AzureSandbox, version: str) -> None:
    """Each an int32, without leading zeros."""
    error = refused(sealed.make_version, version)

    assert error.error.target == "galleryImageVersionName"


# --- definitions ---------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["osType", "osState", "identifier"])
def test_a_definition_is_complete(world: AzureSandbox, missing: str) -> None:
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
def test_an_identifier_has_its_lengths(world: AzureSandbox, identifier: dict[str, str]) -> None:
    """128, 64 and 64, none empty."""
    world.make_group()
    put_gallery(world)

    assert refused(put_definition, world, identifier=identifier).status_code == 400


def test_an_identifier_is_unique_in_its_gallery(world: AzureSandbox) -> None:
    """Two definitions may not share publisher, offer and SKU."""
    world.make_group()
    put_gallery(world)
    put_definition(world, "first")

    error = refused(put_definition, world, "second")

    assert error.status_code == 409
    assert "Choose a different publisher, offer, sku combination" in error.error.message
    other = {"publisher": "acme", "offer": "batch", "sku": "other"}
    put_definition(world, "second", identifier=other)


def test_the_same_definition_again_changes_nothing(world: AzureSandbox) -> None:
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
def test_a_definition_never_changes(
    world: AzureSandbox, name: str, value: Any, method: str
) -> None:
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


def test_a_definition_without_a_security_type_gets_one(world: AzureSandbox) -> None:
    """TrustedLaunchSupported and V2, since 2025-03-03: the trap."""
    world.make_group()
    put_gallery(world)

    made = put_definition(world, features=[])

    assert [(item.name, item.value) for item in made.features] == [
        ("SecurityType", "TrustedLaunchSupported")
    ]


def test_disk_controllers_come_back_in_azure_s_order(world: AzureSandbox) -> None:
    """Then the same PUT again is a change."""
    world.make_group()
    put_gallery(world)
    features = [*STANDARD, {"name": "DiskControllerTypes", "value": "NVMe, SCSI"}]

    made = put_definition(world, features=features)

    assert made.features[1].value == "SCSI, NVMe"


def test_a_description_can_be_patched(world: AzureSandbox) -> None:
    """What is not immutable."""
    world.make_group()
    put_gallery(world)
    put_definition(world)
    change = {"tags": {"a": "b"}, "properties": {"description": "new"}}

    begin = world.compute.gallery_images.begin_update

    assert begin(GROUP, "gallery", "image", change).result().description == "new"


def test_a_gallery_can_be_patched(world: AzureSandbox) -> None:
    """Its tags, for instance."""
    world.make_group()
    put_gallery(world)

    change = {"tags": {"a": "b"}, "properties": {"description": "new"}}
    patched = world.compute.galleries.begin_update(GROUP, "gallery", change).result()

    assert world.listed()["gallery"]["tags"] == {"a": "b"}
    assert patched.description == "new"


def test_a_gallery_says_whether_it_is_new(world: AzureSandbox) -> None:
    """201 and Creating, then 200 and Updating."""
    world.make_group()
    path = f"{world.id('Microsoft.Compute/galleries', 'gallery')}?api-version=2026-03-03"
    answers = []
    for _ in range(2):
        answers.append(world.send("PUT", path, {"location": LOCATION}))
        world.wait(60)

    states = [answer.json()["properties"]["provisioningState"] for answer in answers]
    assert [answer.status for answer in answers] == [201, 200]
    assert states == ["Creating", "Updating"]


# --- deletion ------------------------------------------------------------------------------


def test_deletion_goes_from_the_inside_out(sealed: AzureSandbox) -> None:
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


def test_a_gallery_that_is_deleted_takes_nothing_new(world: AzureSandbox) -> None:
    """What came after the deletion began would vanish with it."""
    world.make_group()
    put_gallery(world)
    world.compute.galleries.begin_delete(GROUP, "gallery", polling=False)
    error = refused(put_definition, world)
    assert (error.status_code, error.error.code) == (409, "Conflict")


def image_body(world: AzureSandbox, generation: str = "V2") -> dict[str, Any]:
    source = {"id": world.vm_id()}
    properties = {"sourceVirtualMachine": source, "hyperVGeneration": generation}
    return {"location": LOCATION, "properties": properties}


def put_image(world: AzureSandbox, body: dict[str, Any]) -> Any:
    return world.compute.images.begin_create_or_update(GROUP, "managed", body).result()


def test_a_managed_image_can_be_a_source_too(sealed: AzureSandbox) -> None:
    """The older way, on request."""
    put_image(sealed, image_body(sealed))
    source = {"id": sealed.id("Microsoft.Compute/images", "managed")}

    made = sealed.make_version(source=source)

    assert made.provisioning_state == "Succeeded"
    assert put_image(sealed, image_body(sealed)).provisioning_state == "Succeeded"
    sealed.compute.images.begin_delete(GROUP, "managed").result()


def test_a_managed_image_needs_a_generalized_machine(world: AzureSandbox) -> None:
    """409."""
    world.make_vm()

    error = refused(put_image, world, image_body(world))

    assert (error.status_code, error.error.code) == (409, "OperationNotAllowed")


def test_a_managed_image_needs_its_machine(world: AzureSandbox) -> None:
    """404."""
    world.make_group()

    assert refused(put_image, world, image_body(world)).status_code == 404


def test_a_managed_image_has_the_machine_s_generation(sealed: AzureSandbox) -> None:
    """V1 is the default, and wrong here."""
    error = refused(put_image, sealed, image_body(sealed, "V1"))

    assert error.error.target == "hyperVGeneration"


def test_trusted_launch_makes_no_managed_images(world: AzureSandbox) -> None:
    """Only gallery versions."""
    world.make_sealed_vm(security="TrustedLaunch")

    error = refused(put_image, world, image_body(world))

    assert "not supported for virtual machine with TrustedLaunch" in error.error.message
