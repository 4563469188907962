"""Every orchestration, by the name it is registered under, and the module that tells its story.
`function_app` binds what this table names.

A module is imported when its orchestration is first told: a cold start needs none of them.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Generator
from typing import Any

from shared.base.names import Orchestrator

Orchestration = Callable[[Any], Generator[Any, Any, Any]]

ORCHESTRATORS = {
    Orchestrator.BUILD: "orchestrators.build",
    Orchestrator.BUILD_IMAGE: "orchestrators.build_image",
    Orchestrator.REMOVE_BUILDER: "orchestrators.remove_builder",
    Orchestrator.CREATE_POOL: "orchestrators.create_pool",
    Orchestrator.CHANGE_POOL: "orchestrators.change_pool",
    Orchestrator.REBUILD_IMAGES: "orchestrators.rebuild_images",
    Orchestrator.REBUILD_GROUP: "orchestrators.rebuild_images",
    Orchestrator.SWEEP_LEFTOVERS: "orchestrators.sweep",
    Orchestrator.CLEAR_BUILD: "orchestrators.sweep",
    Orchestrator.SHRINK_LEFT_POOL: "orchestrators.sweep",
    Orchestrator.EXPIRE_POOL: "orchestrators.sweep",
    Orchestrator.SWEEP_POOLS: "orchestrators.sweep",
    Orchestrator.RUN_OPERATION: "shared.engine.polling_loop",
}
"""The generator has the orchestration's name."""


@functools.cache
def find(name: Orchestrator) -> Orchestration:
    """The generator function of an orchestration."""
    orchestration: Orchestration = pkgutil.resolve_name(f"{ORCHESTRATORS[name]}:{name.value}")
    return orchestration


def bound(name: Orchestrator) -> Orchestration:
    """The function to register for an orchestration."""

    def tell(context: Any) -> Generator[Any, Any, Any]:
        return find(name)(context)

    tell.__name__ = tell.__qualname__ = name.value
    return tell
