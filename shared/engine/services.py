"""Make the services of activities and triggers from the settings, once per process."""

from __future__ import annotations

import uuid
from functools import cache
from typing import TYPE_CHECKING

from shared.azure import clients
from shared.base import settings
from shared.engine.activity import Services
from shared.store.outbox import Outbox
from shared.store.records import Records

if TYPE_CHECKING:
    from azure.data.tables import TableServiceClient


@cache
def from_environment() -> Services:
    """The services of this deployment. Raises SettingsInvalid naming every bad setting."""
    from shared.store.tables import Tables

    config = settings.load()
    credential = clients.make_credential(config)
    return Services(
        azure=clients.Azure(config, credential),
        records=Records(Tables(_table_service(config))),
        outbox=Outbox(config),
        new_public_key=new_public_key,
        new_id=lambda: uuid.uuid4().hex,
    )


def _table_service(config: settings.Settings) -> TableServiceClient:
    from azure.data.tables import TableServiceClient

    if config.storage.startswith("https://"):
        return TableServiceClient(config.storage, credential=clients.make_credential(config))
    return TableServiceClient.from_connection_string(config.storage)


def new_public_key() -> str:
    """A public key for a VM that needs no log-in: Azure requires a key, and its private half is
    discarded here.

    RSA, because some older images refuse ed25519.
    """
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=3072)
    encoded = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    return encoded.decode()
