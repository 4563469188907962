"""A Batch account whose data plane is closed to the app is found before anything is made."""

from __future__ import annotations

from typing import Any

import pytest

from tests.world import World, a_pool, a_request, pools_only
from triggers import builds

CLOSED: list[tuple[dict[str, Any], str, str]] = [
    ({"publicNetworkAccess": "Disabled"}, "AccountNotReachable", "private endpoint"),
    ({"allowedAuthenticationModes": ["SharedKey"]}, "EntraNotAllowed", "takes no Entra tokens"),
]


def close(world: World, properties: dict[str, Any]) -> None:
    """Somebody changes the account."""
    (account,) = world.azure.store.of_type("Microsoft.Batch/batchAccounts")
    url = f"https://azure{account.id}?api-version=2025-06-01"
    assert world.azure.dispatch("PATCH", url, {"properties": properties}).status == 200
    world.engine.advance(120)  # what the app knew of it is a minute old


@pytest.mark.parametrize(("properties", "code", "words"), CLOSED)
def test_a_closed_account_stops_a_build(
    built: World, properties: dict[str, Any], code: str, words: str
) -> None:
    """No role would help, and the image would be built for nothing."""
    world = built
    assert world.build(pools_only("first", a_pool("dev")))["state"] == "succeeded"
    close(world, properties)
    before = world.resources()

    for request in (a_request(requestId="r2"), pools_only("r3", a_pool("dev", nodes=2))):
        found = world.ask(builds.plan_build, request).body["blockers"]
        assert [(b["field"], b["code"]) for b in found] == [("batchAccount.name", code)]
        build = world.build(request)
        assert [d["code"] for d in build["error"]["details"]] == [code], build["error"]
        assert words in build["error"]["message"]
    assert world.resources() == before


def test_an_account_with_rules_for_networks_may_know_the_apps(built: World) -> None:
    """The account is asked: its properties alone do not say who may come in."""
    assert built.build(pools_only("first", a_pool("dev")))["state"] == "succeeded"
    close(built, {"networkProfile": {"accountAccess": {"defaultAction": "Deny"}}})
    build = built.build(pools_only("r2", a_pool("dev", nodes=2)))
    assert build["state"] == "succeeded", build["error"]
