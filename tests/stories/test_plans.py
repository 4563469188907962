"""POST /api/plan: what a request would do and cost; nothing is started."""

from __future__ import annotations

import json

import pytest

from tests.world import World, a_pool, a_request, an_image, image_only
from triggers import builds

SIZE = "Standard_D2s_v5"
GPU_SIZE = "Standard_NC4as_T4_v3"


def planned(world: World, request: dict) -> dict:
    """The answer's body."""
    answer = world.ask(builds.plan_build, request)
    assert answer.status == 200, answer.body
    return dict(answer.body)


def price(world: World, size: str, region: str = "swedencentral") -> float:
    """What Azure asks for an hour of a Linux machine, read by eye from its price list."""
    text = world.services.azure.get_url(
        "https://prices.azure.com/api/retail/prices?$filter=serviceName eq 'Virtual Machines' and "
        f"armRegionName eq '{region}' and armSkuName eq '{size}' and priceType eq 'Consumption'"
    )
    assert text is not None
    found = [
        item["retailPrice"]
        for item in json.loads(text)["Items"]
        if item["productName"].startswith("Virtual Machines")
        and not item["productName"].endswith("Windows")
        and "effectiveEndDate" not in item
        and not item["meterName"].endswith(("Spot", "Low Priority"))
    ]
    (only,) = found
    return float(only)


def test_a_plan_says_what_would_happen_and_starts_nothing(world: World) -> None:
    """Steps, names, minutes, blockers."""
    pool = a_pool("dev", vmSize="Standard_ND96isr_H100_v5", nodes=1000)
    forecast = planned(world, a_request(image=an_image(gpu=True), pools=[pool]))
    assert {"builder_vm", "install", "image_version", "nodes"} <= {
        s["name"] for s in forecast["steps"]
    }
    assert 15 < forecast["minutes"] < 45
    assert world.resources() == []


def test_every_plan_asks_anew(world: World) -> None:
    """A quota that was raised meanwhile is no blocker any more."""
    world.build(a_request())
    world.change_facts({"batchQuota:standardDSv5Family": 4, "batchQuota:dedicatedCores": 4})
    wanted = a_request(requestId="r2", mode="batch-only", pools=[a_pool("big", nodes=9)])
    blockers = planned(world, wanted)["blockers"]  # the family's quota and the sum's
    assert [blocker["code"] for blocker in blockers] == ["QuotaExceeded"] * 2
    world.change_facts({"batchQuota:standardDSv5Family": 120, "batchQuota:dedicatedCores": 120})
    assert planned(world, wanted)["blockers"] == []


def test_a_plan_tells_what_it_costs(world: World) -> None:
    """The builder while it is there, then every hour of the pools' nodes."""
    pools = [a_pool("dev", nodes=3), a_pool("gpu", vmSize=GPU_SIZE, nodes=1)]
    cost = planned(world, a_request(image=an_image(gpu=True), pools=pools))["cost"]
    assert cost["currency"] == "USD"
    gpu = price(world, GPU_SIZE)
    assert cost["poolsPerHour"] == pytest.approx(3 * price(world, SIZE) + gpu)
    assert 0.1 * gpu < cost["build"] < 0.5 * gpu  # some minutes of a builder with a GPU
    assert "disks" in cost["note"]


def test_spot_is_cheaper(world: World) -> None:
    """Of a builder, and of low-priority nodes, which are Spot nodes."""
    dear = planned(world, {"mode": "image-only", "image": an_image()})["cost"]
    cheap = planned(world, {"mode": "image-only", "image": an_image(spot=True)})["cost"]
    assert 0 < cheap["build"] < 0.7 * dear["build"]
    assert "poolsPerHour" not in cheap
    pools = [a_pool("dev", nodes=0, lowPriorityNodes=2)]
    forecast = planned(world, a_request(pools=pools))["cost"]
    assert 0 < forecast["poolsPerHour"] < 2 * 0.7 * price(world, SIZE)


