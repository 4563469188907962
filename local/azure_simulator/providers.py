"""The table of everything the simulator can do. A module here offers `register(azure)`.

To add a resource provider, write a package with that function and add one line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from local.azure_simulator import core


def modules() -> list[core.Provider]:
    """Imported here and not above, because the modules use the core."""
    from local.azure_simulator import (
        batch,
        compute,
        container_registry,
        control,
        identity,
        network,
        resources,
        retail_prices,
        tokens,
    )

    return [
        control,
        tokens,
        resources,
        identity,
        network,
        compute,
        batch,
        container_registry,
        retail_prices,
    ]
