"""What compute offers: sizes, usage, marketplace images."""

import pytest
from azure_sandbox import LOCATION, AzureSandbox, put_vm, refused


def sizes(world: AzureSandbox, location: str = LOCATION) -> dict:
    listed = world.compute.resource_skus.list(filter=f"location eq '{location}'")
    return {item.name: item for item in listed}


def capabilities(size) -> dict[str, str]:
    return {item.name: item.value for item in size.capabilities}


def test_sizes_say_what_they_can_do(world: AzureSandbox) -> None:
    """All values are strings."""
    size = sizes(world)["Standard_NC4as_T4_v3"]

    found = capabilities(size)
    assert size.family == "Standard NCASv3_T4 Family"
    assert (found["vCPUs"], found["GPUs"], found["MemoryGB"]) == ("4", "1", "28")
    assert found["HyperVGenerations"] == "V1,V2"


def test_retired_sizes_are_absent(world: AzureSandbox) -> None:
    """NC6 and its kind."""
    assert not {"Standard_NC6", "Standard_NC12", "Standard_NV6"} & set(sizes(world))


def test_sizes_are_missing_in_some_regions(world: AzureSandbox) -> None:
    """GPU sizes in many."""
    assert "Standard_NC24ads_A100_v4" in sizes(world, "swedencentral")
    assert "Standard_NC24ads_A100_v4" not in sizes(world, "francecentral")


def test_a_restriction_of_the_location_makes_a_size_unusable(world: AzureSandbox) -> None:
    """It is listed all the same."""
    (restriction,) = sizes(world)["Standard_ND96isr_H100_v5"].restrictions

    assert (restriction.type, restriction.values_property) == ("Location", [LOCATION])
    assert restriction.reason_code == "NotAvailableForSubscription"


def test_a_restriction_of_a_zone_is_another_thing(world: AzureSandbox) -> None:
    """The size works regionally."""
    (restriction,) = sizes(world)["Standard_D16ds_v5"].restrictions

    assert restriction.type == "Zone"
    assert restriction.restriction_info.zones == ["3"]


def test_the_whole_list_has_all_regions(world: AzureSandbox) -> None:
    """And comes in pages."""
    regions = {item.locations[0] for item in world.compute.resource_skus.list()}

    assert {"swedencentral", "eastus", "francecentral"} <= regions


def test_usage_counts_the_machines(world: AzureSandbox) -> None:
    """Family names match those of the sizes."""
    world.make_vm()

    usage = {item.name.value: item for item in world.compute.usage.list(LOCATION)}

    assert usage["cores"].current_value == 4
    assert usage["standardDSv5Family"].current_value == 4
    assert usage["Standard NCASv3_T4 Family"].current_value == 0
    assert usage["virtualMachines"].current_value == 1
    assert usage["lowPriorityCores"].limit > 0


def test_spot_machines_count_elsewhere(world: AzureSandbox) -> None:
    """In one figure for all families."""
    world.make_network()
    body = world.vm_body()
    body["properties"]["priority"] = "Spot"
    put_vm(world, body).result()

    usage = {item.name.value: item for item in world.compute.usage.list(LOCATION)}

    assert usage["lowPriorityCores"].current_value == 4
    assert usage["cores"].current_value == usage["standardDSv5Family"].current_value == 0


def test_usage_is_counted_by_region(world: AzureSandbox) -> None:
    """Another region has its own."""
    world.make_vm()

    usage = {item.name.value: item for item in world.compute.usage.list("eastus")}

    assert usage["cores"].current_value == 0


def test_images_are_found_from_publisher_to_version(world: AzureSandbox) -> None:
    """What a person needs who misspelt one."""
    images = world.compute.virtual_machine_images
    offer = ("Canonical", "ubuntu-24_04-lts")

    assert "Canonical" in [item.name for item in images.list_publishers(LOCATION)]
    assert offer[1] in [item.name for item in images.list_offers(LOCATION, offer[0])]
    assert "server" in [item.name for item in images.list_skus(LOCATION, *offer)]
    newest = images.list(LOCATION, *offer, "server", top=1, orderby="name desc")
    assert [item.name for item in newest] == ["24.04.202611010"]


def test_an_image_says_what_it_is(world: AzureSandbox) -> None:
    """Generation, architecture, plan."""
    images = world.compute.virtual_machine_images

    ubuntu = images.get(LOCATION, "Canonical", "ubuntu-24_04-lts", "server", "24.04.202611010")
    rocky = images.get(LOCATION, "resf", "rockylinux-x86_64", "9-base", "9.6.20260531")

    assert (ubuntu.hyper_v_generation, ubuntu.architecture, ubuntu.plan) == ("V2", "x64", None)
    assert rocky.plan.as_dict() == {
        "name": "9-base",
        "publisher": "resf",
        "product": "rockylinux-x86_64",
    }


@pytest.mark.parametrize(
    ("publisher", "offer", "sku", "version", "code"),
    [
        ("Canonical", "ubuntu-24_04-lts", "none", "1", "NotFound"),
        ("Canonical", "ubuntu-24_04-lts", "server", "1", "PlatformImageNotFound"),
    ],
)
def test_an_unknown_image_is_not_found(
    world: AzureSandbox, publisher: str, offer: str, sku: str, version: str, code: str
) -> None:
    """404."""
    images = world.compute.virtual_machine_images

    error = refused(images.get, LOCATION, publisher, offer, sku, version)

    assert (error.status_code, error.error.code) == (404, code)
