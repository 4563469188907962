"""The sandbox of the tests of Batch, and of the container registries that its nodes pull from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from batch_sandbox import BatchSandbox


@pytest.fixture
def world() -> Iterator[BatchSandbox]:
    world = BatchSandbox()
    yield world
    world.close()


@pytest.fixture
def account(world: BatchSandbox) -> None:
    """The world has a Batch account; modules name this in their `pytestmark`."""
    world.make_account()
