"""A running build on the screen: a live view on a terminal, plain lines elsewhere.

The screen is a pure function of the build as the service returns it. Times are the service's own:
a local stack whose clock runs fast shows the minutes that the build would take in Azure.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Protocol, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli import wording
from cli.documents import Build, Step

SYMBOLS = {
    "pending": ("·", "dim"),
    "running": ("▸", "cyan"),
    "succeeded": ("✓", "green"),
    "failed": ("✗", "red"),
    "skipped": ("-", "dim"),
    "cancelled": ("✗", "yellow"),
}
_UNKNOWN = ("?", "yellow")
_FRAME_LINES = 4  # heading, blank line, note, cursor


class View(Protocol):
    """Where the states of a build go while it is watched; used as a context manager."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def show(self, build: Build) -> None:
        """The build as the service returns it now."""

    def note(self, text: str) -> None:
        """Something beside the build: the service does not answer, say."""


def view(console: Console) -> View:
    """The live view where `console` is a terminal that can redraw, else plain lines."""
    return (
        LiveView(console)
        if console.is_terminal and not console.is_dumb_terminal
        else PlainView(console)
    )


# ---------------------------------------------------------------------------------------
# Plain lines


class PlainView:
    """One line for each change of a step: for log files and pipelines."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: Build | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._last = None

    def show(self, build: Build) -> None:
        for line in changes(self._last, build):
            self._console.print(line, markup=False, soft_wrap=True)
        self._last = build

    def note(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)


def changes(before: Build | None, now: Build) -> Iterator[str]:
    """The lines of a log since `before`: each step that began or ended."""
    known = {(step.pool, step.name): step.state for step in before.steps} if before else {}
    at = wording.duration(now.seconds or 0).rjust(7)
    for step in now.steps:
        if step.state == "pending" or known.get((step.pool, step.name)) == step.state:
            continue
        yield f"{at}  {_full_name(step)}  {_state_of(step)}"
    if now.is_over and not (before and before.is_over):
        yield f"{at}  build {now.id}  {now.state}"


def _full_name(step: Step) -> str:
    return f"pool {step.pool}: {step.name}" if step.pool else step.name


def _state_of(step: Step) -> str:
    took = (
        f" in {wording.duration(step.seconds)}" if step.is_over and step.seconds is not None else ""
    )
    how = f" ({execution(step)})" if execution(step) else ""
    why = f": {step.error.message}" if step.error else ""
    return f"{step.state}{took}{how}{why}"


def execution(step: Step) -> str:
    """What of the step was not the real thing."""
    return wording.execution(
        scripted=step.scripted, parts=step.scripted_parts, stand_in=step.stand_in
    )


# ---------------------------------------------------------------------------------------
# The live view


class LiveView:
    """The whole build, redrawn in place; the summary is printed after it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, refresh_per_second=8, transient=True)
        self._note = ""
        self._build: Build | None = None

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._live.stop()

    def show(self, build: Build) -> None:
        self._build, self._note = build, ""
        self._draw()

    def note(self, text: str) -> None:
        self._note = text
        self._draw()

    def _draw(self) -> None:
        if self._build:
            frame = picture(self._build, height=self._console.height, note=self._note)
            self._live.update(frame, refresh=True)


def picture(build: Build, *, height: int, note: str = "") -> RenderableType:
    """One frame: heading, steps, pools; at most `height` lines, finished steps give way first."""
    heading = Text.assemble(
        ("build ", "bold"),
        (build.id, "bold cyan"),
        f"  {build.mode}  {build.state}  ",
        elapsed(build),
    )
    table = Table.grid(padding=(0, 1))
    for _ in range(4):
        table.add_column(no_wrap=True)
    rows = _rows(build.steps)
    room = max(3, height - _FRAME_LINES)
    hidden = _hidden(rows, room)
    if hidden:
        table.add_row(Text(), Text(f"... {wording.count(len(hidden), 'step')} not shown", "dim"))
    for row in rows:
        if row not in hidden:
            table.add_row(*_cells(row))
    return Group(heading, Text(), table, Text(note, "yellow"))


def elapsed(build: Build) -> Text:
    """How long the build has taken so far, by the service's clock."""
    return Text(wording.duration(build.seconds), "dim")


def _rows(steps: Sequence[Step]) -> list[Step | str]:
    """Steps of the build, then for each pool its name (a string) and its steps."""
    rows: list[Step | str] = [step for step in steps if not step.pool]
    for pool in dict.fromkeys(step.pool for step in steps if step.pool):
        rows.append(pool)
        rows.extend(step for step in steps if step.pool == pool)
    return rows


def _hidden(rows: Sequence[Step | str], room: int) -> list[Step]:
    """What to leave out so that the rest fits: what is done, then what is to come."""
    too_many = len(rows) + 1 - room if len(rows) > room else 0
    done = [row for row in rows if isinstance(row, Step) and row.state in {"succeeded", "skipped"}]
    pending = [row for row in rows if isinstance(row, Step) and row.state == "pending"]
    return [*done, *reversed(pending)][:too_many]


def _cells(row: Step | str) -> tuple[RenderableType, ...]:
    if isinstance(row, str):
        return Text(" "), Text(f"pool {row}", "bold"), Text(), Text()
    name = Text(
        ("  " if row.pool else "") + row.name,
        "" if row.state == "running" else SYMBOLS.get(row.state, _UNKNOWN)[1],
    )
    return (
        Spinner("dots", style="cyan") if row.state == "running" else symbol(row.state),
        name,
        _bar(row),
        Text("  ".join(filter(None, _remarks(row))), "dim"),
    )


def _remarks(step: Step) -> Iterator[str]:
    yield wording.duration(step.seconds)
    yield execution(step)
    yield step.note if step.state == "running" else ""


def symbol(state: str) -> Text:
    """The mark of a state, with its colour."""
    return Text(*SYMBOLS.get(state, _UNKNOWN))


def _bar(step: Step) -> RenderableType:
    if step.state == "running" and step.percent is not None:
        bar = Table.grid(padding=(0, 1))
        bar.add_row(
            ProgressBar(total=100, completed=step.percent, width=20), f"{step.percent:3.0f}%"
        )
        return bar
    if step.error:
        return Text(step.error.message[:60], "red")
    return Text()
