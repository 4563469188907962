"""The app's settings: the only place that reads the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.wire import Wire

_DEFAULTS = {
    "AZURE_RESOURCE_MANAGER_ENDPOINT": "https://management.azure.com",
    "DEFAULT_RESOURCE_GROUP": "batch-images-rg",
    "DEFAULT_LOCATION": "swedencentral",
    "DEFAULT_GALLERY": "batchImageGallery",
    "DEFAULT_IMAGE_NAME": "batchCustomImage",
    "DEFAULT_POOL_ID": "myBatchPool",
    "DEFAULT_VM_SIZE": "Standard_D2s_v5",
    "DEFAULT_GPU_VM_SIZE": "Standard_NC4as_T4_v3",
    "VERIFY_IMAGE": "docker.io/library/busybox:1.36",
    "KEEP_HOURS": "4",
    "POOL_WIDTH": "10",
    "REBUILD_WIDTH": "5",
}


_WITHOUT_DEFAULT = [
    "AZURE_SUBSCRIPTION_ID",
    "AzureWebJobsStorage",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "DEFAULT_BATCH_ACCOUNT",
    "STEP_LOG_CONTAINER_URL",
    "STEP_LOG_IDENTITY_ID",
    "STEP_LOG_IDENTITY_CLIENT_ID",
]
_OF_TRIGGERS = ["WEEKLY_REBUILD_SCHEDULE", "SWEEP_SCHEDULE"]  # read by the Functions host, not here


def known() -> list[str]:
    """The names of all settings."""
    return sorted([*_DEFAULTS, *_WITHOUT_DEFAULT, *_OF_TRIGGERS])


class Settings(Wire):
    """What differs between deployments. Endpoints have no trailing slash."""

    subscription_id: str
    resource_manager_endpoint: str
    storage: str  # a connection string, or the table service's URL for managed identity
    client_id: str | None = None  # of the app's user-assigned identity
    tenant_id: str | None = None
    default_resource_group: str
    default_location: str
    default_gallery: str
    default_image_name: str
    default_pool_id: str
    default_vm_size: str
    default_gpu_vm_size: str
    default_batch_account: str | None = None
    verify_image: str  # what the verification job runs where the image has nothing preloaded
    keep_hours: float  # how long a failed build keeps what `resume` needs
    pool_width: int  # pools of one build created side by side
    rebuild_width: int  # recipes rebuilt side by side
    step_log_container_url: str | None = None
    step_log_identity_id: str | None = None  # may append there; None: the builder's own identity
    step_log_identity_client_id: str | None = None


class SettingsInvalid(Exception):  # noqa: N818
    """The environment lacks or garbles settings; the message names each."""


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsInvalid naming every problem at once; nothing is
    corrected silently.
    """
    env = os.environ if environment is None else environment
    problems: list[str] = []

    def text(name: str) -> str:
        value = env.get(name) or _DEFAULTS.get(name) or ""
        if not value:
            problems.append(f"{name} is not set")
        return value

    def number(name: str, low: float, high: float) -> float:
        value = text(name)
        try:
            result = float(value)
        except ValueError:
            result = low - 1
        if not low <= result <= high:
            problems.append(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return result

    settings = Settings(
        subscription_id=text("AZURE_SUBSCRIPTION_ID"),
        resource_manager_endpoint=_endpoint(text("AZURE_RESOURCE_MANAGER_ENDPOINT"), problems),
        storage=env.get("AzureWebJobsStorage__tableServiceUri") or text("AzureWebJobsStorage"),
        client_id=env.get("AZURE_CLIENT_ID") or None,
        tenant_id=env.get("AZURE_TENANT_ID") or None,
        default_resource_group=text("DEFAULT_RESOURCE_GROUP"),
        default_location=text("DEFAULT_LOCATION"),
        default_gallery=text("DEFAULT_GALLERY"),
        default_image_name=text("DEFAULT_IMAGE_NAME"),
        default_pool_id=text("DEFAULT_POOL_ID"),
        default_vm_size=text("DEFAULT_VM_SIZE"),
        default_gpu_vm_size=text("DEFAULT_GPU_VM_SIZE"),
        default_batch_account=env.get("DEFAULT_BATCH_ACCOUNT") or None,
        verify_image=text("VERIFY_IMAGE"),
        keep_hours=number("KEEP_HOURS", 0, 168),
        pool_width=int(number("POOL_WIDTH", 1, 50)),
        rebuild_width=int(number("REBUILD_WIDTH", 1, 50)),
        step_log_container_url=env.get("STEP_LOG_CONTAINER_URL") or None,
        step_log_identity_id=env.get("STEP_LOG_IDENTITY_ID") or None,
        step_log_identity_client_id=env.get("STEP_LOG_IDENTITY_CLIENT_ID") or None,
    )
    if problems:
        raise SettingsInvalid("; ".join(problems))
    return settings


def _endpoint(url: str, problems: list[str]) -> str:
    if urlsplit(url).scheme == "http" and not is_loopback(url):
        problems.append(f"{url} must use https: plain http is accepted on this machine only")
    return url.rstrip("/")


def is_loopback(url: str) -> bool:
    """Whether `url` (with or without scheme) names this very machine: the one place where http is
    accepted.
    """
    host = urlsplit(url if "//" in url else f"//{url}").hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")
