"""What the figures should be, and whether they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from bench import lists
from bench.startup import Start
from tests.world import Json

Found = dict[str, Json]

_FULL = (1, 3, 5, 10)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One target and what was measured; `reached` is None where nothing could be measured."""

    target: str
    figure: str
    reached: bool | None


def judge(found: Found, start: Start) -> list[Verdict]:
    """Every target; those of scenarios that were not measured are open."""
    checks = [_minutes, _order, _one_pool, _rebuild, _requests, _queue, _history, _lists]
    verdicts = [verdict for check in checks for verdict in check(_Figures(found))]
    return [*verdicts, *_startup(start)]


class _Figures:
    """Figures by scenario; None for what is not there."""

    def __init__(self, found: Found) -> None:
        self._found = found

    def __call__(self, name: str, figure: str) -> float | None:
        answer = self._found.get(name, {})
        value = answer.get("figures", {}).get(figure, answer.get(figure))
        return None if value is None else float(value)

    def ratio(self, name: str, figure: str, to_name: str, to_figure: str) -> float | None:
        one, other = self(name, figure), self(to_name, to_figure)
        return None if one is None or not other else one / other

    def outcomes(self, name: str) -> Json:
        return dict(self._found.get(name, {}).get("outcomes", {}))


def at_most(
    target: str, value: float | None, limit: float, show: Callable[[float], str] = "{:.2f}".format
) -> Verdict:
    """A figure with an upper limit."""
    if value is None:
        return Verdict(target=target, figure="not measured", reached=None)
    return Verdict(target=target, figure=show(value), reached=value <= limit)


def _minutes(figures: _Figures) -> Iterator[Verdict]:
    for pools in _FULL:
        value = figures(f"full_{pools}_pools", "over_critical")
        yield at_most(f"full build, {pools} pools: ≤ 1.10 x critical path", value, 1.10)
    ratio = figures.ratio("full_10_pools", "makespan_minutes", "full_1_pools", "makespan_minutes")
    yield at_most("10 pools ≤ 1.10 x one pool", ratio, 1.10)


def _order(figures: _Figures) -> Iterator[Verdict]:
    for pools, limit in ((1, 0.75), (3, 0.70), (10, 0.45)):
        value = figures(f"full_{pools}_pools", "over_sequential")
        target = f"full build, {pools} pools: ≤ {limit:.2f} x sequential order"
        yield at_most(target, value, limit)


def _one_pool(figures: _Figures) -> Iterator[Verdict]:
    value = figures("pool_update", "over_critical")
    yield at_most("a resized pool ≤ 1.10 x Batch's own resize", value, 1.10)


def _rebuild(figures: _Figures) -> Iterator[Verdict]:
    ratio = figures.ratio("refresh", "makespan_minutes", "full_1_pools", "makespan_minutes")
    alone = figures.ratio("refresh", "makespan_minutes", "image_only", "makespan_minutes")
    beside = "" if alone is None else f" ({alone:.2f} x the image alone)"
    target = "a refresh from an own image ≤ 0.6 x the full build with 1 pool"
    yield at_most(target, ratio, 0.6, lambda value: f"{value:.2f}{beside}")
    target = "an unchanged rebuild: no write, at most 10 reads"
    writes, reads = (
        figures("unchanged_rebuild", "azure_writes"),
        figures("unchanged_rebuild", "reads"),
    )
    if writes is None or reads is None:
        yield Verdict(target=target, figure="not measured", reached=None)
    else:
        figure = f"{writes:.0f} writes, {reads:.0f} reads"
        yield Verdict(target=target, figure=figure, reached=writes == 0 and reads <= 10)


def _requests(figures: _Figures) -> Iterator[Verdict]:
    whole = "{:.0f}".format
    image = figures("image_only", "azure_requests")
    yield at_most("a full image build: ≤ 120 requests", image, 120, whole)
    pool = figures("full_1_pools", "pool_requests")
    yield at_most("a pool with one verified node: ≤ 25 requests", pool, 25, whole)
    nodes = figures("pool_of_4_nodes", "pool_requests")
    yield at_most("a pool with four verified nodes: ≤ 25 + 3 x 2 requests", nodes, 31, whole)
    refused = figures("full_10_pools", "refused")
    yield at_most("a full build with ten pools is never throttled (429)", refused, 0, whole)


def _queue(figures: _Figures) -> Iterator[Verdict]:
    failed = sum(
        count
        for state, count in figures.outcomes("queue_1000_pools").items()
        if state != "succeeded"
    )
    measured = figures("queue_1000_pools", "makespan_minutes")
    value = None if measured is None else float(failed)
    yield at_most("1,000 pools from the queue: none fails", value, 0, "{:.0f} failed".format)
    ratio = figures.ratio(
        "queue_1000_pools", "makespan_minutes", "queue_100_pools", "makespan_minutes"
    )
    yield at_most("1,000 pools ≤ 1.5 x the time of 100", ratio, 1.5)
    cpu = figures("queue_1000_pools", "cpu_seconds")
    yield at_most("1,000 pools: ≤ 120 s of CPU for app and host", cpu, 120, "{:.0f} s".format)
    memory = figures("queue_1000_pools", "peak_rss_mib")
    yield at_most("1,000 pools: < 300 MiB", memory, 299, "{:.0f} MiB".format)
    many, few = "queue_1000_pools", "queue_10_pools"
    growths = {
        "requests": figures.ratio(many, "azure_requests", few, "azure_requests"),
        "events replayed": figures.ratio(many, "events_replayed", few, "events_replayed"),
        "CPU seconds": figures.ratio(many, "cpu_seconds", many, "small_cpu"),
    }
    for what, growth in growths.items():
        per_pool = None if growth is None else growth / 100
        yield at_most(f"{what} per pool grow by ≤ 20 % from 10 to 1,000", per_pool, 1.20)


def _history(figures: _Figures) -> Iterator[Verdict]:
    names = [
        "full_10_pools",
        "pools_100",
        "queue_1000_pools",
        "recipes_50",
        "slow_replication_6h",
    ]
    found = [figures(name, "history_events_max") for name in names]
    known = [value for value in found if value is not None]
    target = "the longest history of an instance: ≤ 600 events"
    yield at_most(target, max(known, default=None), 600, "{:.0f}".format)


def _lists(figures: _Figures) -> Iterator[Verdict]:
    """On the local stack, where storage, host, app and clients share the cores."""
    of = "of 5,000 builds"
    page = figures(lists.NAME, "page_seconds")
    yield at_most(f"one page {of}: ≤ 0.3 s", page, 0.3, "{:.2f} s".format)
    clients = figures(lists.NAME, "clients_seconds")
    yield at_most(
        f"a page {of} for 50 clients at once: median ≤ 1 s", clients, 1, "{:.2f} s".format
    )
    memory = figures(lists.NAME, "host_mib")
    yield at_most(f"the host, {of}: < 300 MiB", memory, 299, "{:.0f} MiB".format)


def _startup(start: Start) -> Iterator[Verdict]:
    app, over = "import function_app: ≤ {}", "import function_app: ≤ {} over the bare worker"
    own = start.seconds - start.bare_seconds
    yield at_most(app.format("0.5 s"), start.seconds, 0.5, "{:.2f} s".format)
    yield at_most(over.format("0.5 s"), own, 0.5, "{:.2f} s".format)
    yield at_most(over.format("60 MiB"), start.mib, 60, "{:.0f} MiB".format)
