"""Every orchestration: the name under which it is registered, and the module that holds it.
`function_app` binds what this table names.

A module is imported when its orchestration first runs, so that a cold start needs none of them.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any

from shared.base.names import Orchestrator

if TYPE_CHECKING:
    from shared.base.time_scale import TimeScale

Function = Callable[[Any], Generator[Any, Any, Any]]

ORCHESTRATORS = {
    Orchestrator.BUILD: "orchestrators.build",
    Orchestrator.BUILD_IMAGE: "orchestrators.build_image",
    Orchestrator.REMOVE_BUILDER: "orchestrators.builder_removal",
    Orchestrator.CREATE_POOL: "orchestrators.create_pool",
    Orchestrator.CHANGE_POOL: "orchestrators.change_pool",
    Orchestrator.REBUILD_IMAGES: "orchestrators.rebuild_images",
    Orchestrator.REBUILD_GROUP: "orchestrators.rebuild_images",
    Orchestrator.CLEAN_UP: "orchestrators.cleanup",
    Orchestrator.CLEAN: "orchestrators.cleanup",
    Orchestrator.RUN_OPERATION: "shared.engine.polling_loop",
}
"""The orchestration has the same name in its module."""


@functools.cache
def find(name: Orchestrator) -> Function:
    """The orchestrator function of that name."""
    function: Function = pkgutil.resolve_name(f"{ORCHESTRATORS[name]}:{name.value}")
    return function


def bound(
    name: Orchestrator, time_scale: Callable[[], TimeScale | None] = lambda: None
) -> Function:
    """The function to register for an orchestration. `time_scale` is that of a simulated Azure."""

    def run(context: Any) -> Generator[Any, Any, Any]:
        if scale := time_scale():
            from shared.base.time_scale import ScaledContext

            context = ScaledContext(context, scale)
        return find(name)(context)

    run.__name__ = run.__qualname__ = name.value
    return run
