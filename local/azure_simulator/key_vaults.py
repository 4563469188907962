"""Key vaults: made by Resource Manager, read from inside machines with a token of an identity.

A secret's value is never shown by Resource Manager. Permissions are roles
(`enableRbacAuthorization`); access policies are not simulated.
"""

from __future__ import annotations

import urllib.parse
from collections.abc import Iterable
from http import HTTPStatus

from local.azure_simulator import arm, context, durations, model, resource_types, store
from local.azure_simulator.identity import role_assignments
from local.azure_simulator.machine import interface

TYPE = "Microsoft.KeyVault/vaults"
SECRET_TYPE = f"{TYPE}/secrets"
# Built-in roles: https://learn.microsoft.com/azure/key-vault/general/rbac-guide
SECRETS_USER = "4633458b-17de-408a-b874-0445c86b69e6"
_MAY_READ = (
    SECRETS_USER,
    "b86a8fe4-44ce-4948-aee5-eccb2c155cd7",
    "00482a5a-887f-4fb3-b363-3b7fe8e74483",
)


def register(azure: context.Azure) -> None:
    for type_name, name, handler in ((TYPE, "vaults", put), (SECRET_TYPE, "secrets", put_secret)):
        resource_types.register(
            azure,
            type_name,
            name,
            put=handler,
            write=durations.Duration(typical=5, source="estimate"),
            delete=durations.Duration(typical=5, source="estimate"),
        )


def put(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request)
    vault = arm.file(azure, request, TYPE, body, existing)
    return arm.start_write(azure, request, vault, "vaults.write", created=existing is None)


def put_secret(azure: context.Azure, request: model.Request) -> model.Response:
    body, existing = arm.prepare_put(azure, request)
    secret = arm.file(azure, request, SECRET_TYPE, body, existing)
    secret.state["value"] = str(secret.properties.pop("value", ""))
    return arm.start_write(azure, request, secret, "secrets.write", created=existing is None)


def read(azure: context.Azure, principals: Iterable[str], address: str) -> str:
    """The value of a secret for a machine with these identities. Raises SecretRefused."""
    split = urllib.parse.urlsplit(address)
    vault = _vault(azure, (split.hostname or "").partition(".")[0])
    if vault is None:
        raise interface.SecretRefused(0)
    secret = azure.store.find(f"{vault.id}/secrets/{split.path.split('/')[2]}")
    scope = vault.id if secret is None else secret.id
    if not any(
        role_assignments.holds(azure, principal, role, scope)
        for principal in principals
        for role in _MAY_READ
    ):
        raise interface.SecretRefused(HTTPStatus.FORBIDDEN)
    if secret is None:
        raise interface.SecretRefused(HTTPStatus.NOT_FOUND)
    return str(secret.state["value"])


def _vault(azure: context.Azure, name: str) -> store.Resource | None:
    return next((v for v in azure.store.of_type(TYPE) if v.name.lower() == name.lower()), None)
