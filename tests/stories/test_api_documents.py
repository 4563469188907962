"""What the API answers is what it describes: every route, with real builds behind it."""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Iterator

import pytest
from jsonschema import Draft202012Validator

from tests import openapi_checks, packed
from tests.world import WITH_LOGS, World, a_pool, a_request, an_image
from triggers import openapi, routes
from triggers.http import Answer

DEFINITION = "batchCustomImage-ubuntu-24.04-cpu"
IMAGE = {"gallery": "batchImageGallery", "name": DEFINITION, "version": "latest"}
NO_IMAGE = {**IMAGE, "name": "none"}
POOL = {"account": "mybatch12345", "pool": "dev"}
NO_POOL = {**POOL, "pool": "none"}
RECIPE = {"enabled": False, "request": {"mode": "image-only", "image": an_image(name="weekly")}}
MESSAGE = {
    "requestId": "q1",
    "batchAccount": {"name": "mybatch12345", "resourceGroup": "images"},
    "image": an_image(),
    "pool": a_pool("queued"),
}


class Caller:
    """Asks by route name, and checks every answer against the description."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.statuses: dict[str, set[int]] = {}
        self._routes = {route.name: route for route in routes.ROUTES}

    def __call__(self, route_name: str, /, body: object = None, **params: str) -> Answer:
        route = self._routes[route_name]
        answer = self.world.ask(route.find_handler(), body, **params)
        body = json.loads(json.dumps(answer.body))
        found = openapi_checks.problems(route.method, route.path, answer.status, body)
        assert found == []
        self.statuses.setdefault(route.name, set()).add(answer.status)
        return answer

    def wait(self, answer: Answer) -> None:
        """Let the build that an answer names come to its end."""
        self.world.engine.run_until_complete(answer.body["buildId"])


@pytest.fixture(scope="module")
def caller() -> Caller:
    """Where every route was asked, with and without success."""
    caller = Caller(World(own_settings=WITH_LOGS))
    _builds(caller)
    _failures(caller)
    _images_and_pools(caller)
    _recipes(caller)
    caller("list_leftovers")
    caller("begin_sweep")
    caller("upload_context", packed.context())
    caller("upload_context", b"no tar")
    caller("show_health")
    caller("describe")
    return caller


def _builds(caller: Caller) -> None:
    caller("list_builds")
    caller("plan_build", a_request())
    request = a_request(pools=[a_pool("dev", verify=True, ttlHours=2)])
    started = caller("start_build", request)
    caller.world.engine.advance(300)
    caller("show_build", id=started.body["buildId"])  # while it runs
    caller("resume_build", id=started.body["buildId"])
    caller("list_builds")
    caller("start_build", a_request(requestId="other"))
    caller.wait(started)
    caller("show_build", id=started.body["buildId"])
    caller("cancel_build", id=started.body["buildId"])
    caller("plan_build", {"mode": "batch-only", "batchAccount": {"name": "mybatch12345"}})
    for wrong in ({}, {"pools": 1}, {"image": {"builderVmSize": "Standard_NC6"}}):
        caller("start_build", {"mode": "image-only", "colour": "red", **wrong})
        caller("plan_build", wrong)


def _failures(caller: Caller) -> None:
    """A build that cannot be resumed, one that can and is, one that is cancelled."""
    world = caller.world
    other = {"mode": "image-only", "image": an_image(name="other")}
    gpu = {**other, "image": {**other["image"], "gpu": True}}
    world.fault({"step": "driver", "effect": "script", "exitCode": 40, "message": "no compiler"})
    failed = caller("start_build", gpu)
    caller.wait(failed)
    assert caller("show_build", id=failed.body["buildId"]).body["error"]["logUrl"]
    caller("resume_build", id=failed.body["buildId"])
    world.fault({"effect": "allocation", "operation": "galleryVersions.create"})
    failed = caller("start_build", other)
    caller.wait(failed)
    caller("show_build", id=failed.body["buildId"])
    caller("list_leftovers")
    caller.wait(caller("resume_build", id=failed.body["buildId"]))
    cancelled = caller("start_build", {**other, "requestId": "cancelled"})
    world.engine.advance(300)
    caller("cancel_build", id=cancelled.body["buildId"])
    caller.wait(cancelled)
    caller("show_build", id=cancelled.body["buildId"])
    for name in ("show_build", "cancel_build", "resume_build"):
        caller(name, id="none")


def _images_and_pools(caller: Caller) -> None:
    for name in ("show_image", "show_bill_of_materials"):
        caller(name, **IMAGE)
        caller(name, **NO_IMAGE)
        caller(name, url="http://app/api/x?resourceGroup=", **IMAGE)
    out, number = {"excludeFromLatest": True}, {**IMAGE, "version": "1.0.0"}
    nothing = {**NO_IMAGE, "version": "1.0.0"}
    for change, image in ((out, IMAGE), (out, nothing), ({}, number)):
        caller("change_image", change, **image)
    for is_out in (True, False):
        caller("change_image", {"excludeFromLatest": is_out}, **number)
    for name in ("list_images", "list_pools", "list_builds", "list_refused", "list_changes"):
        for query in ("limit=1", "limit=0"):
            caller(name, url=f"http://app/api/x?{query}")
    caller("show_pool", **POOL)
    caller("request_pool", MESSAGE)
    caller.world.deliver(caller.world.outbox.messages[-1])
    caller.world.deliver("not JSON", "wrong")
    (refused,) = caller("list_refused").body["refused"]
    assert (refused["message"], refused["problems"][0]["code"]) == ("not JSON", "NotJson")
    caller("request_pool", {**MESSAGE, "pool": a_pool("another")})
    caller("request_pool", {**MESSAGE, "image": None})
    caller.world.engine.run_until_idle()
    resized = caller("resize_pool", {"nodes": 0}, **POOL)
    caller("resize_pool", {"nodes": 1}, **POOL)
    caller("delete_pool", **POOL)
    caller.wait(resized)
    caller("resize_pool", {}, **POOL)
    deleted = caller("delete_pool", **POOL)
    caller.wait(deleted)
    caller("show_build", id=deleted.body["buildId"])
    for name, body in (("show_pool", None), ("resize_pool", {"nodes": 1}), ("delete_pool", None)):
        caller(name, body, **NO_POOL)


def _recipes(caller: Caller) -> None:
    caller("put_recipe", RECIPE, name="weekly")
    caller("put_recipe", {}, name="weekly")
    caller("list_recipes")
    caller("show_recipe", name="weekly")
    caller("show_recipe", name="none")
    caller("delete_recipe", name="weekly")
    caller("delete_recipe", name="weekly")


def test_every_answer_is_the_described_one(caller: Caller) -> None:
    """Each answer was checked when it came; no route and no refusal was left out."""
    for route in routes.ROUTES:
        expected = {*route.answers, *route.errors} - {429, 502, 503}  # a crowd, an outage
        assert caller.statuses.get(route.name) == expected, route.name


def test_azure_outages_are_answered_as_described(world: World) -> None:
    """Both routes that ask Azure say so when it does not answer."""
    caller = Caller(world)
    world.fault({"effect": "status", "status": 403, "code": "AuthorizationFailed", "times": 99})
    caller("list_leftovers")
    caller("show_health")
    assert caller.statuses == {"list_leftovers": {502}, "show_health": {503}}


def test_a_field_that_is_not_described_is_found() -> None:
    """The check itself works: an additional field, a missing one, one of another type."""
    good = {"buildId": "b", "statusUrl": "http://app/api/builds/b"}
    of_schema = openapi_checks.of_schema
    assert of_schema("Accepted", good) == []
    assert "Additional properties" in of_schema("Accepted", {**good, "id": "b"})[0]
    assert "'statusUrl' is a required property" in of_schema("Accepted", {"buildId": "b"})[0]
    assert "1 is not of type 'string'" in of_schema("Accepted", {**good, "buildId": 1})[0]


# -- the description itself -----------------------------------------------------------------------


def operations() -> Iterator[tuple[str, str, dict]]:
    """Path, method and operation of everything described."""
    for path, item in openapi_checks.described()["paths"].items():
        for method, operation in item.items():
            yield path, method, operation


def test_every_schema_is_a_json_schema() -> None:
    """OpenAPI 3.1 takes JSON Schema 2020-12 as it is; every reference leads somewhere."""
    schemas = openapi_checks.described()["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    text = json.dumps(openapi_checks.described())
    references = set(re.findall(r'"\$ref": "([^"]+)"', text))
    assert references <= {f"#/components/schemas/{name}" for name in schemas}
    assert "#/$defs" not in text


def test_every_operation_says_how_a_caller_is_let_in() -> None:
    """By the function key, or signed in with one of the roles; else 403."""
    described = openapi.document()
    scheme = described["components"]["securitySchemes"]["signIn"]
    assert (scheme["type"], scheme["scheme"], scheme["bearerFormat"]) == ("http", "bearer", "JWT")
    for route in routes.ROUTES:
        operation = described["paths"][f"/api/{route.path}"][route.method.lower()]
        roles = [each["signIn"][0] for each in operation["security"] if "signIn" in each]
        assert operation["security"][0] == {"functionKey": []}
        assert ("Operator" in roles) == ("403" in operation["responses"]) == bool(route.role)
        assert route.role is None or route.role in roles


def test_every_operation_is_complete() -> None:
    """Each has a name of its own, a summary that is a sentence, and what OpenAPI 3.1 demands."""
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names)) == len(routes.ROUTES)
    for path, method, operation in operations():
        place = f"{method} {path}"
        assert re.fullmatch(r"[A-Z][^/{}\n]{8,98}[^/]\.", operation["summary"]), place
        in_path = {p["name"] for p in operation["parameters"] if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)), place
        assert all(p["description"].endswith(".") for p in operation["parameters"]), place
        assert all(p.get("required") for p in operation["parameters"] if p["in"] == "path")
        assert {"401", "500"} < set(operation["responses"]), place
        assert all(response["description"] for response in operation["responses"].values()), place
        assert any(status.startswith("2") for status in operation["responses"]), place


def test_every_query_parameter_is_described() -> None:
    """The handlers of a module read the query parameters that its routes name, and no others."""
    described: dict[str, set[str]] = {}
    for route in routes.ROUTES:
        read = described.setdefault(route.find_handler().__module__, set())
        read.update({route.query} - {None})
    for module, named in described.items():
        code = inspect.getsource(importlib.import_module(module))
        assert "call.url" not in code, module
        assert set(re.findall(r"call\.asked\((\w+)\)", code)) == named, module


def test_a_page_is_described() -> None:
    """Types, limits and values of the query parameters are in the description."""
    described = openapi.document()["paths"]["/api/builds"]["get"]["parameters"]
    schemas = {each["name"]: each["schema"] for each in described}
    assert schemas == {
        "limit": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100},
        "after": {"type": "string"},
        "state": {"type": "string", "enum": ["running", "succeeded", "failed", "cancelled"]},
    }
