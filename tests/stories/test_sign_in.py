"""Signed-in callers: which app role opens which route, and who changed what."""

from __future__ import annotations

import base64
import json
from typing import Any

import azure.functions as func
import pytest

from shared.base import settings
from tests import served
from tests.stories.test_every_answer import BODIES, send
from tests.world import SETTINGS, World, a_pool, an_image, image_only
from triggers import builds, caller, changes, routes
from triggers.roles import Role
from triggers.route import Route
from triggers.routes import ROUTES, UNKNOWN

Json = dict[str, Any]
ON = {"WEBSITE_AUTH_ENABLED": "True"}
CONFIG = settings.load(SETTINGS | ON)
_LONG_TYPE = "http://schemas.microsoft.com/ws/2008/06/identity/claims/role"

# The routes that anything but Reader opens: with its own role, and with Operator.
OPENED_BY = {
    "start_build": Role.BUILDER,
    "cancel_build": Role.BUILDER,
    "resume_build": Role.BUILDER,
    "request_pool": Role.BUILDER,
    "resize_pool": Role.BUILDER,
    "delete_pool": Role.BUILDER,
    "upload_context": Role.BUILDER,
    "change_image": Role.PROMOTER,
    "put_recipe": Role.OPERATOR,
    "delete_recipe": Role.OPERATOR,
    "begin_sweep": Role.OPERATOR,
    "list_changes": Role.OPERATOR,
}


def principal(*roles: str, claim: str = "roles", id_: str = "b7d2") -> dict[str, str]:
    """The headers with which the platform names a caller."""
    claims = [{"typ": claim, "val": role} for role in roles]
    claims.append({"typ": "name", "val": "Operator"})  # a person may have any name
    content = {"auth_typ": "aad", "role_typ": _LONG_TYPE, "claims": claims}
    header = base64.b64encode(json.dumps(content).encode()).decode()
    return {"X-MS-CLIENT-PRINCIPAL-ID": id_, "X-MS-CLIENT-PRINCIPAL": header}


@pytest.fixture(scope="module")
def signed_in() -> World:
    """An app behind App Service's authentication."""
    return World(own_settings=ON)


@pytest.mark.parametrize("role", Role)
@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_each_role_opens_its_routes_and_no_others(
    signed_in: World, role: Role, route: Route
) -> None:
    """The role is looked at before anything else: what the route answers is not 403."""
    answer = send(signed_in, route, BODIES.get(route.name, b""), headers=principal(role))

    needed = OPENED_BY.get(route.name)
    is_open = needed is None or role in {needed, Role.OPERATOR}
    assert (answer.status_code != 403) == is_open
    if not is_open:
        error = json.loads(answer.get_body())["error"]
        assert error["code"] == "RoleMissing"
        assert f"{needed}" in error["message"]
        assert f"have {role}" in error["message"]


@pytest.mark.parametrize("route", [*ROUTES, UNKNOWN], ids=lambda route: route.name)
def test_nobody_gets_in_without_signing_in(signed_in: World, route: Route) -> None:
    """The platform may be set to let such requests through to the app."""
    answer = send(signed_in, route, BODIES.get(route.name, b""), path="nowhere")

    if route.name == "show_health":
        assert answer.status_code == 200
        return
    assert answer.status_code == 401
    assert json.loads(answer.get_body())["error"]["code"] == "NotSignedIn"


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        (principal("Reader", "Promoter"), {Role.READER, Role.PROMOTER}),
        (principal("Builder", claim=_LONG_TYPE), {Role.BUILDER}),
        (principal("Builder", claim="groups"), set()),
        (principal("builder", "Owner"), set()),
        ({"X-MS-CLIENT-PRINCIPAL-ID": "b7d2"}, set()),
        ({"X-MS-CLIENT-PRINCIPAL-ID": "b7d2", "X-MS-CLIENT-PRINCIPAL": "not base64"}, set()),
        ({"X-MS-CLIENT-PRINCIPAL-ID": "b7d2", "X-MS-CLIENT-PRINCIPAL": "W10="}, set()),
    ],
)
def test_roles_are_read_from_the_principal(headers: dict[str, str], found: set[Role]) -> None:
    """A claim of another type, or a role of another app, opens nothing."""
    known = caller.of(headers, CONFIG)
    assert known is not None
    assert (known.id, known.roles) == ("b7d2", found)


@pytest.mark.parametrize(
    "content",
    ['{"claims": [{"typ": null, "val": "Operator"}]}', "[" * 100_000, '{"claims": [7]}'],
    ids=["no type", "deep", "no claim"],
)
def test_an_odd_principal_has_no_role(signed_in: World, content: str) -> None:
    """The request is answered nevertheless."""
    header = base64.b64encode(content.encode()).decode()
    headers = {"X-MS-CLIENT-PRINCIPAL-ID": "b7d2", "X-MS-CLIENT-PRINCIPAL": header}
    (route,) = (each for each in ROUTES if each.name == "list_changes")
    answer = send(signed_in, route, headers=headers)
    assert json.loads(answer.get_body())["error"]["code"] == "RoleMissing"


