"""What a request would cost: its builder while that is there, then its pools' nodes by the hour."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from shared.azure import failures, prices
from shared.azure.clients import Azure
from shared.model.plan_documents import Cost
from shared.model.plans import BuildPlan, PoolPlan

_LEFT_OUT = "disks, network, the image's storage, taxes and discounts are not in it"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Machine:
    """What has one price."""

    region: str
    size: str
    spot: bool = False


def of(plan: BuildPlan, builder_hours: float, azure: Azure) -> Cost:
    """The cost of a build, or only a note where the price list cannot be read: a plan is of use
    without prices, too.
    """
    from azure.core.exceptions import AzureError

    builder = list(_builder(plan))
    nodes = [each for pool in plan.pools for each in _nodes(pool)]
    machines = sorted({machine for machine, _ in nodes} | set(builder), key=str)
    try:
        with ThreadPoolExecutor(max_workers=8) as workers:
            found = list(workers.map(lambda machine: _price(azure, machine), machines))
    except prices.NoPriceList as error:
        return Cost(note=f"no prices: {error}")
    except AzureError as error:
        attempted, where = "ask for prices", azure.config.retail_prices_endpoint
        failure = failures.translate(error, attempted=attempted, resource=where)
        return Cost(note=f"no prices: {failure.message}")
    price = {machine: each for machine, each in zip(machines, found, strict=True) if each}
    amounts: dict[str, float] = {}
    if builder and all(m in price for m in builder):
        amounts["build"] = round(sum(price[m] * builder_hours for m in builder), 4)
    if nodes and all(m in price for m, _ in nodes):
        amounts["pools_per_hour"] = round(sum(price[m] * count for m, count in nodes), 4)
    unknown = sorted({machine.size for machine in machines if machine not in price})
    note = "; ".join(_notes(plan, unknown))
    return Cost(currency=prices.CURRENCY, note=note, **amounts)


def _builder(plan: BuildPlan) -> Iterator[_Machine]:
    image = plan.image
    if image is not None:
        yield _Machine(region=image.location, size=image.size, spot=image.spot)


def _nodes(pool: PoolPlan) -> Iterator[tuple[_Machine, int]]:
    """Low-priority nodes are Spot machines. How many a formula will want is not known."""
    if pool.pool.formula:
        return
    region, asked = pool.account.location, pool.pool
    for spot, count in ((False, asked.nodes), (True, asked.low_priority_nodes)):
        if count:
            yield _Machine(region=region, size=pool.size, spot=spot), count


def _price(azure: Azure, machine: _Machine) -> float | None:
    return prices.hourly(azure, machine.region, machine.size, spot=machine.spot)


def _notes(plan: BuildPlan, unknown: list[str]) -> Iterator[str]:
    for pool in plan.pools:
        if pool.pool.formula:
            yield f"{pool.pool_id} scales itself: its nodes are not counted"
    if unknown:
        yield f"no price is known of {', '.join(unknown)}"
    yield _LEFT_OUT
