"""Plain tables of lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

_SENTENCE = 40  # characters of a cell with spaces that may go on in the next line


def show(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str
) -> None:
    """Print `rows`, or the line `nothing`; a cell is a Text or any value, `None` is empty. Only
    sentences are broken: where the rest is wider than the screen, the lines are, too, so that names
    can be copied.
    """
    cells = [[_cell(value) for value in row] for row in rows]
    if not cells:
        console.print(nothing, markup=False)
        return
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for place, column in enumerate(columns):
        widest = max(len(column), *(len(row[place]) for row in cells))
        is_sentence = any(len(row[place]) > _SENTENCE and " " in row[place] for row in cells)
        table.add_column(
            column,
            overflow="fold",
            no_wrap=not is_sentence,
            min_width=_SENTENCE if is_sentence else widest,
        )
    for row in cells:
        table.add_row(*row)
    least = Measurement.get(console, console.options.update(max_width=10_000), table).minimum
    table.width = least if least > console.width else None
    console.print(table, crop=False)


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text("" if value is None else str(value))
