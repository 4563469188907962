"""Every orchestration, by the name it is registered under. `function_app` binds this list."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

from orchestrators.build import build
from orchestrators.build_image import build_image
from orchestrators.change_pool import change_pool
from orchestrators.create_pool import create_pool
from orchestrators.rebuild_images import rebuild_group, rebuild_images
from orchestrators.remove_builder import remove_builder
from orchestrators.sweep import clear_build, shrink_left_pool, sweep
from shared.names import Orchestrator
from shared.steps import run_operation

ORCHESTRATORS: dict[Orchestrator, Callable[[Any], Generator[Any, Any, Any]]] = {
    Orchestrator.BUILD: build,
    Orchestrator.BUILD_IMAGE: build_image,
    Orchestrator.REMOVE_BUILDER: remove_builder,
    Orchestrator.CREATE_POOL: create_pool,
    Orchestrator.CHANGE_POOL: change_pool,
    Orchestrator.REBUILD_IMAGES: rebuild_images,
    Orchestrator.REBUILD_GROUP: rebuild_group,
    Orchestrator.SWEEP_LEFTOVERS: sweep,
    Orchestrator.CLEAR_BUILD: clear_build,
    Orchestrator.SHRINK_LEFT_POOL: shrink_left_pool,
    Orchestrator.RUN_OPERATION: run_operation,
}
