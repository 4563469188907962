"""The app's settings: one model, and the only place that reads the environment.

Each field of `Settings` names its environment variable, its default, the rule that its value must
obey, and what it is for. Tests compare the table in the documentation and the sample file with it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    ValidationError,
)

from shared.base import endpoints, redaction, storage
from shared.base.allow_lists import AllowLists
from shared.base.callers import Callers
from shared.base.insights import Insights
from shared.base.setting import READ_ELSEWHERE, Setting, setting
from shared.base.time_scale import TimeScale


def _time_scale(text: str | None) -> TimeScale | None:
    return TimeScale.parse(text) if text else None


def _zero_or_14_days(days: float) -> float:
    """A failed build can be resumed for a week, and is the same instance then."""
    if 0 < days < _HISTORY_DAYS_MIN:
        raise ValueError(f"{days} is less than {_HISTORY_DAYS_MIN}")
    return days


_HISTORY_DAYS_MIN = 14
Endpoint = Annotated[str, AfterValidator(endpoints.checked)]
ResourceManager = Annotated[str, AfterValidator(endpoints.checked_resource_manager)]
_HTTPS = "an https URL; plain http is accepted on this machine only"
_STORAGE = storage.SETTING
_INSTEAD = f"It takes precedence over `{_STORAGE}__accountName`."


class Settings(Insights, Callers, AllowLists):
    """What differs between deployments. Endpoints have no trailing slash."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", loc_by_alias=False, validate_default=True
    )

    storage_account: str | None = setting(
        f"{_STORAGE}__accountName",
        "The name of the app's storage account, which the app opens as its identity.",
        default=None,
        pattern="^[a-z0-9]{3,24}$",
        rule="3 to 24 lower-case letters and digits",
    )
    storage_credential: str | None = setting(
        f"{_STORAGE}__credential",
        "How an identity is found: in Azure, as a managed identity.",
        default=None,
        pattern="(?i)^managedidentity$",
        rule="managedidentity",
    )
    storage_client_id: str | None = setting(
        f"{_STORAGE}__clientId",
        "The client id of the user-assigned identity that opens the storage account.",
        default=None,
        words="the system-assigned identity",
    )
    storage_blob_uri: Endpoint | None = setting(
        storage.URIS[0],
        f"The account's blob service, outside the public cloud. {_INSTEAD}",
        default=None,
    )
    storage_queue_uri: Endpoint | None = setting(
        storage.URIS[1], f"The account's queue service, likewise. {_INSTEAD}", default=None
    )
    storage_table_uri: Endpoint | None = setting(
        storage.URIS[2], f"The account's table service, likewise. {_INSTEAD}", default=None
    )
    storage_connection_string: str | None = setting(
        _STORAGE,
        "The connection string of the app's storage account, where it is not opened as an "
        "identity. It takes precedence over all of the above.",
        default=None,
    )
    subscription_id: str = setting(
        "AZURE_SUBSCRIPTION_ID", "The subscription in which images and pools are made."
    )
    resource_manager_endpoint: ResourceManager = setting(
        "AZURE_RESOURCE_MANAGER_ENDPOINT",
        "The address of Azure Resource Manager, which says in which cloud the app works.",
        default=f"https://{endpoints.PUBLIC}",
        rule="that of the public cloud, https://management.usgovcloudapi.net or "
        "https://management.chinacloudapi.cn; another one is accepted on this machine only",
    )
    retail_prices_endpoint: Endpoint = setting(
        "AZURE_RETAIL_PRICES_ENDPOINT",
        "The public price list from which a plan takes its cost.",
        default="https://prices.azure.com",
        rule=_HTTPS,
    )
    public_registries_endpoint: Endpoint | None = setting(
        "PUBLIC_REGISTRIES_ENDPOINT",
        "A mirror that the app asks about container images of public registries: it has "
        "`docker.io/library/busybox` as `/v2/docker.io/library/busybox`.",
        default=None,
        words="each registry itself",
        rule=_HTTPS,
    )
    host_name: str | None = setting(
        "WEBSITE_HOSTNAME",
        "The host name of the app in the URLs of its answers. Azure sets it.",
        default=None,
        words="that of the request",
        pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$",
        rule="a host name, with or without a port",
    )
    client_id: str | None = setting(
        "AZURE_CLIENT_ID", "The client id of the app's user-assigned identity.", default=None
    )
    tenant_id: str | None = setting(
        "AZURE_TENANT_ID", "The tenant in which the builder logs in to a registry.", default=None
    )
    default_resource_group: str = setting(
        "DEFAULT_RESOURCE_GROUP",
        "The resource group of a request that names none.",
        default="batch-images-rg",
    )
    default_location: str = setting(
        "DEFAULT_LOCATION", "The region of a request that names none.", default="swedencentral"
    )
    default_gallery: str = setting(
        "DEFAULT_GALLERY", "The gallery of a request that names none.", default="batchImageGallery"
    )
    default_image_name: str = setting(
        "DEFAULT_IMAGE_NAME",
        "How the image definition of a request that names none begins; its system and its driver "
        "follow, as in `batchCustomImage-ubuntu-24.04-gpu`.",
        default="batchCustomImage",
    )
    default_pool_id: str = setting(
        "DEFAULT_POOL_ID", "The id of a pool without one.", default="myBatchPool"
    )
    default_batch_account: str | None = setting(
        "DEFAULT_BATCH_ACCOUNT",
        "The Batch account of a request that names none.",
        default=None,
        words="derived from the resource group",
    )
    default_vm_size: str = setting(
        "DEFAULT_VM_SIZE", "The size of builder VMs and nodes.", default="Standard_D2s_v5"
    )
    default_gpu_vm_size: str = setting(
        "DEFAULT_GPU_VM_SIZE",
        "The size of builder VMs and nodes with a GPU.",
        default="Standard_NC4as_T4_v3",
    )
    verify_image: str = setting(
        "VERIFY_IMAGE",
        "The container image that the verification runs on pools without a preloaded one.",
        default="mcr.microsoft.com/azurelinux/busybox:1.36",
    )
    keep_hours: float = setting(
        "KEEP_HOURS",
        "For how many hours a failed build keeps the resources with which it can be resumed. "
        "Docker Hub's limit on pulls holds for six.",
        default=8,
        ge=0,
        le=168,
        rule="a number from 0 to 168",
    )
    build_retention_days: float = setting(
        "BUILD_RETENTION_DAYS",
        "After how many days the sweep removes the records and logs of builds that have ended, and "
        "refused messages; 0 keeps them.",
        default=90,
        ge=0,
        le=3650,
        rule="a number from 0 to 3650",
    )
    context_retention_days: float = setting(
        "CONTEXT_RETENTION_DAYS",
        "After how many days the sweep removes an uploaded context that no recorded build and no "
        "recipe names; 0 keeps it.",
        default=30,
        ge=0,
        le=3650,
        rule="a number from 0 to 3650",
    )
    history_retention_days: Annotated[float, AfterValidator(_zero_or_14_days)] = setting(
        "HISTORY_RETENTION_DAYS",
        "After how many days the sweep removes Durable's history of an orchestration that has "
        "ended; 0 keeps it.",
        default=30,
        ge=0,
        le=3650,
        rule="0, or a number from 14 to 3650",
    )
    pool_width: int = setting(
        "POOL_WIDTH",
        "How many pools of one build are created side by side.",
        default=100,
        ge=1,
        le=100,
        rule="a whole number from 1 to 100",
    )
    rebuild_width: int = setting(
        "REBUILD_WIDTH",
        "How many recipes are rebuilt side by side.",
        default=5,
        ge=1,
        le=50,
        rule="a whole number from 1 to 50",
    )
    # The builder's script accepts nothing else (provisioning/parts/install_driver.sh).
    grid_driver_version: str | None = setting(
        "GRID_DRIVER_VERSION",
        "The version of another GRID driver.",
        default=None,
        words="that of `provisioning/catalogue.sh`",
        pattern=r"^[0-9]{3}\.[0-9]{1,3}(\.[0-9]{1,3})?$",
        rule="a version such as 570.211.01",
    )
    grid_driver_url: str | None = setting(
        "GRID_DRIVER_URL",
        "The address of another GRID driver.",
        default=None,
        words="that of `provisioning/catalogue.sh`",
        pattern=r"^https://download\.microsoft\.com/[A-Za-z0-9._/-]+\.run$",
        rule="a .run file at https://download.microsoft.com",
    )
    grid_driver_sha256: str | None = setting(
        "GRID_DRIVER_SHA256",
        "The checksum of the GRID driver's file; `NVadsA10_v5` sizes cannot be built without it.",
        default=None,
        pattern=r"^[0-9a-f]{64}$",
        rule="64 hexadecimal digits in lower case",
    )
    step_log_container_url: str | None = setting(
        "STEP_LOG_CONTAINER_URL",
        "The blob container for the scripts' whole logs and for bills of materials; the app makes "
        "it if it is in the app's own storage.",
        default=None,
    )
    step_log_identity_id: str | None = setting(
        "STEP_LOG_IDENTITY_ID",
        "The resource id of the user-assigned identity with which the builder writes there; needed "
        "with a container.",
        default=None,
    )
    step_log_identity_client_id: str | None = setting(
        "STEP_LOG_IDENTITY_CLIENT_ID",
        "The client id of the same identity.",
        default=None,
    )
    time_scale: Annotated[TimeScale | None, BeforeValidator(_time_scale)] = setting(
        "BATCH_PREP_TIME_SCALE",
        "For tests against a simulated Azure whose time runs faster than real time: how many of "
        "its seconds pass in one, and since when. Leave it empty on Azure.",
        default=None,
        words="real time",
        rule="a factor and a moment, such as 60@2026-01-01T00:00:00Z",
    )

    @property
    def origin(self) -> str | None:
        """Scheme and host of the app's own URLs; None where no setting names it."""
        if self.host_name is None:
            return None
        scheme = "http" if endpoints.is_loopback(self.host_name) else "https"
        return f"{scheme}://{self.host_name}"

    @property
    def storage(self) -> storage.Storage:
        """How the app opens its storage account, as the Functions host opens it."""
        # Without `__credential` the host uses DefaultAzureCredential, which reads AZURE_CLIENT_ID.
        own = None if self.storage_credential else self.client_id
        return storage.from_settings(
            self.storage_connection_string,
            self.storage_account,
            [self.storage_blob_uri, self.storage_queue_uri, self.storage_table_uri],
            self.storage_client_id or own,
        )


