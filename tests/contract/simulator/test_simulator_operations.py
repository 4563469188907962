"""The forms of long-running operations, as recorded from the real service."""

import pytest
from azure.core.exceptions import HttpResponseError
from azure_sandbox import GROUP, LOCATION, AzureSandbox, Unwatched, refused

ADDRESS = "Microsoft.Network/publicIPAddresses"
VERSION = "?api-version=2025-05-01"
BODY = {"location": LOCATION, "sku": {"name": "Standard"}}


def put_address(world: AzureSandbox, **headers: str):
    world.make_group()
    return world.send("PUT", f"{world.id(ADDRESS, 'address')}{VERSION}", BODY, **headers)


def start_deallocation(world: AzureSandbox):
    world.make_vm()
    return world.send("POST", f"{world.vm_id()}/deallocate?api-version=2026-04-01")


def test_a_put_answers_with_the_resource_and_where_to_ask(world: AzureSandbox) -> None:
    """201 with the body, Azure-AsyncOperation, no Location; 200 for an update."""
    created = put_address(world)
    world.wait(60)
    updated = put_address(world)

    assert (created.status, updated.status) == (201, 200)
    assert created.json()["properties"]["provisioningState"] == "Updating"
    assert "Azure-AsyncOperation" in created.headers
    assert "Location" not in created.headers


def test_compute_says_creating_where_network_says_updating(world: AzureSandbox) -> None:
    """Both are not yet Succeeded; a client must not know all the words."""
    world.make_network()
    body = world.vm_body()

    answer = world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", body)

    assert answer.json()["properties"]["provisioningState"] == "Creating"


def test_an_action_answers_202_with_both_headers(world: AzureSandbox) -> None:
    """POST and DELETE in compute and network; no body."""
    answer = start_deallocation(world)

    assert (answer.status, answer.body) == (202, b"")
    assert {"Azure-AsyncOperation", "Location", "Retry-After"} <= set(answer.headers)


def test_compute_s_location_is_its_monitor_with_a_flag(world: AzureSandbox) -> None:
    """The same operation URL with monitor=true."""
    answer = start_deallocation(world)

    status_url, location = (answer.headers[name] for name in ("Azure-AsyncOperation", "Location"))
    assert "monitor=true" in location
    assert status_url.partition("?")[0] == location.partition("?")[0]


def test_network_s_location_is_a_url_of_its_own(world: AzureSandbox) -> None:
    """operationResults beside operations."""
    put_address(world)
    world.wait(60)

    answer = world.send("DELETE", f"{world.id(ADDRESS, 'address')}{VERSION}")

    assert "/operationResults/" in answer.headers["Location"]
    assert "/operations/" in answer.headers["Azure-AsyncOperation"]


def test_a_group_delete_has_a_location_only(world: AzureSandbox) -> None:
    """202 + Location; polled 202 … 200."""
    world.make_group()

    answer = world.send("DELETE", f"{world.group_id()}{VERSION}")
    polled = world.send("GET", answer.headers["Location"])
    world.wait(300)
    ended = world.send("GET", polled.headers["Location"])

    assert "Azure-AsyncOperation" not in answer.headers
    assert [answer.status, polled.status, ended.status] == [202, 202, 200]


def test_the_monitor_answers_200_while_running(world: AzureSandbox) -> None:
    """Only the document says how it stands."""
    answer = start_deallocation(world)

    running = world.send("GET", answer.headers["Azure-AsyncOperation"])
    world.wait(120)
    ended = world.send("GET", answer.headers["Azure-AsyncOperation"])

    assert (running.status, ended.status) == (200, 200)
    assert running.json()["status"] == "InProgress"
    assert set(running.json()) == {"startTime", "status", "name"}
    assert ended.json()["status"] == "Succeeded"
    assert "endTime" in ended.json()


def test_the_monitor_answers_200_when_failed(world: AzureSandbox) -> None:
    """The SDK's error then has status code 200 and the operation's code."""
    world.make_network()
    world.add_fault(operation="virtualMachines.create", effect="allocation")
    begin = world.compute.virtual_machines.begin_create_or_update

    error = refused(begin, GROUP, "builder", world.vm_body())

    assert (error.status_code, error.error.code) == (200, "AllocationFailed")


def test_a_location_monitor_fails_with_a_status(world: AzureSandbox) -> None:
    """409 with the error in ARM's envelope."""
    put_address(world)
    world.wait(60)
    world.add_fault(operation="publicIPAddresses.delete", effect="allocation", code="Stuck")
    answer = world.send("DELETE", f"{world.id(ADDRESS, 'address')}{VERSION}")
    world.wait(60)

    ended = world.send("GET", answer.headers["Location"])

    assert (ended.status, ended.json()["error"]["code"]) == (409, "Stuck")


def test_network_s_monitor_says_its_status_only(world: AzureSandbox) -> None:
    """No times, no name."""
    answer = put_address(world)

    document = world.send("GET", answer.headers["Azure-AsyncOperation"]).json()

    assert document == {"status": "InProgress"}


