"""A fresh simulated Azure for each test, and the real SDK clients on top of it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from simulated_world import World


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    yield world
    world.close()


@pytest.fixture
def make_world(tmp_path: pathlib.Path) -> Iterator[type[World]]:
    """For worlds with options of their own; all are closed at the end."""
    made: list[World] = []

    def make(**options: object) -> World:
        made.append(World(**options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def sealed(world: World) -> World:
    """A world with a sealed, generalized builder and a definition that fits it."""
    world.make_sealed_vm()
    world.make_definition()
    return world
