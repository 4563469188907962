"""The Markdown page that `make bench` writes; its charts are Mermaid text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bench import scenarios, table
from bench.startup import Start
from bench.targets import Verdict
from tests.world import Json

GANTT = "full_3_pools"
OLD_ORDER = "full_1_pools"
_WORDS = {True: "reached", False: "**not reached**", None: "open"}


def render(found: dict[str, Json], verdicts: Sequence[Verdict], start: Start, machine: str) -> str:
    """The whole page."""
    return "\n".join(
        [
            "# Measurements",
            "",
            f"Written by `make bench`; do not edit. Measured with {machine}.",
            "",
            *_explained(),
            "## Scenarios",
            "",
            *_scenarios(found),
            "",
            "## Targets",
            "",
            *_targets(verdicts),
            "",
            f"The bare worker's own libraries take {start.bare_seconds:.2f} s of the import. What",
            "`function_app` names is imported when it is first called: another",
            f"{start.later_seconds:.2f} s once everything was.",
            "",
            *_old_order(found),
            *_gantt(found),
            *_curves(found),
        ]
    )


def _explained() -> list[str]:
    return [
        "Minutes are simulated: the app's own orchestrations and activities run on the SDK's",
        "replay engine against the simulator in process, on a virtual clock, so a seed repeats",
        "exactly. `full_*`, `image_only` and `pool_update` are means of 20 seeds.",
        "",
        "- **critical path**: the longest chain of Azure's true durations, which the app does not",
        "  know, every end seen the moment it happens. No build can be faster.",
        "- **sequential**: the script that this project replaces: its documented steps, really run",
        "  one after the other on the same simulator with the same seeds, through Azure's own SDK.",
        "  It waits as `az` does: the SDK's pollers (30 s, or as Retry-After asks), and every 15 s",
        "  where it looks by itself. Of the queue's pools 3 are run and of the 50 images one, and",
        "  multiplied; in `pool_iterations_10` it makes everything anew for each pool.",
        "- **requests**, **writes**: to Azure, all of them.",
        "- **CPU**: seconds of app and host, without the simulator's own. What one of 1,000 costs",
        "  is compared with ten pools that are measured before and after in the same process: the",
        "  speed of a machine changes from minute to minute.",
        "- **replayed**: events of histories that the SDK has read, again in each episode: most of",
        "  what CPU goes into, and the same on every machine.",
        "- **MiB**: the most memory of the process, simulator included.",
        "- **history**: events of the longest history of an orchestration.",
        "",
    ]


def _scenarios(found: dict[str, Json]) -> Iterator[str]:
    yield f"| scenario | {' | '.join(table.COLUMNS.values())} | what |"
    yield f"|---|{'---:|' * len(table.COLUMNS)}---|"
    for name, scenario in scenarios.SCENARIOS.items():
        if name in found:
            yield f"| `{name}` | {' | '.join(table.cells(found[name]))} | {scenario.about} |"


def _targets(verdicts: Sequence[Verdict]) -> Iterator[str]:
    yield "| target | measured | |"
    yield "|---|---|---|"
    for verdict in verdicts:
        yield f"| {verdict.target} | {verdict.figure} | {_WORDS[verdict.reached]} |"


def _old_order(found: dict[str, Json]) -> Iterator[str]:
    """What the old script does, so that a reader can judge the comparison."""
    steps = found.get(OLD_ORDER, {}).get("old_steps")
    if not steps:
        return
    yield "## The old script's own order"
    yield ""
    yield "The same build with one pool, seed 1: every step with the wait until its end is seen."
    yield ""
    yield "| step | seconds |"
    yield "|---|---:|"
    for step in steps:
        yield f"| {step['name']} | {step['seconds']:.0f} |"
    total = sum(step["seconds"] for step in steps)
    yield f"| **all**, {total / 60:.1f} minutes | {total:.0f} |"
    yield ""


def _gantt(found: dict[str, Json]) -> Iterator[str]:
    """Each step until Azure was done; then, in red, until the app saw it."""
    if GANTT not in found:
        return
    yield "## A full build with three pools"
    yield ""
    yield "Seed 1, in minutes. Red is the time from an end to the look that saw it."
    yield ""
    yield "```mermaid"
    yield "gantt"
    yield "  dateFormat X"
    yield "  axisFormat %M:%S"
    for number, bar in enumerate(found[GANTT]["bars"]):
        ended = bar["seen"] if bar["ended"] is None else bar["ended"]
        yield f"  section {bar['title']}"
        yield f"  {_span(bar['began'], ended)} :s{number}, {bar['began']:.0f}, {ended:.0f}"
        if bar["seen"] - ended >= 1:
            yield f"  seen :crit, t{number}, {ended:.0f}, {bar['seen']:.0f}"
    yield "```"
    yield ""


def _span(began: float, ended: float) -> str:
    return f"{ended - began:.0f} s"


def _curves(found: dict[str, Json]) -> Iterator[str]:
    pools = {n: found.get(f"full_{n}_pools") for n in (1, 3, 5, 10)}
    queued = {n: found.get(f"queue_{n}_pools") for n in (10, 100, 1000)}
    yield "## Scaling"
    yield ""
    yield from _chart("Minutes of a full build with 1 to 10 pools", pools, _minutes)
    yield from _chart("Minutes until all pools from the queue are ready", queued, _minutes)
    milliseconds = _per_pool("cpu_seconds", 1000)
    yield from _chart("CPU milliseconds per pool from the queue", queued, milliseconds)
    replayed = _per_pool("events_replayed")
    yield from _chart("Events replayed per pool from the queue", queued, replayed)


_Value = Callable[[int, Json], float | None]


def _minutes(_: int, answer: Json) -> float | None:
    return _figure(answer, "makespan_minutes")


def _per_pool(key: str, times: float = 1.0) -> _Value:
    def value(pools: int, answer: Json) -> float | None:
        figure = _figure(answer, key)
        return None if figure is None else times * figure / pools

    return value


def _figure(answer: Json, key: str) -> float | None:
    """None where it was not measured."""
    figure = answer["figures"].get(key)
    return None if figure is None else float(figure)


def _chart(title: str, points: dict[int, Json | None], value: _Value) -> Iterator[str]:
    found = {n: value(n, answer) for n, answer in points.items() if answer is not None}
    there = {n: round(figure, 1) for n, figure in found.items() if figure is not None}
    if not there:
        return
    values = list(there.values())
    yield "```mermaid"
    yield "xychart-beta"
    yield f'  title "{title}"'
    yield f"  x-axis [{', '.join(map(str, there))}]"
    yield f"  y-axis 0 --> {max(values) * 1.1:.0f}"
    yield f"  line [{', '.join(map(str, values))}]"
    yield "```"
    yield ""
