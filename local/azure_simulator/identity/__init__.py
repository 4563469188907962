"""Who may do what: user-assigned identities and role assignments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from local.azure_simulator.identity import role_assignments, user_identities

if TYPE_CHECKING:
    from local.azure_simulator import core


def register(azure: core.Simulator) -> None:
    for module in (user_identities, role_assignments):
        module.register(azure)