@pytest.mark.parametrize(
    ("enabled", "headers", "named"),
    [
        ("True", {"X-MS-CLIENT-PRINCIPAL-ID": "b7d2"}, "b7d2"),
        ("true", {"x-ms-client-principal-id": " b7d2 "}, "b7d2"),
        ("True", {"X-MS-CLIENT-PRINCIPAL-NAME": "alice"}, None),
        ("True", {"X-MS-CLIENT-PRINCIPAL-ID": ""}, None),
        ("False", {"X-MS-CLIENT-PRINCIPAL-ID": "b7d2"}, None),
        ("", {"X-MS-CLIENT-PRINCIPAL-ID": "b7d2"}, None),
    ],
)
def test_only_the_platform_names_a_caller(
    enabled: str, headers: dict[str, str], named: str | None
) -> None:
    """Where it does not sign callers in, anybody can send its headers."""
    known = caller.of(headers, settings.load(SETTINGS | {"WEBSITE_AUTH_ENABLED": enabled}))
    assert (known.id if known else None) == named


@pytest.mark.parametrize(
    ("value", "level"),
    [
        ("True", func.AuthLevel.ANONYMOUS),
        ("False", func.AuthLevel.FUNCTION),
        (None, func.AuthLevel.FUNCTION),
    ],
)
def test_the_functions_need_a_key_unless_callers_sign_in(
    monkeypatch: pytest.MonkeyPatch, value: str | None, level: func.AuthLevel
) -> None:
    """With both, a signed-in caller would have to send a key as well."""
    monkeypatch.delenv("WEBSITE_AUTH_ENABLED", raising=False)
    if value is not None:
        monkeypatch.setenv("WEBSITE_AUTH_ENABLED", value)
    assert routes.auth_level() is level


def test_every_change_is_on_record_with_its_caller() -> None:
    """Reading is not, nor is what was refused; a function key names no caller."""
    world = World(own_settings=ON)
    by_name = {route.name: route for route in ROUTES}

    def ask(name: str, body: object = b"", **more: Any) -> Json:
        headers = principal("Operator", id_="operator-1")
        answer = send(world, by_name[name], body, headers=headers, **more)
        return json.loads(answer.get_body())

    build = ask("start_build", image_only())["buildId"]
    ask("list_builds")
    ask("start_build", {"mode": "nonsense"})
    ask("plan_build", image_only("r2"))
    world.engine.run_until_complete(build)
    ask("change_image", {"excludeFromLatest": True})
    world.engine.advance(60)
    ask("put_recipe", {"request": {"mode": "image-only"}}, params={"name": "weekly"})

    found = ask("list_changes")["changes"]
    assert [(each["what"], each["by"], each.get("buildId")) for each in found] == [
        ("PUT /api/recipes/weekly", "operator-1", None),
        (
            "PATCH /api/images/batchImageGallery/batchCustomImage-ubuntu-24.04-cpu/1.0.0",
            "operator-1",
            build,
        ),
        ("POST /api/builds", "operator-1", build),
    ]
    assert world.ask(builds.show_build, id=build).body["requestedBy"] == "operator-1"


def test_a_pool_request_is_on_record_with_its_caller() -> None:
    """It comes by the queue; what a request itself says of that is refused."""
    world = World(own_settings=ON)
    world.build(image_only())
    route = next(route for route in ROUTES if route.name == "request_pool")
    message = {
        "requestId": "by-queue",
        "batchAccount": {"name": "mybatch12345"},
        "image": an_image(),
        "pool": a_pool("queued"),
    }
    forged = {**message, "requestedBy": "operator-2"}
    assert send(world, route, forged, headers=principal("Builder")).status_code == 400

    headers = principal("Builder", id_="operator-1")
    build = json.loads(send(world, route, message, headers=headers).get_body())["buildId"]
    world.deliver(world.outbox.messages[-1])
    world.engine.run_until_complete(build)
    assert world.ask(builds.show_build, id=build).body["requestedBy"] == "operator-1"


def test_the_command_lists_changes(world: World) -> None:
    """A function key names no caller."""
    with served.terminal(world) as terminal:
        assert terminal.type("--image-only --no-wait").code == 0
        shown = terminal.type("changes")
    assert shown.code == 0
    assert "POST /api/builds" in shown.out
    assert "a function key" in shown.out


def test_old_changes_are_forgotten() -> None:
    """With the builds' records, after BUILD_RETENTION_DAYS."""
    world = World(own_settings={"BUILD_RETENTION_DAYS": "30"})
    send(world, next(r for r in ROUTES if r.name == "put_recipe"), BODIES["put_recipe"])
    assert len(world.ask(changes.list_changes).body["changes"]) == 1
    world.engine.advance(31 * 86_400)
    world.sweep()
    assert world.ask(changes.list_changes).body["changes"] == []


def test_who_is_not_signed_in_sees_no_reasons_of_bad_health() -> None:
    """Names of accounts and addresses are in them."""
    world = World(own_settings=ON)
    world.fault({"effect": "status", "method": "GET", "status": 500, "times": 99})
    route = next(route for route in ROUTES if route.name == "show_health")
    hidden = json.loads(send(world, route).get_body())
    shown = json.loads(send(world, route, headers=principal("Reader")).get_body())
    assert (hidden["state"], shown["state"]) == ("degraded", "degraded")
    assert {check["message"] for check in hidden["checks"]} == {""}
    assert any(check["message"] for check in shown["checks"])
