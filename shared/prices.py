"""What machines cost: Azure's public price list, which asks nobody who they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from shared.clients import Azure

Json = dict[str, Any]

CURRENCY = "USD"  # what the list is in where no other currency is asked for
_CHEAPER = ("Spot", "Low Priority")  # the ends of such meters' names
_OTHER_PRODUCTS = ("Windows", "CloudServices")  # parts of their names: neither is a Linux machine


def hourly(azure: Azure, region: str, size: str, *, spot: bool = False) -> float | None:
    """US dollars for an hour of a Linux machine, pay as you go, without discounts; None where the
    list has none. Raises AzureError where it cannot be asked.
    """
    text = azure.get_url(_url(azure.config.retail_prices_endpoint, region, size))
    return _find(json.loads(text)["Items"] if text else [], spot=spot)


def _url(endpoint: str, region: str, size: str) -> str:
    """The list's own filter; its values are case-sensitive from 2023-01-01-preview on. A size has
    a dozen lines and fits into the first page.
    """
    wanted = {
        "serviceName": "Virtual Machines",
        "priceType": "Consumption",
        "armRegionName": region,
        "armSkuName": size,
    }
    text = " and ".join(f"{name} eq '{value}'" for name, value in wanted.items())
    return f"{endpoint}/api/retail/prices?{urlencode({'$filter': text}, quote_via=quote)}"


def _find(items: list[Json], *, spot: bool) -> float | None:
    """The price of the meter that is meant: each size has one for every way to pay for it."""
    for item in items:
        is_linux = not any(part in item["productName"] for part in _OTHER_PRODUCTS)
        is_hourly = item["unitOfMeasure"] == "1 Hour" and item["type"] == "Consumption"
        kind = next((k for k in _CHEAPER if item["meterName"].endswith(k)), "")
        if is_linux and is_hourly and kind == ("Spot" if spot else ""):
            return float(item["retailPrice"])
    return None
