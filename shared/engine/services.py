"""Make the services of activities and triggers from the settings, once per process."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from functools import cache

from shared.azure import clients, storage
from shared.base import settings
from shared.base.time_scale import TimeScale
from shared.engine.activity import Services
from shared.engine.polling_loop import iso
from shared.engine.telemetry import Telemetry
from shared.store.outbox import Outbox
from shared.store.records import Records


@cache
def from_environment() -> Services:
    """The services of this deployment. Raises SettingsInvalid naming every bad setting."""
    from shared.store.tables import Tables

    config = settings.load()
    credential = clients.make_credential(config.client_id)
    return Services(
        azure=clients.Azure(config, credential),
        records=Records(Tables(storage.tables(config.storage))),
        outbox=Outbox(config),
        new_public_key=new_public_key,
        new_id=lambda: uuid.uuid4().hex,
        now=lambda: now(config.time_scale),
        telemetry=_telemetry(config),
    )


def _telemetry(config: settings.Settings) -> Telemetry:
    """Without a destination, OpenTelemetry is not imported and nothing is reported."""
    if not config.insights_connection:
        return Telemetry()
    from shared.azure import insights

    return Telemetry(*insights.start(config, lambda: now(config.time_scale)))


def now(scale: TimeScale | None) -> str:
    """Azure's time. An activity gets that of its orchestration, which is the same in every replay;
    a request that a trigger takes has no orchestration yet.
    """
    real = datetime.now(UTC)  # noqa: TID251  see above
    return iso(scale.azure_time(real) if scale else real)


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
