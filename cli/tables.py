"""Plain tables of lists."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text


def show(
    console: Console, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, nothing: str
) -> None:
    """Print `rows`, or the line `nothing`; a cell is a Text or any value, `None` is empty."""
    table = Table(box=box.SIMPLE, show_edge=False, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    if table.row_count:
        console.print(table)
    else:
        console.print(nothing, markup=False)


def _cell(value: Any) -> Text:
    if isinstance(value, Text):
        return value
    if isinstance(value, bool):
        return Text("yes" if value else "no")
    return Text("" if value is None else str(value))
