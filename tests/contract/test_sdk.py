"""Calls through the real SDKs: JSON as Azure sent it, the SDKs' own errors, nothing that polls."""

from __future__ import annotations

import json
import operator
import threading
from collections.abc import Callable
from typing import Any

import pytest
from azure.core import credentials, exceptions

from local.azure_simulator import model
from local.azure_simulator.transport import SimulatorTransport
from shared.azure import sdk
from shared.azure.clients import Azure
from shared.base import settings
from tests.world import SETTINGS, World

ENDPOINT = "mybatch12345.swedencentral.batch.azure.com"
GROUP = "batch-images-rg"
NETWORK = {
    "location": "swedencentral",
    "properties": {"addressSpace": {"addressPrefixes": ["10.0.0.0/24"]}},
}
UNKNOWN = {"name": "x", "properties": {"newerThanTheSdk": {"since": "2031"}}, "alsoNew": [1, None]}
# A reading operation of each SDK package, and its arguments.
READS = {
    "resources.resource_groups.get": ["group"],
    "compute.virtual_machines.get": ["group", "vm"],
    "network.virtual_networks.get": ["group", "net"],
    "identities.user_assigned_identities.get": ["group", "id"],
    "authorization.role_assignments.get": ["/scope", "name"],
    "registries.registries.get": ["group", "registry"],
    "registry_tasks.get_run": ["group", "registry", "run"],
    "batch.pool.get": ["group", "account", "pool"],
}
LISTS = {
    "resources.resources.list_by_resource_group": ["group"],
    "compute.resource_skus.list": [],
    "batch.pool.list_by_batch_account": ["group", "account"],
}


class ScriptedAzure:
    """Answers what it is told to, one answer to each request, and keeps the requests."""

    def __init__(self, *answers: model.Response) -> None:
        self.answers = list(answers)
        self.asked: list[model.Request] = []

    def handle(self, request: model.Request) -> model.Response:
        self.asked.append(request)
        return self.answers.pop(0)


class Credential:
    """A token that is never used up."""

    def get_token_info(self, *_: str, **__: object) -> credentials.AccessTokenInfo:
        return credentials.AccessTokenInfo("token", 4_000_000_000)


def clients(azure: ScriptedAzure) -> Azure:
    """The app's clients of a scripted Azure."""
    return Azure(settings.load(SETTINGS), Credential(), SimulatorTransport(azure))  # type: ignore[arg-type]


def answer(body: object, status: int = 200, **headers: str) -> model.Response:
    """An answer with a JSON body."""
    return model.json_response(status, body, {n.replace("_", "-"): v for n, v in headers.items()})


def operation(azure: Azure, path: str) -> Callable[..., Any]:
    """`compute.virtual_machines.get` and the like."""
    return operator.attrgetter(path)(azure)


# -- JSON as Azure sent it ------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
def test_what_the_sdk_does_not_know_is_kept(path: str) -> None:
    """Azure adds fields before an SDK does."""
    azure = clients(ScriptedAzure(answer(UNKNOWN)))
    assert sdk.fetch(operation(azure, path), *READS[path]) == UNKNOWN


@pytest.mark.parametrize("path", LISTS)
def test_a_list_follows_its_links_to_the_last_page(path: str) -> None:
    """The SDK asks for each page; the items stay as they were sent."""
    link = "https://management.azure.com/next?page=2&api-version=2025-01-01"
    first, second = {"value": [UNKNOWN, {"name": "b"}], "nextLink": link}, {"value": [{"x": 1}]}
    azure = ScriptedAzure(answer(first), answer(second))
    found = sdk.listed(operation(clients(azure), path), *LISTS[path])
    assert found == [UNKNOWN, {"name": "b"}, {"x": 1}]
    assert "page=2" in azure.asked[1].url


def test_the_batch_services_own_links_are_followed() -> None:
    """Its pages name the next one differently."""
    link = f"https://{ENDPOINT}/pools/p/nodes?api-version=2025-06-01&$skiptoken=2"
    pages = [{"value": [UNKNOWN], "odata.nextLink": link}, {"value": []}, {"value": [{"id": "b"}]}]
    pages[1]["odata.nextLink"] = link
    azure = ScriptedAzure(*map(answer, pages))
    nodes = clients(azure).batch_service(ENDPOINT).list_nodes
    assert sdk.listed(nodes, "p", select=["id"]) == [UNKNOWN, {"id": "b"}]


def test_a_list_tells_when_azure_answered() -> None:
    """By Azure's clock: the app has none."""
    azure = ScriptedAzure(answer({"value": []}, Date="Sat, 29 Nov 2025 00:40:13 GMT"))
    items, at = sdk.listed_at(clients(azure).resources.resources.list, filter="x")
    assert (items, at) == ([], "2025-11-29T00:40:13Z")


def test_the_headers_of_a_start_are_read() -> None:
    """They say when to look again, and where Azure tells why an operation failed."""
    where = {"Azure_AsyncOperation": "https://management.azure.com/o/1", "Retry_After": "7"}
    azure = ScriptedAzure(answer(UNKNOWN, 201, **where))
    call = clients(azure).compute.virtual_machines.begin_create_or_update
    begun = sdk.send(call, "group", "vm", {"location": "x"})
    assert begun == sdk.Started(
        status=201, body=UNKNOWN, operation="https://management.azure.com/o/1", retry_after=7.0
    )
    assert json.loads(azure.asked[0].body) == {"location": "x"}


