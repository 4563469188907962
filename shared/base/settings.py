"""The app's settings: the only place that reads the environment."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from shared.base.wire import Wire

_DEFAULTS = {
    "AZURE_RESOURCE_MANAGER_ENDPOINT": "https://management.azure.com",
    "AZURE_RETAIL_PRICES_ENDPOINT": "https://prices.azure.com",
    "DEFAULT_RESOURCE_GROUP": "batch-images-rg",
    "DEFAULT_LOCATION": "swedencentral",
    "DEFAULT_GALLERY": "batchImageGallery",
    "DEFAULT_IMAGE_NAME": "batchCustomImage",
    "DEFAULT_POOL_ID": "myBatchPool",
    "DEFAULT_VM_SIZE": "Standard_D2s_v5",
    "DEFAULT_GPU_VM_SIZE": "Standard_NC4as_T4_v3",
    "VERIFY_IMAGE": "docker.io/library/busybox:1.36",
    "KEEP_HOURS": "4",
    "POOL_WIDTH": "100",
    "REBUILD_WIDTH": "5",
}


# The builder's script accepts nothing else (provisioning/parts/install_driver.sh).
_FORMS = {
    "GRID_DRIVER_VERSION": (r"[0-9]{3}\.[0-9]{1,3}(\.[0-9]{1,3})?", "a version such as 570.211.01"),
    "GRID_DRIVER_URL": (
        r"https://download\.microsoft\.com/[A-Za-z0-9._/-]+\.run",
        "a .run file at https://download.microsoft.com",
    ),
    "GRID_DRIVER_SHA256": (r"[0-9a-f]{64}", "64 hexadecimal digits in lower case"),
}
_WITHOUT_DEFAULT = [
    "AZURE_SUBSCRIPTION_ID",
    "AzureWebJobsStorage",
    "AZURE_CLIENT_ID",
    "AZURE_TENANT_ID",
    "DEFAULT_BATCH_ACCOUNT",
    "GRID_DRIVER_VERSION",
    "GRID_DRIVER_URL",
    "GRID_DRIVER_SHA256",
    "STEP_LOG_CONTAINER_URL",
    "STEP_LOG_IDENTITY_ID",
    "STEP_LOG_IDENTITY_CLIENT_ID",
]
_OF_OTHERS = [  # read by the Functions host or by the SDK, not here
    "WEEKLY_REBUILD_SCHEDULE",
    "SWEEP_SCHEDULE",
    "AZURE_FUNCTIONS_DURABLE_STRICT_TYPING",
]


def known() -> list[str]:
    """The names of all settings."""
    return sorted([*_DEFAULTS, *_WITHOUT_DEFAULT, *_OF_OTHERS])


class Settings(Wire):
    """What differs between deployments. Endpoints have no trailing slash."""

    subscription_id: str
    resource_manager_endpoint: str
    retail_prices_endpoint: str
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
    grid_driver_version: str | None = None  # None: that of provisioning/catalogue.sh
    grid_driver_url: str | None = None
    grid_driver_sha256: str | None = None
    step_log_container_url: str | None = None
    step_log_identity_id: str | None = None  # may append there; None: the builder's own identity
    step_log_identity_client_id: str | None = None


class SettingsInvalid(Exception):  # noqa: N818
    """The environment lacks or garbles settings; the message names each."""


class _Environment:
    """The environment, and what is wrong with it; nothing is corrected silently."""

    def __init__(self, values: Mapping[str, str]) -> None:
        self._values = values
        self.problems: list[str] = []

    def optional(self, name: str) -> str | None:
        return self._values.get(name) or None

    def text(self, name: str) -> str:
        value = self.optional(name) or _DEFAULTS.get(name) or ""
        if not value:
            self.problems.append(f"{name} is not set")
        return value

    def number(self, name: str, low: float, high: float) -> float:
        value = self.text(name)
        try:
            result = float(value)
        except ValueError:
            result = low - 1
        if not low <= result <= high:
            self.problems.append(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
        return result

    def form(self, name: str) -> str | None:
        value = self.optional(name)
        pattern, what = _FORMS[name]
        if value is not None and not re.fullmatch(pattern, value):
            self.problems.append(f"{name} must be {what}, not {value!r}")
        return value


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsInvalid naming every problem at once."""
    env = _Environment(os.environ if environment is None else environment)
    settings = Settings(
        subscription_id=env.text("AZURE_SUBSCRIPTION_ID"),
        resource_manager_endpoint=_endpoint(
            env.text("AZURE_RESOURCE_MANAGER_ENDPOINT"), env.problems
        ),
        retail_prices_endpoint=_endpoint(env.text("AZURE_RETAIL_PRICES_ENDPOINT"), env.problems),
        storage=env.optional("AzureWebJobsStorage__tableServiceUri")
        or env.text("AzureWebJobsStorage"),
        client_id=env.optional("AZURE_CLIENT_ID"),
        tenant_id=env.optional("AZURE_TENANT_ID"),
        default_resource_group=env.text("DEFAULT_RESOURCE_GROUP"),
        default_location=env.text("DEFAULT_LOCATION"),
        default_gallery=env.text("DEFAULT_GALLERY"),
        default_image_name=env.text("DEFAULT_IMAGE_NAME"),
        default_pool_id=env.text("DEFAULT_POOL_ID"),
        default_vm_size=env.text("DEFAULT_VM_SIZE"),
        default_gpu_vm_size=env.text("DEFAULT_GPU_VM_SIZE"),
        default_batch_account=env.optional("DEFAULT_BATCH_ACCOUNT"),
        verify_image=env.text("VERIFY_IMAGE"),
        keep_hours=env.number("KEEP_HOURS", 0, 168),
        pool_width=int(env.number("POOL_WIDTH", 1, 100)),
        rebuild_width=int(env.number("REBUILD_WIDTH", 1, 50)),
        grid_driver_version=env.form("GRID_DRIVER_VERSION"),
        grid_driver_url=env.form("GRID_DRIVER_URL"),
        grid_driver_sha256=env.form("GRID_DRIVER_SHA256"),
        step_log_container_url=env.optional("STEP_LOG_CONTAINER_URL"),
        step_log_identity_id=env.optional("STEP_LOG_IDENTITY_ID"),
        step_log_identity_client_id=env.optional("STEP_LOG_IDENTITY_CLIENT_ID"),
    )
    if env.problems:
        raise SettingsInvalid("; ".join(env.problems))
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
