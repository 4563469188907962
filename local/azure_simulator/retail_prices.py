"""The public price list, `GET /api/retail/prices?$filter=…`: no token, no subscription.

Each size has several lines: with and without Windows, pay as you go, Spot, and what is no longer
sold; of Cloud Services, too, whose name has two spellings; and one at a price of years ago. The
figures are those of the sizes' table; Spot is a third of them.
"""

# ruff: noqa: ARG001 - handlers, events and endings share one signature each

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib import parse

from local.azure_simulator import context, model
from local.azure_simulator.data import locations, skus

_PAGE = 1000
_TERM = re.compile(r"(\w+) eq '([^']*)'")
_WINDOWS_PER_CORE = 0.046


def register(azure: context.Azure) -> None:
    azure.route("GET", "/api/retail/prices", list_prices, plane=model.OPEN)


def list_prices(azure: context.Azure, request: model.Request) -> model.Response:
    """Lines for which all terms of the filter hold; a filter is terms joined by `and`."""
    wanted = _terms(request.query.get("$filter", ""))
    skip = request.number("$skip", 0)
    found = [
        line
        for location in locations.NAMES
        for size in skus.SIZES.values()
        if location in size.regions
        for line in _lines(size, location)
        if all(str(line.get(_field(name))) == value for name, value in wanted.items())
    ]
    shown = found[skip : skip + _PAGE]
    more = len(found) > skip + _PAGE
    following = parse.urlencode({**request.query, "$skip": skip + _PAGE})
    document: model.JsonObject = {
        "BillingCurrency": "USD",
        "CustomerEntityId": "Default",
        "CustomerEntityType": "Retail",
        "Items": shown,
        "NextPageLink": f"{request.base_url}{request.path}?{following}" if more else None,
        "Count": len(shown),
    }
    return model.json_response(200, document)


def _terms(text: str) -> dict[str, str]:
    if not text:
        return {}
    terms = [_TERM.fullmatch(term.strip()) for term in text.split(" and ")]
    if not all(terms):
        model.refuse(400, "BadRequest", f"The filter '{text}' is not valid.")
    return {term[1]: term[2] for term in terms if term}


def _field(name: str) -> str:
    """The filter knows a price's type by another name than the answer."""
    return "type" if name == "priceType" else name


def _lines(size: skus.Size, location: str) -> Iterator[model.JsonObject]:
    label = size.name.removeprefix("Standard_").replace("_", " ")
    series = size.family.removeprefix("standard").removesuffix("Family")
    linux, product = size.price_per_hour, f"Virtual Machines {series} Series"
    windows = linux + _WINDOWS_PER_CORE * size.cores
    for product_name, meter, price, kind in (
        (f"{product} Windows", label, windows, "Consumption"),
        (f"{series} Series CloudServices", label, windows, "Consumption"),
        (f"{series} Series Cloud Services", label, windows, "Consumption"),
        (f"{product} Windows", f"{label} Spot", windows / 3, "Consumption"),
        (product, f"{label} Low Priority", linux / 5, "Consumption"),
        (product, f"{label} Spot", linux / 3, "Consumption"),
        (product, label, linux * 8760 * 0.6, "Reservation"),
        (product, label, linux, "Consumption"),
    ):
        yield _line(size, location, (product_name, meter, price, kind))
    yield {
        **_line(size, location, (product, label, linux * 2, "Consumption")),
        "effectiveStartDate": "2020-01-01T00:00:00Z",
        "effectiveEndDate": "2024-12-31T23:59:59Z",
    }


def _line(size: skus.Size, location: str, meter: tuple[str, str, float, str]) -> model.JsonObject:
    product_name, meter_name, price, kind = meter
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": round(price, 6),
        "unitPrice": round(price, 6),
        "armRegionName": location,
        "location": locations.display_name(location),
        "effectiveStartDate": "2025-01-01T00:00:00Z",
        "meterName": meter_name,
        "productName": product_name,
        "skuName": meter_name,
        "serviceName": "Virtual Machines",
        "serviceFamily": "Compute",
        "unitOfMeasure": "1 Hour",
        "type": kind,
        "isPrimaryMeterRegion": True,
        "armSkuName": size.name,
    }
