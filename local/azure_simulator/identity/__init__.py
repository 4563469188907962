"""Who may do what: user-assigned identities, roles and their assignments."""

from __future__ import annotations

from local.azure_simulator import context
from local.azure_simulator.identity import role_assignments, role_definitions, user_identities


def register(azure: context.Azure) -> None:
    for module in (user_identities, role_definitions, role_assignments):
        module.register(azure)
