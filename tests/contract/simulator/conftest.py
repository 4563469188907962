"""A fresh simulated Azure for each test, and the real SDK clients on top of it."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator

import pytest
from azure_sandbox import AzureSandbox


@pytest.fixture
def world() -> Iterator[AzureSandbox]:
    world = AzureSandbox()
    yield world
    world.close()


@pytest.fixture
def make_world(tmp_path: pathlib.Path) -> Iterator[type[AzureSandbox]]:
    """Makes worlds with options of their own, and closes all of them at the end."""
    made: list[AzureSandbox] = []

    def make(**options: object) -> AzureSandbox:
        made.append(AzureSandbox(**options))
        return made[-1]

    yield make
    for world in made:
        world.close()


@pytest.fixture
def sealed(world: AzureSandbox) -> AzureSandbox:
    """The world, with a sealed, generalized builder and a definition that fits it."""
    world.make_sealed_vm()
    world.make_definition()
    return world
