"""A world in the middle of its work, as one small file: what an upgrade finds.

The file is JSON, packed with xz. It holds the statements that make the host's database (histories,
inbox, activities) and the simulator's database anew, and what a world keeps besides: its clock, the
rows of the tables, blobs and queue.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from tests.world import World

Json = dict[str, Any]
SUFFIX = ".json.xz"
_HUB, _AZURE = "hub.sqlite", "azure.sqlite"
_LEDGER = 'INSERT INTO "ledger"'  # what the simulator was asked: nothing depends on it


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Snapshot:
    """What was kept of a world, and how the builds end that it holds."""

    settings: dict[str, str]  # of the app, besides those that every world has
    kept: Json  # what `World.dump` told
    hub: list[str]  # SQL
    azure: list[str]  # SQL
    resumed: list[str] = dataclasses.field(default_factory=list)
    """Builds that have ended and that somebody resumes after the upgrade."""
    expected: Json = dataclasses.field(default_factory=dict)
    """What `ending.told` says once the code that began the builds has ended them."""

    @classmethod
    def read(cls, path: Path) -> Snapshot:
        """The snapshot in a file."""
        return cls(**json.loads(lzma.decompress(path.read_bytes())))

    def write(self, path: Path) -> None:
        """Write the file; the same snapshot makes the same bytes."""
        text = json.dumps(dataclasses.asdict(self), indent=1, sort_keys=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(lzma.compress(text.encode(), preset=9))

    @contextmanager
    def restored(self, folder: Path, seed: int = 1) -> Iterator[World]:
        """A world of the app's present code that goes on from here, its databases in `folder`.

        `seed` decides what runs first of all that could run, and how long Azure takes.
        """
        for name, statements in ((_HUB, self.hub), (_AZURE, self.azure)):
            with closing(sqlite3.connect(folder / name)) as database:
                database.executescript("\n".join(statements))
        world = world_in(folder, self.settings, seed)
        try:
            world.load(self.kept)
            yield world
        finally:
            close(world)


def world_in(folder: Path, settings: dict[str, str], seed: int = 1) -> World:
    """A world whose databases lie in `folder`, where `take` finds them."""
    return World(seed, settings, hub=folder / _HUB, path=folder / _AZURE)


def close(world: World) -> None:
    """Close both databases."""
    world.engine.store.close()
    world.azure.close()


def take(world: World, folder: Path, settings: dict[str, str]) -> Snapshot:
    """What there is of a world that was made by `world_in`."""
    return Snapshot(
        settings=settings,
        kept=world.dump(),
        hub=_statements(folder / _HUB),
        azure=[line for line in _statements(folder / _AZURE) if not line.startswith(_LEDGER)],
    )


def _statements(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as database:
        return list(database.iterdump())