# -- errors ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", READS)
def test_a_refusal_is_the_sdks_own_exception(path: str) -> None:
    """Its status, its headers and Azure's error stay readable; a missing resource is None."""
    error = {"error": {"code": "AuthorizationFailed", "message": "no"}}
    azure = clients(ScriptedAzure(answer(error, 403), answer(error, 404)))
    with pytest.raises(exceptions.HttpResponseError) as raised:
        sdk.fetch(operation(azure, path), *READS[path])
    assert raised.value.status_code == 403
    assert "AuthorizationFailed" in raised.value.response.text()
    assert sdk.fetch(operation(azure, path), *READS[path]) is None


def test_a_conflict_of_a_start_is_the_sdks_own_exception() -> None:
    """`begin_*` raises at once, not from a poller."""
    azure = clients(ScriptedAzure(answer({"error": {"code": "Busy", "message": ""}}, 409)))
    with pytest.raises(exceptions.ResourceExistsError):
        sdk.send(azure.compute.virtual_machines.begin_restart, "group", "vm")


def test_an_answer_that_is_no_json_is_an_error_of_the_sdk() -> None:
    """A proxy's page is nothing that the app takes for a resource."""
    page = model.Response(status=200, headers={"Content-Type": "text/html"}, body=b"<html>")
    azure = clients(ScriptedAzure(page))
    with pytest.raises(exceptions.DecodeError):
        sdk.fetch(azure.compute.virtual_machines.get, "group", "vm")


# -- nothing polls --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "args"),
    [
        ("compute.virtual_machines.begin_restart", ["vm"]),
        ("compute.virtual_machines.begin_delete", ["vm"]),
        ("compute.gallery_image_versions.begin_delete", ["gallery", "image", "1.0.0"]),
        ("network.virtual_networks.begin_delete", ["net"]),
        ("registries.registries.begin_create", ["registry", {"location": "x"}]),
        ("resources.resource_groups.begin_delete", []),
        ("batch.pool.begin_delete", ["account", "pool"]),
        ("batch.batch_account.begin_create", ["account", {"location": "x"}]),
    ],
)
def test_a_start_sends_one_request_and_no_thread(path: str, args: list[Any]) -> None:
    """The orchestration looks again by durable timer; a poller would ask without end."""
    running = threading.enumerate()
    where = {"Location": "https://management.azure.com/o/1", "Retry_After": "1"}
    status = 200 if "create" in path else 202
    azure = ScriptedAzure(answer({}, status, **where))
    sdk.send(operation(clients(azure), path), "group", *args)
    assert len(azure.asked) == 1
    assert threading.enumerate() == running


def test_azure_gets_one_request_for_each_start() -> None:
    """The simulator's ledger has every request that reaches it; what is gone counts as deleted."""
    world = World()
    azure, running = world.services.azure, threading.enumerate()
    body = {"location": "swedencentral"}
    sdk.send(azure.resources.resource_groups.create_or_update, GROUP, body)
    begun = sdk.send(azure.network.virtual_networks.begin_create_or_update, GROUP, "net", NETWORK)
    gone = sdk.send_delete(azure.network.nat_gateways.begin_delete, GROUP, "gone")
    assert [r["method"] for r in world.ledger()] == ["PUT", "PUT", "DELETE"]
    assert (begun.status, gone.status) == (201, 204)
    assert begun.body is not None
    assert begun.body["name"] == "net"
    assert threading.enumerate() == running


def test_jobs_and_nodes_of_batch_are_told_once() -> None:
    """By requests of our own, since azure-batch would poll. What is gone is fine."""
    azure = ScriptedAzure(*[answer({}, 202)] * 2, *[answer({"code": "JobNotFound"}, 404)] * 2)
    running, service = threading.enumerate(), clients(azure).batch_service(ENDPOINT)
    sdk.delete_job(service, "job")
    sdk.restart_node(service, "pool", "node", "reboot")
    sdk.delete_job(service, "job")
    sdk.restart_node(service, "pool", "node", "reimage")
    asked = [(r.method, r.path) for r in azure.asked]
    assert asked[:2] == [("DELETE", "/jobs/job"), ("POST", "/pools/pool/nodes/node/reboot")]
    assert {r.query["api-version"] for r in azure.asked} == {sdk.BATCH_API_VERSION}
    assert threading.enumerate() == running


def test_what_batch_refuses_for_another_reason_is_an_error() -> None:
    """As with every other call."""
    azure = ScriptedAzure(answer({"code": "Forbidden"}, 403), answer({"code": "Busy"}, 409))
    service = clients(azure).batch_service(ENDPOINT)
    with pytest.raises(exceptions.HttpResponseError):
        sdk.restart_node(service, "pool", "node", "reboot")
    with pytest.raises(exceptions.ResourceExistsError):
        sdk.delete_job(service, "job")


def test_azure_batch_still_cannot_be_told_not_to_poll() -> None:
    """Once it can, `sdk.delete_job` and `sdk.restart_node` are its `begin_*` calls."""
    azure = ScriptedAzure(answer({}, 202))
    with pytest.raises(TypeError, match="polling"):
        clients(azure).batch_service(ENDPOINT).begin_delete_job("job", polling=False)
