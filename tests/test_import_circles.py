"""Files can be read, and imported, from the bottom up: no circle anywhere, and rows of rooms in
`local/`.

Every import counts: one for types only and one inside a function, too. `from package import module`
is an arrow to the module, `from package import name` one to the package's `__init__.py`, and
`__init__.py` is a file like any other.
"""

from __future__ import annotations

import ast
import graphlib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From the bottom up. A room imports itself and the rooms of earlier rows; rooms of one row do not
# know each other.
ROWS = (
    {"clock", "memory_tables", "machines", "private_files"},
    {"azure_simulator", "functions_host"},
    {"stack"},
)

Graph = dict[str, set[str]]


APP = ("shared", "activities", "orchestrators", "triggers")


def sources(*folders: str) -> dict[str, str]:
    """The text of each file below these folders, by the name of its module."""
    found = {}
    for path in sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = path.read_text()
    return found


def import_graph(texts: dict[str, str]) -> Graph:
    """For each module, those of the given modules that it imports, in any scope."""
    return {name: _imported(text, texts) - {name} for name, text in texts.items()}


def _imported(text: str, known: dict[str, str]) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "relative imports are not resolved here"
            for alias in node.names:
                module = f"{node.module}.{alias.name}"
                found.add(module if module in known else str(node.module))
    return found & set(known)


def cycle(graph: Graph) -> list[str]:
    """The modules of one cycle, in order of import; empty where there is none."""
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        modules: list[str] = error.args[1]
        return modules[::-1]
    return []


def room(module: str) -> str:
    """The file or folder directly below `local/` that a module belongs to; empty for `local`."""
    return module.partition(".")[2].partition(".")[0]


@pytest.mark.parametrize("folders", [("local",), ("cli",), ("bench",), ("release",), APP], ids=str)
def test_no_file_imports_itself_in_a_circle(folders: tuple[str, ...]) -> None:
    """A file in a cycle cannot be understood before the other files of the cycle are."""
    found = cycle(import_graph(sources(*folders)))
    assert not found, " imports ".join(found)


def test_the_rooms_are_imported_from_the_bottom_up() -> None:
    """The stack starts hosts and simulators; these know neither the stack nor each other."""
    for index, row in enumerate(ROWS):
        below = set().union(*ROWS[:index])
        for name, imported in import_graph(sources("local")).items():
            if room(name) in row:
                assert {room(module) for module in imported} <= below | {room(name)}, name


def test_every_room_has_its_row() -> None:
    """A new room is placed before anything imports it."""
    rooms = {room(name) for name in sources("local")} - {""}
    assert rooms == set().union(*ROWS)


@pytest.mark.parametrize(
    "back",
    [
        "from local import low",
        "import local.low",
        "def late():\n    from local import low",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from local import low",
        "from local.low import name",
    ],
)
def test_every_kind_of_import_can_close_a_circle(back: str) -> None:
    """The tests above would not see a cycle through an import that the graph leaves out."""
    texts = {"local": "", "local.low": "from local import high", "local.high": back}
    assert set(cycle(import_graph(texts))) == {"local.low", "local.high"}


def test_an_init_file_can_be_part_of_a_circle() -> None:
    """A package that imports its own modules is a file that they must not import."""
    texts = {
        "local.room": "from local.room import part\nname = 1",
        "local.room.part": "from local.room import name",
    }
    assert set(cycle(import_graph(texts))) == {"local.room", "local.room.part"}


def test_the_graph_is_not_empty() -> None:
    """The rules above look at real files and at real imports."""
    graph = import_graph(sources("local"))
    assert len(graph) > 100
    assert "local.azure_simulator.core" in graph["local.azure_simulator.server"]
