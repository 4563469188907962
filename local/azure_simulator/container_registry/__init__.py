"""Azure Container Registry: registries, quick builds, the registry protocol, and who may pull.

For machines that pull images, `pulls.find(azure, reference, identity_ids)` says what a pull would
yield or which words it would fail with. Effect `allocation` on `runs.build` fails a build.
"""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.container_registry import builds, protocol, registries, uploads


def register(azure: context.Azure) -> None:
    for module in (registries, builds, uploads, protocol):
        module.register(azure)
