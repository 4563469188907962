"""Every activity: one effect each, safe to repeat. `function_app` registers what this table names.

A module is imported when one of its activities is first called, so that a cold start needs none of
them.
"""

from __future__ import annotations

import functools
import pkgutil
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared.engine.activity import Activity, Services

_BY_MODULE = {
    # before anything is made
    "preflight": ["check_providers", "check_image_source", "check_builder"],
    "pool_preflight": ["check_batch"],
    "existing_image": ["check_image"],
    # the image, and its removal
    "network": [
        "ensure_resource_group",
        "create_public_ip",
        "create_nat_gateway",
        "create_network",
        "remove_network",
        "remove_nat_gateway",
        "remove_public_ip",
    ],
    "builder_vm": [
        "create_builder_vm",
        "restart_builder",
        "start_builder",
        "generalize_builder",
        "deallocate_builder",
        "remove_builder_vm",
    ],
    "run_script": ["run_script"],
    "bill_of_materials": ["keep_bill_of_materials"],
    "sealing": ["seal_builder"],
    "snapshots": ["take_snapshot", "remove_snapshot"],
    "registry": ["create_registry", "ensure_pull_identity", "grant_pull", "push_image"],
    "gallery": [
        "create_gallery",
        "create_image_definition",
        "claim_version",
        "create_managed_image",
        "publish_image_version",
    ],
    # cleanup
    "cleanup": ["list_left", "list_pools", "list_made", "remove_made", "record_cleanup"],
    "reconciling": ["reconcile_records"],
    "pool_costs": ["report_pool_costs"],
    "closing": ["close_build", "give_up_build", "hand_over_pools"],
    # the pools
    "batch_account": ["ensure_batch_account"],
    "batch_pool": ["ensure_pool"],
    "pool_shrinking": ["empty_pool"],
    "pool_nodes": ["await_nodes"],
    "verification_job": ["read_node_reports", "run_verification_job", "remove_verification_job"],
    "pool_change": ["resize_pool", "record_pool_size", "delete_pool"],
    # the records
    "records": [
        "begin_build",
        "end_build",
        "record_image",
        "record_pool",
        "record_pool_change",
        "list_recipes",
        "accept_recipe",
    ],
}
_MODULES = {name: module for module, names in _BY_MODULE.items() for name in names}
ACTIVITIES = tuple(_MODULES)
"""The registered names; the description of an activity has the same name in its module."""


@functools.cache
def find(name: str) -> Activity[Any, Any]:
    """The description of an activity. Raises KeyError for an unknown name."""
    activity: Activity[Any, Any] = pkgutil.resolve_name(f"activities.{_MODULES[name]}:{name}")
    return activity


def bound(
    name: str, services: Callable[[], Services]
) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The function to register for an activity. `services` is called once per invocation."""

    def run(payload: dict) -> dict:  # type: ignore[type-arg]  # the worker accepts only plain classes here
        from shared.engine import activity_runner

        return activity_runner.perform(find(name), services(), payload)

    run.__name__ = run.__qualname__ = name
    return run
