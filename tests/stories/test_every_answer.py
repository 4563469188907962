"""Every answer of the app is JSON with a code and advice, whatever is asked or is down."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlencode

import azure.functions as func
import pytest
from azure.core.exceptions import HttpResponseError, ServiceRequestError

from local.functions_host.local_client import open_client
from local.memory_tables import MemoryTable
from tests import openapi_checks, packed
from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import changes, intake, recipes, routes
from triggers.routes import ROUTES, Route

Json = dict[str, Any]
MESSAGE = {"batchAccount": {"name": "mybatch12345"}, "image": an_image(), "pool": a_pool("dev")}
BODIES: dict[str, object] = {
    "start_build": a_request(requestId="other"),
    "plan_build": a_request(),
    "request_pool": MESSAGE,
    "put_recipe": {"enabled": True, "request": {"mode": "image-only"}},
    "resize_pool": {"nodes": 2},
    "change_image": {"excludeFromLatest": True},
    "upload_context": packed.context(),
}
PLACES = {
    "id": "b1",
    "gallery": "batchImageGallery",
    "name": "batchCustomImage-ubuntu-24.04-cpu",
    "version": "1.0.0",
    "account": "mybatch12345",
    "pool": "dev",
}


def send(
    world: World, route: Route, body: object = b"", path: str | None = None, **changes: Any
) -> func.HttpResponse:
    """One request through the function that is registered for a route."""
    function = routes.bound(route, lambda: world.services)
    named = [part[1:-1] for part in route.path.split("/") if part.startswith("{")]
    params = {"path": path} if path is not None else {name: PLACES[name] for name in named}
    query = urlencode(changes.get("query", {}), errors="replace")
    request = func.HttpRequest(
        method=changes.get("method", route.method),
        url=f"{changes.get('url', 'http://app/api/x')}?{query}",
        route_params=changes.get("params", params),
        params=dict(parse_qsl(query)),  # without those that are empty, as from Azure's host
        headers=changes.get("headers"),
        body=body if isinstance(body, bytes) else json.dumps(body).encode(),
    )
    if not route.starts:
        return function(req=request)
    client = changes.get("client") or open_client(world.engine)
    return asyncio.run(function(req=request, client=client))


def is_refusal(response: func.HttpResponse, route: Route | None, status: int, code: str) -> bool:
    """Whether it is this refusal, in the form that is described, with a sentence of advice."""
    assert response.mimetype == "application/json"
    document = json.loads(response.get_body())
    assert (response.status_code, document["error"]["code"]) == (status, code), document
    assert len(document["error"]["message"].split()) > 3
    if route is not None:
        assert openapi_checks.problems(route.method, route.path, status, document) == []
    return True


class Down:
    """A service that cannot be reached, whatever is asked of it."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def fail(*_: Any, **__: Any) -> Any:
            raise self._error

        return fail


def _refused() -> HttpResponseError:
    response = type("Response", (), {"status_code": 503, "reason": "busy", "headers": {}})()
    response.text = lambda: ""  # type: ignore[attr-defined]
    return HttpResponseError(message="ServerBusy", response=response)


OUTAGES = [ServiceRequestError("no route to host"), _refused()]
STATIC = {"describe"}  # asks nothing


@pytest.mark.parametrize("error", OUTAGES, ids=lambda e: type(e).__name__)
@pytest.mark.parametrize("route", ROUTES, ids=lambda r: r.name)
def test_storage_that_is_down_is_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch, route: Route, error: Exception
) -> None:
    """Tables, queue and blobs; nothing is begun."""
    for method in ("get_entity", "create_entity", "upsert_entity", "update_entity",
                   "delete_entity", "query_entities", "list_entities"):  # fmt: skip
        monkeypatch.setattr(MemoryTable, method, getattr(Down(error), method))
    monkeypatch.setattr(world, "services", _with_outbox(world, Down(error)))
    response = send(world, route, BODIES.get(route.name, b""))
    if route.name in STATIC:
        assert response.status_code == 200
    elif route.name == "show_health":
        assert response.status_code == 503
        assert json.loads(response.get_body())["state"] == "degraded"
    else:
        code = "NotBegun" if route.name == "begin_sweep" else "StorageUnavailable"
        assert is_refusal(response, route, 503, code)
        assert int(response.headers["Retry-After"]) > 0
    assert world.ledger() == [] or route.name in {"plan_build", "list_leftovers", "show_health"}


def _with_outbox(world: World, outbox: Any) -> Any:
    import dataclasses

    return dataclasses.replace(world.services, outbox=outbox)


