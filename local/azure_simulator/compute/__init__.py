"""Microsoft.Compute: sizes, quotas, images, virtual machines, run commands, galleries."""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.compute import (
    boot_diagnostics,
    catalogue,
    disks,
    galleries,
    gallery_images,
    gallery_versions,
    managed_images,
    power,
    published_galleries,
    run_command_action,
    run_commands,
    script_runs,
    snapshots,
    virtual_machines,
    vm_deletion,
    vm_sizes,
)


def register(azure: context.Azure) -> None:
    for module in (
        catalogue,
        disks,
        snapshots,
        virtual_machines,
        vm_deletion,
        vm_sizes,
        power,
        boot_diagnostics,
        run_commands,
        script_runs,
        run_command_action,
        galleries,
        gallery_images,
        gallery_versions,
        managed_images,
        published_galleries,
    ):
        module.register(azure)
