"""Every scenario in a child process, two at a time; then the table, results.json and the page."""

from __future__ import annotations

import json
import os
import pathlib
import platform
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent import futures

from rich.console import Console
from rich.progress import Progress

from bench import lists, page, scenarios, startup, table, targets
from tests.world import Json

_HERE = pathlib.Path(__file__).parent
_ROOT = _HERE.parent
RESULTS, PAGE = _HERE / "results.json", _HERE / "results.md"
_SIDE_BY_SIDE = 2  # more would fight for the cores
_CHILD_SECONDS_MAX = 3600
_ADDITIONS = 10_000_000


def main(names: Sequence[str]) -> None:
    """Measure, show, and write what was measured beside what is known from before."""
    console = table.screen()
    extra = list(scenarios.ONLY_FOR_SCALE) if "queue_1000_pools" in names else []
    start = startup.measure()
    found = known()
    in_children = [name for name in dict.fromkeys([*names, *extra]) if name != lists.NAME]
    for name, answer in measure(in_children, console):
        found[name] = answer
        keep(found, start)  # at once: a run that is ended early was not in vain
    if lists.NAME in names:
        found[lists.NAME] = lists.measure()
        keep(found, start)
    show(found, start, console)


def show(found: dict[str, Json], start: startup.Start, console: Console) -> None:
    """The tables on the screen, and the page."""
    rows = targets.judge(found, start)
    console.print(table.scenarios(found))
    console.print(table.targets(rows))
    PAGE.write_text(page.render(found, rows, start, _machine()))
    console.print(f"Written: {RESULTS.relative_to(_ROOT)}, {PAGE.relative_to(_ROOT)}")


def measure(names: Sequence[str], console: Console) -> Iterator[tuple[str, Json]]:
    """Scenarios and what their children answer, as they end; why one failed is only printed. Those
    whose seconds are compared run alone, after all others: a neighbour takes some of the caches.
    """
    compared = [name for name in names if scenarios.ALL[name].small]
    others = [name for name in names if name not in compared]
    with Progress(console=console, transient=True) as progress:
        bar = progress.add_task("Measuring", total=len(names))
        for group, width in ((others, _SIDE_BY_SIDE), (compared, 1)):
            for name, answer in _side_by_side(group, width):
                progress.advance(bar)
                if isinstance(answer, str):
                    console.print(f"[red]{answer}[/]", highlight=False)
                else:
                    yield name, answer


def _side_by_side(names: Sequence[str], width: int) -> Iterator[tuple[str, Json | str]]:
    """Each scenario's answer, or why it has none."""
    with futures.ThreadPoolExecutor(width) as pool:
        doing = {pool.submit(in_child, name): name for name in names}
        for done in futures.as_completed(doing):
            try:
                yield doing[done], done.result()
            except (subprocess.SubprocessError, RuntimeError) as error:
                yield doing[done], str(error)


def in_child(name: str) -> Json:
    """One scenario in a process of its own, whose memory and CPU are measured alone."""
    ran = subprocess.run(  # noqa: S603 - our own module
        [sys.executable, "-m", "bench", "--child", name],
        cwd=_ROOT,
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=_CHILD_SECONDS_MAX,
        check=False,
    )
    if ran.returncode:
        raise RuntimeError(f"Scenario {name} failed:\n{ran.stderr}")
    return dict(json.loads(ran.stdout))


def known() -> dict[str, Json]:
    """What an earlier run has measured, so that one scenario can be measured again alone."""
    if not RESULTS.exists():
        return {}
    stored = json.loads(RESULTS.read_text())
    found = {
        name: {"figures": figures, **stored["more"][name]}
        for name, figures in {**stored["scenarios"], **stored["scale"]}.items()
    }
    return found | ({lists.NAME: {"figures": stored["lists"]}} if "lists" in stored else {})


def keep(found: dict[str, Json], start: startup.Start) -> None:
    """Write results.json: the eight figures of each scenario, and what the page needs besides."""
    ordered = [name for name in scenarios.ALL if name in found]
    document = {
        "scenarios": {n: found[n]["figures"] for n in ordered if n in scenarios.SCENARIOS},
        "scale": {n: found[n]["figures"] for n in ordered if n in scenarios.ONLY_FOR_SCALE},
        "startup": {
            "seconds": start.seconds,
            "bare_worker_seconds": start.bare_seconds,
            "later_seconds": start.later_seconds,
            "mib_over_bare_worker": start.mib,
        },
        "lists": found.get(lists.NAME, {}).get("figures", {}),
        "measuredOn": _machine(),
        "more": {n: _more(n, found[n]) for n in ordered},
    }
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


def _more(name: str, answer: Json) -> Json:
    """What belongs to a scenario besides its figures; bars and steps only where they are shown."""
    shown = {page.GANTT: "bars", page.OLD_ORDER: "old_steps"}.get(name, "")
    left_out = {"figures", "bars", "old_steps"} - {shown}
    return {key: value for key, value in answer.items() if key not in left_out}


def _machine() -> str:
    """With its speed, without which seconds of CPU say nothing."""
    cores, began = os.cpu_count(), time.process_time()
    sum(range(_ADDITIONS))
    each = (time.process_time() - began) / _ADDITIONS
    python = f"Python {platform.python_version()}"
    return f"{python}, {cores} cores, {platform.system()}, {each * 1e9:.0f} ns for an addition"
