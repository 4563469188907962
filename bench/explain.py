"""Where the requests and the minutes of one scenario go."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.table import Table

from bench import critical_path, rounds, scenarios
from bench.measuring import Stretch

_SEED = 1
_WIDTH_MIN = 170  # narrower, the lists of requests are hard to read


def main(name: str) -> None:
    """Run one seed of a scenario and print its breakdown."""
    measured = scenarios.ALL[name].run(_SEED)
    console = Console()
    console.width = max(console.width, _WIDTH_MIN)
    show(console, name, measured.stretch)


def show(console: Console, name: str, stretch: Stretch) -> None:
    """Steps in order, requests by operation, and where time is lost."""
    found = rounds.rounds(stretch.looks, list(stretch.happenings))
    asked = stretch.asked
    writes = sum(each.is_write for each in asked)
    seconds, path = critical_path.longest(stretch.tasks)
    console.print(
        f"[bold]{name}[/]: {stretch.makespan / 60:.1f} minutes, {len(asked)} requests "
        f"({writes} writes)"
    )
    console.print(
        f"Critical path {seconds / 60:.1f} minutes ({stretch.makespan / seconds:.3f} of it used): "
        f"{' → '.join(path)}"
    )
    console.print(_steps(found))
    console.print(_operations(found))
    console.print(_lateness(found))


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD)
    for column in columns:
        is_text = column in {"step", "operation", "requests", "steps"}
        table.add_column(column, justify="left" if is_text else "right")
    return table


def _steps(found: list[rounds.Round]) -> Table:
    table = _table(
        "Steps (seconds)", "step", "began", "ended", "seen", "late", "late %", "looks", "requests"
    )
    for one in found:
        length = (one.ended or one.seen) - one.began
        share = f"{100 * one.late / length:.0f}" if length and one.late else ""
        operations = rounds.by_operation(one.asked)
        table.add_row(
            one.title,
            f"{one.began:.1f}",
            "" if one.ended is None else f"{one.ended:.1f}",
            f"{one.seen:.1f}",
            f"{one.late:.1f}" if one.ended is not None else "",
            share,
            str(len(one.looks)),
            f"{sum(operations.values())}: "
            + ", ".join(f"{n} {what}" for what, n in operations.items())
            if operations
            else "",
        )
    return table


def _operations(found: list[rounds.Round]) -> Table:
    table = _table("Requests by operation", "operation", "count", "steps")
    every = rounds.by_operation(each for one in found for each in one.asked)
    for operation, count in every.most_common():
        steps: dict[str, int] = {}
        for one in found:
            asked = rounds.by_operation(one.asked)[operation]
            if asked:
                steps[one.title] = steps.get(one.title, 0) + asked
        by_step = ", ".join(f"{step} {n}" for step, n in steps.items())
        table.add_row(operation, str(count), by_step)
    return table


def _lateness(found: list[rounds.Round]) -> Table:
    table = _table("Lateness, worst first (seconds)", "step", "took", "late", "looks")
    for one in sorted(found, key=lambda r: -r.late):
        if one.ended is not None and one.late >= 1:
            took = one.ended - one.began
            table.add_row(one.title, f"{took:.1f}", f"{one.late:.1f}", str(len(one.looks)))
    return table
