"""Resource groups, resource providers, and lists across types."""

import pytest
from azure_sandbox import GROUP, LOCATION, AzureSandbox, refused

TYPE = "Microsoft.Network/publicIPAddresses"


def make_address(world: AzureSandbox, name: str, **more) -> None:
    body = {"location": LOCATION, "sku": {"name": "Standard"}, **more}
    world.network.public_ip_addresses.begin_create_or_update(GROUP, name, body).result()


def test_a_group_is_created_once_and_updated_later(world: AzureSandbox) -> None:
    """PUT is plain: 201 the first time, 200 later, no operation."""
    path = f"{world.group_id()}?api-version=2025-04-01"
    body = {"location": LOCATION, "tags": {"a": "1"}}

    answers = [world.send("PUT", path, body) for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 200]
    assert answers[0].json()["properties"]["provisioningState"] == "Succeeded"


def test_existence_is_asked_with_head(world: AzureSandbox) -> None:
    """HEAD answers 204 or 404."""
    exists = world.resources.resource_groups.check_existence

    assert not exists(GROUP)
    world.make_group()
    assert exists(GROUP)


def test_a_group_does_not_move(world: AzureSandbox) -> None:
    """The same name in another location is a conflict."""
    world.make_group()

    error = refused(
        world.resources.resource_groups.create_or_update, GROUP, {"location": "westeurope"}
    )

    assert (error.status_code, error.error.code) == (409, "InvalidResourceGroupLocation")


def test_a_group_lies_in_a_region_that_exists(world: AzureSandbox) -> None:
    """A misspelt region is refused."""
    error = refused(world.resources.resource_groups.create_or_update, GROUP, {"location": "sweden"})

    assert error.error.code == "LocationNotAvailableForResourceGroup"


def test_deleting_a_group_takes_everything_with_it(world: AzureSandbox) -> None:
    """It is the most robust cleanup; until it ends everything exists and costs."""
    world.make_group()
    make_address(world, "address")

    world.resources.resource_groups.begin_delete(GROUP, polling=False)

    assert world.listed()["address"]["costPerHour"] > 0
    world.wait(300)
    assert world.listed() == {}


def test_a_group_being_deleted_refuses_writes(world: AzureSandbox) -> None:
    """A build that starts again at the wrong moment meets this."""
    world.make_group()
    world.resources.resource_groups.begin_delete(GROUP, polling=False)

    inside = refused(make_address, world, "address")
    again = refused(world.resources.resource_groups.create_or_update, GROUP, {"location": LOCATION})

    assert (inside.status_code, inside.error.code) == (409, "ResourceGroupBeingDeleted")
    assert again.error.code == "ResourceGroupBeingDeleted"


def test_a_second_delete_joins_the_first(world: AzureSandbox) -> None:
    """Deleting twice is harmless."""
    world.make_group()
    begin = world.resources.resource_groups.begin_delete
    begin(GROUP, polling=False)
    begin(GROUP).result()

    assert refused(begin, GROUP).error.code == "ResourceGroupNotFound"


def test_writes_need_a_group_that_exists(world: AzureSandbox) -> None:
    """404 names the group, not the resource."""
    error = refused(make_address, world, "address")

    assert (error.status_code, error.error.code) == (404, "ResourceGroupNotFound")


def test_reads_say_what_is_missing(world: AzureSandbox) -> None:
    """First the group, then the resource."""
    get = world.network.public_ip_addresses.get
    without_group = refused(get, GROUP, "address")
    world.make_group()
    without_resource = refused(get, GROUP, "address")

    assert without_group.error.code == "ResourceGroupNotFound"
    assert without_resource.error.code == "ResourceNotFound"
    assert f"'{TYPE}/address' under resource group '{GROUP}'" in without_resource.error.message


def test_lists_and_deletes_need_their_group_too(world: AzureSandbox) -> None:
    """An empty list, or a success, would hide a misspelt group."""
    addresses = world.network.public_ip_addresses

    errors = [
        refused(lambda: list(addresses.list(GROUP))),
        refused(addresses.begin_delete, GROUP, "address"),
    ]

    assert {error.error.code for error in errors} == {"ResourceGroupNotFound"}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "LocationRequired"),
        ({"location": "atlantis"}, "LocationNotAvailableForResourceType"),
    ],
)
def test_a_resource_needs_a_region_that_exists(world: AzureSandbox, body: dict, code: str) -> None:
    """Both mistakes are 400."""
    world.make_group()
    begin = world.network.public_ip_addresses.begin_create_or_update

    assert refused(begin, GROUP, "address", body).error.code == code


def test_a_resource_does_not_move(world: AzureSandbox) -> None:
    """The same name in another region is a conflict."""
    world.make_group()
    make_address(world, "address")

    error = refused(make_address, world, "address", location="eastus")

    assert (error.status_code, error.error.code) == (409, "InvalidResourceLocation")


def test_a_child_needs_its_parent(world: AzureSandbox) -> None:
    """A definition without its gallery is refused by the parent's name."""
    world.make_group()
    begin = world.compute.gallery_images.begin_create_or_update

    error = refused(begin, GROUP, "gallery", "image", {"location": LOCATION, "properties": {}})

    assert (error.status_code, error.error.code) == (404, "ParentResourceNotFound")


def test_a_create_only_request_meets_what_exists(world: AzureSandbox) -> None:
    """If-None-Match: * makes a PUT create-only."""
    world.make_network()
    path = f"{world.id('Microsoft.Network/virtualNetworks', 'net')}?api-version=2025-05-01"

    answer = world.send("PUT", path, {"location": LOCATION}, If_None_Match="*")

    assert answer.status == 412


