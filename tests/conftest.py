"""Fixtures: few, and each a whole thing."""

from __future__ import annotations

import pytest

from tests.world import World


@pytest.fixture
def world() -> World:
    """A fresh Azure with the app beside it."""
    return World()
