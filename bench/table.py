"""What is shown on the screen."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table

from bench import scenarios as known
from bench.targets import Verdict
from tests.world import Json

_WIDTH_MIN = 120  # the tables' own; a file or a pipe has none
COLUMNS = {
    "makespan_minutes": "minutes",
    "critical_path_minutes": "critical path",
    "sequential_minutes": "sequential",
    "azure_requests": "requests",
    "azure_writes": "writes",
    "cpu_seconds": "CPU s",
    "events_replayed": "replayed",
    "peak_rss_mib": "MiB",
    "history_events_max": "history",
}
_WORDS = {True: "[green]reached[/]", False: "[red]not reached[/]", None: "[yellow]open[/]"}


def screen() -> Console:
    """Where the tables are shown: as wide as the terminal, and wide enough without one."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH_MIN)


def scenarios(found: dict[str, Json]) -> Table:
    """One row for each scenario."""
    table = Table(box=box.SIMPLE_HEAD, title="Scenarios", title_justify="left")
    table.add_column("scenario", no_wrap=True)
    for title in COLUMNS.values():
        table.add_column(title, justify="right")
    for name in known.SCENARIOS:
        if name in found:
            table.add_row(name, *cells(found[name]))
    return table


def cells(answer: Json) -> list[str]:
    """The nine figures as text; what is missing is a dash."""
    return [
        "-" if answer["figures"].get(key) is None else f"{answer['figures'][key]:g}"
        for key in COLUMNS
    ]


def targets(verdicts: Sequence[Verdict]) -> Table:
    """One row for each target."""
    table = Table(box=box.SIMPLE_HEAD, title="Targets", title_justify="left")
    for title in ("target", "measured", ""):
        table.add_column(title)
    for verdict in verdicts:
        table.add_row(verdict.target, verdict.figure, _WORDS[verdict.reached])
    return table
