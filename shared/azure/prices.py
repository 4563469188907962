"""Prices of VMs from Azure's public retail price list, which needs no sign-in."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

if TYPE_CHECKING:
    from shared.azure.clients import Azure

Json = dict[str, Any]

CURRENCY = "USD"  # what the list is in where no other currency is asked for
_CHEAPER = ("Spot", "Low Priority")  # the ends of such meters' names
# Parts of products' names, without spaces: the list writes some with and some without.
_OTHER_PRODUCTS = ("windows", "cloudservices")


class NoPriceList(ValueError):  # noqa: N818
    """The answer is not a price list."""


def hourly(azure: Azure, region: str, size: str, *, spot: bool = False) -> float | None:
    """US dollars for an hour of a Linux machine, pay as you go, without discounts; None where the
    list has none. Raises AzureError where it cannot be asked, NoPriceList where something else
    answers.
    """
    text = azure.get_url(_url(azure.config.retail_prices_endpoint, region, size))
    return _find(_items(text or ""), spot=spot)


def _items(text: str) -> list[Json]:
    try:
        items = json.loads(text)["Items"]
    except (ValueError, KeyError, TypeError):
        items = None
    if not isinstance(items, list):
        raise NoPriceList(f"the answer is no price list: {text[:80]!r}")
    return items


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
    """The price of the right meter: the list has one meter per size and way to pay, and keeps lines
    whose time is over.
    """
    wanted = [item for item in items if _is_meant(item, "Spot" if spot else "")]
    wanted.sort(key=lambda item: str(item.get("effectiveStartDate")))
    return float(wanted[-1]["retailPrice"]) if wanted else None


def _is_meant(item: Json, kind: str) -> bool:
    product = str(item.get("productName")).replace(" ", "").lower()
    ends = [cheaper for cheaper in _CHEAPER if str(item.get("meterName")).endswith(cheaper)]
    return (
        not any(other in product for other in _OTHER_PRODUCTS)
        and (item.get("unitOfMeasure"), item.get("type")) == ("1 Hour", "Consumption")
        and ends == ([kind] if kind else [])
        and not item.get("effectiveEndDate")
        and bool(item.get("retailPrice"))
    )
