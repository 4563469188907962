"""The public price list: no token, a filter, pages."""

from __future__ import annotations

import json

from azure_sandbox import AzureSandbox

from local.azure_simulator import model

LIST = "/api/retail/prices"


def listed(world: AzureSandbox, terms: str = "", *, url: str = "") -> dict:
    query = {"$filter": terms} if terms else {}
    request = model.Request(method="GET", path=LIST, query=query, host="prices.azure.com")
    if url:
        request = model.Request.from_url("GET", url)
    answer = world.azure.handle(request)
    assert answer.status == 200, answer.body
    return dict(json.loads(answer.body))


def test_the_terms_of_a_filter_all_hold(world: AzureSandbox) -> None:
    """A size has a line for every way to pay for it; one of them is what a Linux machine costs."""
    terms = "armSkuName eq 'Standard_D4s_v5' and armRegionName eq 'westeurope'"
    items = listed(world, f"{terms} and priceType eq 'Consumption'")["Items"]
    assert {(i["armSkuName"], i["armRegionName"]) for i in items} == {
        ("Standard_D4s_v5", "westeurope")
    }
    assert {i["type"] for i in items} == {"Consumption"}
    now = [i for i in items if "effectiveEndDate" not in i]
    assert len({(i["productName"], i["meterName"]) for i in now}) == len(now) == len(items) - 1
    prices = {i["retailPrice"] for i in items if i["meterName"].endswith("Spot")}
    assert max(prices) < max(i["retailPrice"] for i in items)
    assert "Reservation" in {i["type"] for i in listed(world, terms)["Items"]}


def test_values_are_case_sensitive_and_unknown_ones_find_nothing(world: AzureSandbox) -> None:
    """As the newer versions of the list are."""
    for value in ("standard_d4s_v5", "Standard_Z1"):
        assert listed(world, f"armSkuName eq '{value}'")["Items"] == []


def test_pages_are_linked(world: AzureSandbox) -> None:
    """Nobody gets the whole list at once, and no line is on two pages."""
    page = listed(world)
    seen = [json.dumps(item, sort_keys=True) for item in page["Items"]]
    assert page["Count"] == 1000
    while page["NextPageLink"]:
        page = listed(world, url=page["NextPageLink"])
        seen += [json.dumps(item, sort_keys=True) for item in page["Items"]]
    assert len(set(seen)) == len(seen) > 1000


def test_what_is_no_filter_is_refused(world: AzureSandbox) -> None:
    """Its language is small."""
    request = model.Request(method="GET", path=LIST, query={"$filter": "armSkuName like 'x'"})
    assert world.azure.handle(request).status == 400