def described() -> list[Setting]:
    """Every setting, in the order of the documentation."""
    return [*_of_model(), *READ_ELSEWHERE]


def _of_model() -> Iterator[Setting]:
    for field in Settings.model_fields.values():
        extra = field.json_schema_extra
        assert isinstance(extra, dict)
        more = {key: str(extra[key]) for key in ("name", "rule")}
        default, words = str(extra["default"]), str(extra["words"])
        about = field.description or ""
        yield Setting(**more, about=about, default=default or words, is_value=not words)


def time_scale(environment: Mapping[str, str] | None = None) -> TimeScale | None:
    """The time scale alone: orchestrators need it, and must not depend on the other settings."""
    values = os.environ if environment is None else environment
    return _time_scale(values.get("BATCH_PREP_TIME_SCALE"))


def known() -> list[str]:
    """The names of all settings."""
    return sorted(setting.name for setting in described())


class SettingsInvalid(Exception):  # noqa: N818
    """Settings are missing or wrong; the message names each."""


def load(environment: Mapping[str, str] | None = None) -> Settings:
    """Read the environment. Raises SettingsInvalid naming every problem at once."""
    given = os.environ if environment is None else environment
    values = {name: value for name, value in given.items() if value}
    problems = storage.problems(values)
    try:
        found = Settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(each) for each in error.errors(include_url=False)]
    if problems:
        raise SettingsInvalid("; ".join(problems))
    return found


def _problem(error: Any) -> str:
    """What is wrong with one setting, which is named as it is in the environment."""
    extra: Any = Settings.model_fields[error["loc"][0]].json_schema_extra
    if error["type"] == "missing":
        return f"{extra['name']} is not set"
    given = redaction.redacted(repr(error["input"]))
    return f"{extra['name']} must be {extra['rule']}, not {given}"