@pytest.mark.parametrize("name", ["request_pool", "upload_context"])
def test_a_queue_or_blobs_that_are_down_are_a_503(
    world: World, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Where the tables are not."""
    monkeypatch.setattr(world, "services", _with_outbox(world, Down(OUTAGES[0])))
    route = next(route for route in ROUTES if route.name == name)
    assert is_refusal(send(world, route, BODIES[name]), route, 503, "StorageUnavailable")


def test_a_bill_of_materials_that_cannot_be_read_is_a_503(monkeypatch: pytest.MonkeyPatch) -> None:
    """Blobs are down."""
    from tests.world import WITH_LOGS

    world = World(own_settings=WITH_LOGS)
    image = world.build(image_only())["image"]
    monkeypatch.setattr(world, "services", _with_outbox(world, Down(OUTAGES[0])))
    route = next(route for route in ROUTES if route.name == "show_bill_of_materials")
    params = {**PLACES, "name": image["imageName"]}
    assert is_refusal(send(world, route, params=params), route, 503, "StorageUnavailable")


@pytest.fixture(scope="module")
def failed() -> World:
    """A world with a pool, and with a build that can be resumed."""
    world = World()
    world.build(a_request())
    fault = {"effect": "allocation", "code": "InternalExecutionError", "message": "later"}
    world.fault({**fault, "operation": "galleryVersions.create"})
    assert world.build(a_request(requestId="r2", pools=[a_pool("two")]))["resumable"]
    return world


@pytest.mark.parametrize("route", [r for r in ROUTES if r.starts], ids=lambda r: r.name)
def test_a_durable_client_that_is_down_is_a_503(failed: World, route: Route) -> None:
    """The work is on record; a build is taken up by the next sweep."""
    world = failed.copy()
    before = {b["buildId"] for b in world.builds()}
    changed = changes_of(world)
    failing = next(b["buildId"] for b in world.builds() if b["state"] == "failed")
    params = {**PLACES, "id": failing}
    down = Down(ConnectionError("the extension does not answer"))
    body = image_only("new", name="new") if route.name == "start_build" else BODIES.get(route.name)
    response = send(world, route, body or b"", params=params, client=down)
    assert is_refusal(response, route, 503, "NotBegun")
    assert int(response.headers["Retry-After"]) > 0
    assert changes_of(world) == changed  # it has not begun
    world.engine.advance(600)
    world.sweep()
    world.engine.run_until_idle()
    new = [b for b in world.builds() if b["buildId"] not in before]
    if route.name == "start_build":
        assert [b["state"] for b in new] == ["succeeded"]
        (change,) = changes_of(world)[: -len(changed) or None]
        assert (change["what"], change["buildId"]) == ("POST /api/builds", new[0]["buildId"])
    else:
        assert changes_of(world) == changed
    assert "running" not in {b["state"] for b in world.builds()}


def changes_of(world: World) -> list[Json]:
    """What GET /api/changes lists."""
    found: list[Json] = world.ask(changes.list_changes).body["changes"]
    return found


NO_JSON = {
    "nothing": b"",
    "no JSON": b"{",
    "latin-1": '{"mode": "ä"}'.encode("latin-1"),
    "UTF-16": json.dumps(a_request()).encode("utf-16"),
    "NUL": b'{"mode": "\x00"}',
    "a field twice": b'{"mode": "full", "mode": "image-only"}',
    "half a surrogate": b'{"mode": "\\ud800"}',
    "NaN": b'{"mode": NaN}',
    "a number without end": b"1" * 5000,
}
TOO_LARGE = {
    "20 deep": b'{"image":' * 20 + b"1" + b"}" * 20,
    "500 deep": b"[" * 500 + b"]" * 500,
    "100,000 deep": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "80,000 unknown fields": json.dumps({f"f{n}": n for n in range(80_000)}).encode(),
    "2,000 items": json.dumps({"pools": [{}] * 2000}).encode(),
    "2 MiB": b" " * 2**21,
    "many values": json.dumps({"pools": [{"vmSizes": ["a"] * 900}] * 90}).encode(),
}
WITH_BODY = [route for route in ROUTES if route.body is not None]


def _codes(response: func.HttpResponse) -> Iterator[str]:
    for problem in json.loads(response.get_body())["error"]["details"]:
        yield problem["code"]


@pytest.mark.parametrize("route", WITH_BODY, ids=lambda r: r.name)
@pytest.mark.parametrize("what", [*NO_JSON, *TOO_LARGE])
def test_a_body_that_is_no_request_is_refused(built: World, route: Route, what: str) -> None:
    """With a small answer, and before anything is written."""
    response = send(built, route, {**NO_JSON, **TOO_LARGE}[what])
    assert is_refusal(response, route, 400, "RequestRefused")
    code = {"NotJson", "InvalidType"} if what in NO_JSON else {"TooLarge", "NotJson"}
    assert set(_codes(response)) <= code
    assert len(response.get_body()) < 2000


def test_no_more_than_a_hundred_problems_are_named(world: World) -> None:
    """An answer of megabytes helps its reader no more."""
    route = next(route for route in ROUTES if route.name == "start_build")
    pools = [{f"f{n}": n for n in range(90)} for _ in range(90)]
    response = send(world, route, {"pools": pools})
    codes = list(_codes(response))
    assert (len(codes), codes[-1]) == (101, "TooManyProblems")


def test_emoji_count_as_tables_count_them(world: World) -> None:
    """Two UTF-16 units each: the record of the build could not hold it."""
    route = next(route for route in ROUTES if route.name == "start_build")
    checks = [{"image": "busybox", "command": "\U0001f600" * 8000}] * 20
    response = send(world, route, a_request(pools=[a_pool("dev", checks=checks)]))
    assert is_refusal(response, route, 400, "RequestRefused")
    assert list(_codes(response)) == ["TooLarge"]


def test_a_recipe_that_is_too_long_for_its_row_is_refused(world: World) -> None:
    """As a build is."""
    route = next(route for route in ROUTES if route.name == "put_recipe")
    checks = [{"image": "busybox", "command": "x" * 8000}] * 20
    pools = [a_pool(f"p{n}", checks=checks) for n in range(5)]
    recipe = {"enabled": True, "request": {"mode": "full", "pools": pools}}
    response = send(world, route, recipe, params={"name": "long"})
    assert is_refusal(response, route, 400, "RequestRefused")
    assert world.ask(recipes.show_recipe, name="long").status == 404


HOSTILE = ["../..", "%00", "\0", "a'b\"c", "x" * 5000, "\ud7ff\uffff", "a b", "*", "", "\\", "#?"]


@pytest.mark.parametrize("route", [r for r in ROUTES if "{" in r.path], ids=lambda r: r.name)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda t: repr(t[:8]))
def test_a_name_that_cannot_exist_is_not_found(built: World, route: Route, text: str) -> None:
    """And stops no route."""
    params = dict.fromkeys(PLACES, text)
    response = send(built, route, BODIES.get(route.name, b""), params=params)
    if route.name == "put_recipe":
        assert is_refusal(response, route, 400, "RequestRefused")
    else:
        assert is_refusal(response, route, 404, "NotFound")
    for each in (r for r in ROUTES if r.method == "GET" and (model := r.find_query())):
        for field in model.model_fields.values():
            query = {field.alias: text}
            assert send(built, each, params=params, query=query).status_code in {400, 404}


@pytest.mark.parametrize("path", ["", "nothing", "builds/a/b/c", "images/a/b", "builds//resume"])
@pytest.mark.parametrize("method", ["GET", "PUT", "OPTIONS"])
def test_an_unknown_route_is_a_404(world: World, method: str, path: str) -> None:
    """The answer leads to the description of all routes."""
    response = send(world, routes.UNKNOWN, path=path, method=method)
    assert is_refusal(response, None, 404, "NoSuchRoute")
    assert b"openapi.json" in response.get_body()


@pytest.mark.parametrize("route", ROUTES, ids=lambda r: f"{r.method} {r.path}")
def test_a_wrong_method_is_a_405_that_names_the_right_ones(world: World, route: Route) -> None:
    """Of every known path, in any case."""
    response = send(world, routes.UNKNOWN, path=route.path.upper(), method="TRACE")
    assert is_refusal(response, None, 405, "MethodNotAllowed")
    same = {each.method for each in ROUTES if each.path == route.path}
    assert set(response.headers["Allow"].split(", ")) == same


def test_a_defect_is_a_500_in_json_that_says_nothing_of_itself(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has the details."""
    route = next(route for route in ROUTES if route.name == "list_refused")
    monkeypatch.setattr(intake, "list_refused", lambda _: 1 / 0)
    response = send(world, route)
    assert is_refusal(response, route, 500, "Bug")
    assert b"division" not in response.get_body()


def test_a_forged_host_is_in_no_link() -> None:
    """Azure sets the app's name."""
    world = World(own_settings={"WEBSITE_HOSTNAME": "mine.azurewebsites.net"})
    route = next(route for route in ROUTES if route.name == "start_build")
    response = send(world, route, image_only(), url="https://evil.example/api/builds")
    url = json.loads(response.get_body())["statusUrl"]
    assert url.startswith("https://mine.azurewebsites.net/api/builds/b")
