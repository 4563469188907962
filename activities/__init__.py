"""Every activity: one effect each, safe to repeat. `function_app` binds this list."""

from __future__ import annotations

from activities import (
    batch_account,
    batch_pool,
    builder_vm,
    gallery,
    leftovers,
    network,
    pool_change,
    pool_nodes,
    pool_preflight,
    preflight,
    records,
    registry,
    run_script,
    sealing,
    verification,
)
from shared.operations import Activity

ACTIVITIES: list[Activity] = [
    # before anything is made
    preflight.check_providers,
    preflight.check_image_source,
    preflight.check_builder,
    pool_preflight.check_image,
    pool_preflight.check_batch,
    # the image
    network.ensure_resource_group,
    network.create_public_ip,
    network.create_nat_gateway,
    network.create_network,
    builder_vm.create_builder_vm,
    run_script.run_script,
    builder_vm.restart_builder,
    run_script.remove_run_commands,
    sealing.seal_builder,
    builder_vm.generalize_builder,
    registry.create_registry,
    registry.ensure_pull_identity,
    registry.grant_pull,
    registry.push_image,
    gallery.create_gallery,
    gallery.create_image_definition,
    gallery.claim_version,
    gallery.create_managed_image,
    gallery.publish_image_version,
    # its removal
    builder_vm.deallocate_builder,
    builder_vm.remove_builder_vm,
    network.remove_network,
    network.remove_nat_gateway,
    network.remove_public_ip,
    leftovers.list_leftovers,
    leftovers.remove_leftover,
    leftovers.close_build,
    # the pools
    batch_account.ensure_batch_account,
    records.claim_pool,
    batch_pool.ensure_pool,
    pool_nodes.await_nodes,
    verification.read_node_reports,
    verification.run_verification_job,
    verification.remove_verification_job,
    batch_pool.empty_pool,
    pool_change.resize_pool,
    pool_change.delete_pool,
    # the records
    records.begin_build,
    records.end_build,
    records.record_image,
    records.record_pool,
    records.record_pool_change,
    records.list_recipes,
    records.accept_recipe,
]