def test_monitor_urls_follow_the_request_s_host(world: AzureSandbox) -> None:
    """A recording proxy may stand between; all traffic follows it."""
    answer = put_address(world, Host="127.0.0.1:9000", X_Forwarded_Proto="http")

    url = answer.headers["Azure-AsyncOperation"]
    assert url.startswith("http://127.0.0.1:9000/subscriptions/")


def test_monitor_urls_are_long_and_change_with_each_answer(world: AzureSandbox) -> None:
    """Signed, nearly 4,000 characters; the newest is to be followed, the first stays valid."""
    answer = start_deallocation(world)

    first = answer.headers["Azure-AsyncOperation"]
    second = world.send("GET", first).headers["Azure-AsyncOperation"]

    assert 3000 < len(first) < 4500
    assert first != second
    assert world.send("GET", first).status == 200


def test_short_urls_can_be_asked_for(make_world) -> None:
    """Thousands of simulated builds need no signatures."""
    world = make_world(signed_urls=False)

    assert len(put_address(world).headers["Azure-AsyncOperation"]) < 400


def test_retry_after_changes_from_answer_to_answer(world: AzureSandbox) -> None:
    """VM creation: 10, then 50; a client must not assume its own interval."""
    world.make_network()
    answer = world.send("PUT", f"{world.vm_id()}?api-version=2026-04-01", world.vm_body())
    polled = world.send("GET", answer.headers["Azure-AsyncOperation"])
    again = world.send("GET", answer.headers["Azure-AsyncOperation"])

    values = [item.headers["Retry-After"] for item in (answer, polled, again)]
    assert values == ["10", "50", "50"]


def test_retry_after_can_be_left_out(make_world) -> None:
    """It is often absent."""
    world = make_world(retry_after=False)

    assert "Retry-After" not in put_address(world).headers


def test_an_operation_is_forgotten_after_a_day(world: AzureSandbox) -> None:
    """404; then only the resource can tell."""
    url = put_address(world).headers["Azure-AsyncOperation"]
    world.wait(27 * 3600)

    answer = world.send("GET", url)

    assert (answer.status, answer.json()["error"]["code"]) == (404, "NotFound")


def test_an_operation_resumes_from_its_continuation_token(world: AzureSandbox) -> None:
    """Another process goes on polling: the token is plain text with the monitor's URL."""
    world.make_network()
    begin = world.compute.virtual_machines.begin_create_or_update
    poller = begin(GROUP, "builder", world.vm_body(), polling=Unwatched())

    resumed = begin(GROUP, "builder", None, continuation_token=poller.continuation_token())

    assert resumed.result().provisioning_state == "Succeeded"


def test_a_delete_preempts_what_is_at_work(world: AzureSandbox) -> None:
    """The creation ends as Canceled; the machine goes."""
    world.make_network()
    machines = world.compute.virtual_machines
    creating = machines.begin_create_or_update(GROUP, "builder", world.vm_body(), polling=False)
    assert creating is not None
    created = world.send("GET", f"{world.vm_id()}?api-version=2026-04-01").json()
    assert created["properties"]["provisioningState"] == "Creating"

    machines.begin_delete(GROUP, "builder").result()
    world.wait(600)

    assert refused(machines.get, GROUP, "builder").status_code == 404
    statuses = [
        operation.document["status"]
        for operation in world.azure.store.of_type("simulator.operation")
    ]
    assert "Canceled" in statuses


def test_deleting_what_is_absent_is_success(world: AzureSandbox) -> None:
    """204, for every type."""
    world.make_group()

    answer = world.send("DELETE", f"{world.id(ADDRESS, 'none')}{VERSION}")

    assert answer.status == 204


def test_a_second_delete_joins_the_first(world: AzureSandbox) -> None:
    """The same operation, not another one."""
    put_address(world)
    world.wait(60)
    path = f"{world.id(ADDRESS, 'address')}{VERSION}"

    urls = [world.send("DELETE", path).headers["Azure-AsyncOperation"] for _ in range(2)]

    first, second = (url.partition("?")[0] for url in urls)
    assert first == second


def test_a_failed_operation_marks_its_resource(world: AzureSandbox) -> None:
    """provisioningState Failed stays until the next write."""
    world.make_group()
    world.add_fault(operation="publicIPAddresses.write", effect="allocation")
    begin = world.network.public_ip_addresses.begin_create_or_update
    with pytest.raises(HttpResponseError):
        begin(GROUP, "address", BODY).result()

    assert world.listed()["address"]["state"] == "Failed"


def test_an_old_operation_does_not_end_on_a_new_resource(world: AzureSandbox) -> None:
    """The group went while a machine was created; another one of its name is its own."""
    world.make_network()
    machines, groups = world.compute.virtual_machines, world.resources.resource_groups
    world.add_fault(operation="virtualMachines.create", effect="slow", factor=20)
    machines.begin_create_or_update(GROUP, "builder", world.vm_body(), polling=False)
    groups.begin_delete(GROUP).result()
    world.make_network()
    machines.begin_create_or_update(GROUP, "builder", world.vm_body()).result()
    machines.begin_deallocate(GROUP, "builder").result()

    world.wait(2 * 3600)

    assert world.codes()[-1] == "PowerState/deallocated"
