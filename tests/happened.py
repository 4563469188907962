"""Worlds in which something has happened that many tests begin with."""

from __future__ import annotations

import functools
from collections.abc import Callable

from tests.world import World


def world_in_which(happens: Callable[[World], object]) -> World:
    """A world of its own in which this has happened, once in a process, and come to rest."""
    return _in_which(happens).copy()


@functools.cache
def _in_which(happens: Callable[[World], object]) -> World:
    world = World()
    happens(world)
    return world
