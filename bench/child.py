"""One scenario in a process of its own, so that memory and CPU are its own."""

from __future__ import annotations

import dataclasses
import json
import statistics
import sys
from collections import Counter
from collections.abc import Iterable, Sequence

from bench import measuring, rounds, scenarios
from bench.baseline import OldRun
from bench.scenarios import Measured, Scenario
from tests.world import Json

_SMALL_SEEDS = 8


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """What one seed gave, without the world it came from."""

    makespan: float
    critical: float | None
    requests: int
    writes: int
    refused: int  # with 429
    cpu: float
    replayed: int
    history: int
    pool_requests: float  # per verified pool
    outcomes: Counter[str]


def main(name: str) -> None:
    """Print the figures of a scenario as JSON."""
    scenario = scenarios.ALL[name]
    seeds = range(1, scenario.seeds + 1)
    samples = []
    bars: list[Json] = []
    small = _small_cpu(scenario)
    for seed in seeds:
        measured = scenario.run(seed)
        samples.append(_sample(measured))
        bars = bars or _bars(measured)
    memory = measuring.peak_rss_mib()  # before the old script comes, whose it is not
    small += _small_cpu(scenario)
    old = [scenario.old(seed) for seed in seeds]
    answer = {
        **_figures(samples, old, memory),
        "small_cpu": _mean(small, 3),
        "bars": bars,
        "old_steps": _old_steps(old[0]),
    }
    json.dump(answer, sys.stdout)


def _small_cpu(scenario: Scenario) -> list[float]:
    """Seconds of the small scenario of its kind, if it has one; the first run of a process is not
    counted, which also makes what is made once.
    """
    if scenario.small is None:
        return []
    return [scenario.small(seed).stretch.cpu for seed in range(_SMALL_SEEDS + 1)][1:]


def _sample(measured: Measured) -> Sample:
    stretch, asked = measured.stretch, measured.stretch.asked
    return Sample(
        makespan=stretch.makespan,
        critical=stretch.critical if measured.is_one_graph else None,
        requests=len(asked),
        writes=sum(each.is_write for each in asked),
        refused=sum(each.status == 429 for each in asked),
        cpu=stretch.cpu,
        replayed=stretch.replayed,
        history=measured.world.engine.store.longest_history(),
        pool_requests=_pool_requests(measured),
        outcomes=measured.outcomes,
    )


def _pool_requests(measured: Measured) -> float:
    """Requests for one pool: what belongs to no pool is not counted."""
    looks = [look for look in measured.stretch.looks if look.pool]
    pools = {(look.build, look.pool) for look in looks}
    return sum(len(look.asked) for look in looks) / len(pools) if pools else 0.0


def _figures(samples: Sequence[Sample], old: Sequence[OldRun], memory_mib: float) -> Json:
    figures: Json = {
        "makespan_minutes": _mean((s.makespan / 60 for s in samples), 2),
        "sequential_minutes": _mean((run.seconds / 60 for run in old), 2),
        "critical_path_minutes": _mean((s.critical / 60 for s in samples if s.critical), 2),
        "azure_requests": _mean((s.requests for s in samples), 1),
        "azure_writes": _mean((s.writes for s in samples), 1),
        "cpu_seconds": _mean((s.cpu for s in samples), 2),
        "events_replayed": _mean((s.replayed for s in samples), 0),
        "peak_rss_mib": round(memory_mib),
        "history_events_max": max(s.history for s in samples),
    }
    return {
        "figures": figures,
        "reads": _mean((s.requests - s.writes for s in samples), 1),
        "refused": max(s.refused for s in samples),
        "pool_requests": _mean((s.pool_requests for s in samples), 1),
        "over_critical": _mean((s.makespan / s.critical for s in samples if s.critical), 3),
        "over_sequential": _mean(
            (s.makespan / run.seconds for s, run in zip(samples, old, strict=True)), 3
        ),
        "outcomes": dict(sum((s.outcomes for s in samples), Counter[str]())),
        "seeds": len(samples),
    }


def _mean(values: Iterable[float], digits: int) -> float | None:
    """Rounded; None where there is nothing to average."""
    found = list(values)
    return round(statistics.fmean(found), digits) if found else None


_BARS_MAX = 60  # what a chart can show


def _bars(measured: Measured) -> list[Json]:
    """The steps of the first seed, for the Gantt chart."""
    stretch = measured.stretch
    found = rounds.rounds(stretch.looks, list(stretch.happenings))
    return [
        {"title": one.title, "began": one.began, "ended": one.ended, "seen": one.seen}
        for one in found
        if one.seen > one.began
    ][:_BARS_MAX]


def _old_steps(run: OldRun) -> list[Json]:
    """The steps of the old script with the first seed, for its table."""
    return [{"name": step.name, "seconds": step.seconds} for step in run.steps]