def test_an_update_can_insist_on_the_version_it_knows(world: AzureSandbox) -> None:
    """If-Match compares etags."""
    world.make_network()
    path = f"{world.id('Microsoft.Network/virtualNetworks', 'net')}?api-version=2025-05-01"
    network = world.send("GET", path).json()

    stale = world.send("PUT", path, network, If_Match='W/"old"')
    fresh = world.send("PUT", path, network, If_Match=network["etag"])

    assert (stale.status, fresh.status) == (412, 200)
    assert world.send("GET", path).headers["ETag"] != network["etag"]


# --- providers -----------------------------------------------------------------------------


def test_an_unregistered_provider_refuses_writes(world: AzureSandbox) -> None:
    """409, with the namespace as target, so that a client may register it."""
    world.make_group()
    world.resources.providers.unregister("Microsoft.Network")
    path = f"{world.id(TYPE, 'address')}?api-version=2025-05-01"

    answer = world.send("PUT", path, {"location": LOCATION})

    error = answer.json()["error"]
    assert (answer.status, error["code"]) == (409, "MissingSubscriptionRegistration")
    assert error["details"][0]["target"] == "Microsoft.Network"


def test_registering_takes_a_while(world: AzureSandbox) -> None:
    """The answer comes at once and says Registering."""
    world.resources.providers.unregister("Microsoft.Batch")

    answer = world.resources.providers.register("Microsoft.Batch")

    assert answer.registration_state == "Registering"
    world.wait(120)
    assert world.resources.providers.get("Microsoft.Batch").registration_state == "Registered"


def test_an_unknown_namespace_is_refused(world: AzureSandbox) -> None:
    """A typing error in a namespace."""
    error = refused(world.resources.providers.get, "Microsoft.Bach")

    assert error.error.code == "InvalidResourceNamespace"


# --- lists ---------------------------------------------------------------------------------


def test_resources_are_found_by_their_tag(world: AzureSandbox) -> None:
    """The sweep finds what a lost build left by its tags."""
    world.make_group()
    make_address(world, "mine", tags={"build": "b1"})
    make_address(world, "other", tags={"build": "b2"})
    make_address(world, "foreign")

    one = world.resources.resources.list(filter="tagName eq 'build' and tagValue eq 'b1'")
    both = list(world.resources.resources.list(filter="tagName eq 'build'"))

    assert [item.name for item in one] == ["mine"]
    assert all(item.properties is None for item in both)
    assert sorted(item.name for item in both) == ["mine", "other"]


def test_a_list_that_is_filtered_by_a_tag_shows_no_tags(world: AzureSandbox) -> None:
    """As the SDK documents: the original tags are not returned in the results."""
    world.make_group()
    make_address(world, "mine", tags={"build": "b1"})
    calls = world.resources.resources
    by_tag = "tagName eq 'build'"

    assert [item.tags for item in calls.list(filter=by_tag)] == [None]
    assert [item.tags for item in calls.list_by_resource_group(GROUP, filter=by_tag)] == [None]
    assert [item.tags for item in calls.list()] == [{"build": "b1"}]
    assert [item.tags for item in calls.list(filter=f"resourceType eq '{TYPE}'")] == [
        {"build": "b1"}
    ]


def test_resources_are_found_by_their_type(world: AzureSandbox) -> None:
    """The other filter that is supported."""
    world.make_network()
    make_address(world, "address")

    found = world.resources.resources.list(filter=f"resourceType eq '{TYPE}'")

    assert [item.name for item in found] == ["address"]


def test_another_filter_is_refused(world: AzureSandbox) -> None:
    """Never the whole list instead."""
    error = refused(lambda: list(world.resources.resources.list(filter="color eq 'red'")))

    assert (error.status_code, error.error.code) == (400, "InvalidFilterInQueryString")


def test_groups_are_found_by_their_tag(world: AzureSandbox) -> None:
    """Groups are listed by their own route."""
    groups = world.resources.resource_groups
    groups.create_or_update("mine", {"location": LOCATION, "tags": {"build": "b1"}})
    groups.create_or_update("other", {"location": LOCATION})

    found = groups.list(filter="tagName eq 'build' and tagValue eq 'b1'")

    assert [group.name for group in found] == ["mine"]


def test_a_subscription_lists_a_type_across_its_groups(world: AzureSandbox) -> None:
    """Beside the list of each group."""
    world.make_group("other")
    body = {"location": LOCATION, "sku": {"name": "Standard"}}
    begin = world.network.public_ip_addresses.begin_create_or_update
    begin("other", "there", body).result()
    world.make_group()
    make_address(world, "here")

    names = [item.name for item in world.network.public_ip_addresses.list_all()]

    assert names == ["there", "here"]


def test_a_group_lists_what_is_in_it(world: AzureSandbox) -> None:
    """Only its own, and not itself."""
    world.make_group()
    world.make_group("other")
    make_address(world, "address")

    found = world.resources.resources.list_by_resource_group(GROUP)

    assert [item.name for item in found] == ["address"]
    assert list(world.resources.resources.list_by_resource_group("other")) == []


def test_long_lists_come_in_pages(make_world) -> None:
    """The SDK follows nextLink, which leads through the same host."""
    world = make_world(page_size=2)
    world.make_group()
    for number in range(5):
        make_address(world, f"address{number}")
    before = len(world.ledger())

    names = [item.name for item in world.network.public_ip_addresses.list(GROUP)]

    assert names == [f"address{number}" for number in range(5)]
    assert len(world.ledger()) - before == 3
