"""The resource providers that a simulator has. Each is a module with `register(azure)`.

To add one, write that module and name it in `MODULES`; docs/simulator.md has an example.
"""

from __future__ import annotations

from collections.abc import Sequence

from local.azure_simulator import (
    batch,
    compute,
    container_registry,
    context,
    control,
    entra,
    identity,
    key_vaults,
    marketplace_agreements,
    network,
    resources,
    retail_prices,
    storage_accounts,
    storage_contents,
    tokens,
)

MODULES: Sequence[context.Provider] = (
    control,
    tokens,
    entra,
    resources,
    identity,
    network,
    compute,
    batch,
    container_registry,
    storage_accounts,
    storage_contents,
    key_vaults,
    marketplace_agreements,
    retail_prices,
)