def test_nodes_that_a_formula_decides_are_not_counted(world: World) -> None:
    """And the note says so."""
    pool = {"id": "auto", "vmSize": SIZE, "autoscaleFormula": "$TargetDedicatedNodes=1;"}
    cost = planned(world, a_request(pools=[pool, a_pool("dev")]))["cost"]
    assert cost["poolsPerHour"] == pytest.approx(price(world, SIZE))
    assert "auto scales itself" in cost["note"]


def test_a_plan_without_prices_is_a_plan(world: World) -> None:
    """The price list is not part of Azure's management, and may be out of reach."""
    world.fault({"effect": "status", "status": 503, "path": "/retail/prices", "times": 9})
    forecast = planned(world, a_request())
    assert forecast["blockers"] == []
    assert set(forecast["cost"]) == {"note"}
    assert "An error was injected" in forecast["cost"]["note"]


def test_what_is_no_price_list_is_said(world: World) -> None:
    """A proxy's page, say."""
    for text in ("<html>Sign in</html>", '{"error": "maintenance"}', "[]"):
        world.services.azure.get_url = lambda _, text=text: text  # type: ignore[method-assign]
        assert "no price list" in planned(world, a_request())["cost"]["note"]


def test_a_size_without_a_price_is_named(world: World) -> None:
    """A sum that lacks something is not shown."""
    pools = [a_pool("odd", vmSize="Standard_Z9_v9"), a_pool("dev")]
    cost = planned(world, a_request(pools=pools))["cost"]
    assert cost["build"] > 0
    assert "poolsPerHour" not in cost
    assert "Standard_Z9_v9" in cost["note"]


def test_a_plan_names_the_registry_and_what_is_pushed_into_it(world: World) -> None:
    """It may be a registry that others use, too."""
    build = {"source": "https://example.org/app.git#main", "image": "myapp:v1.0"}
    image = an_image(registry={"name": "imagesregistry1", "build": build})
    names = planned(world, {"mode": "image-only", "image": image})["names"]
    assert (names["registry"], names["pushedImage"]) == ("imagesregistry1", "myapp:v1.0")


def test_a_plan_names_the_version_that_was_asked_for(world: World) -> None:
    """Or says that it is the next free one."""
    for version, named in {"2.0.0": "2.0.0", None: "the next free one"}.items():
        image = {"version": version} if version else {}
        answer = world.ask(builds.plan_build, image_only(**image))
        assert answer.body["names"]["version"] == named


def blockers(world: World, request: dict) -> list[tuple[str, str]]:
    """Field and message of each."""
    return [(b["field"], b["message"]) for b in planned(world, request)["blockers"]]


@pytest.mark.parametrize(
    ("mode", "field"), [("full", "image.location"), ("batch-only", "batchAccount.location")]
)
def test_an_unknown_region_is_named_once(built: World, mode: str, field: str) -> None:
    """Every check would find it: the plan says it once, and so does the build."""
    account = {"name": "mybatch12345", "resourceGroup": "images", "location": "swedenzentral"}
    image = an_image(location="swedenzentral") if mode == "full" else {}
    request = a_request(requestId=mode, mode=mode, image=image, batchAccount=account)
    found = [("Azure offers this subscription no VM size in swedenzentral: correct the name")]
    assert blockers(built, request) == [(field, *found)]
    error = built.build(request)["error"]
    assert (error["code"], error["message"]) == ("Blocked", *found)


def test_near_names_of_an_unknown_size_are_given(world: World) -> None:
    """For the builder and for pools."""
    pool = a_pool("dev", vmSize="Standard_NC5as_T4_v3")
    image = an_image(gpu=True, builderVmSize="Standard_NC5as_T4_v3")
    found = dict(blockers(world, a_request(image=image, pools=[pool])))
    for field in ("image.builderVmSize", "pools[0].vmSize"):
        assert "did you mean Standard_NC" in found[field]
        assert GPU_SIZE in found[field]
