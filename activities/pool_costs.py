"""What the nodes of the recorded pools cost by the hour, for the metrics. Each sweep asks for the
prices; without telemetry nothing is asked.
"""

from __future__ import annotations

from collections import Counter

from shared.azure import prices
from shared.base import logs
from shared.engine.activity import NoInput, NoResult, PollState, Services, short_activity

log = logs.get("pool_costs")
_GONE = {"deleted", "gone"}


@short_activity(NoInput, NoResult, verb="report the pools' cost", subject=lambda _: "records")
def report_pool_costs(services: Services, _: NoInput, poll: PollState) -> NoResult:
    """One value for each region. A pool that scales itself counts with the nodes of its record, and
    a size without a price counts nothing.
    """
    from azure.core.exceptions import AzureError

    if not services.telemetry.is_on:
        return NoResult()
    nodes: Counter[tuple[str, str, bool]] = Counter()
    for pool in services.records.pools():
        if pool.state not in _GONE:
            nodes[pool.location, pool.vm_size, False] += pool.nodes
            nodes[pool.location, pool.vm_size, True] += pool.low_priority_nodes
    costs: dict[str, float] = {}
    try:
        for (region, size, spot), count in nodes.items():
            price = _hourly(services, poll.now, region, size, spot=spot) if count else 0.0
            costs[region] = costs.get(region, 0.0) + price * count
    except (AzureError, prices.NoPriceList) as error:
        log.info("the pools' cost is not reported: %s", error)
        return NoResult()
    for region, cost in costs.items():
        services.telemetry.gauge("batch_prep.pools.cost", round(cost, 4), region=region)
    return NoResult()


def _hourly(services: Services, now: str, region: str, size: str, *, spot: bool) -> float:
    def ask() -> float:
        return prices.hourly(services.azure, region, size, spot=spot) or 0.0

    return services.cache.get(("price", region, size, str(spot)), now, ask)
