"""The objects inside a request for a pool, with Azure's own names and members.

What Resource Manager takes as it is, is sent as it was asked for. Members that hold secrets do not
exist here: `refused_fields` says why.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from shared.base.wire import Request, added
from shared.model import fields, pool_fields

Elevation = Annotated[Literal["NonAdmin", "Admin"], fields.in_any_case("NonAdmin", "Admin")]


class IdentityReference(Request):
    """A user-assigned identity, which the pool is given as well."""

    resource_id: fields.IdentityId


# -- the start task and its users -----------------------------------------------------------------


class AutoUser(Request):
    """The user that Batch makes for a task."""

    scope: Annotated[Literal["Task", "Pool"], fields.in_any_case("Task", "Pool")] = "Pool"
    elevation_level: Elevation = "NonAdmin"


class UserIdentity(Request):
    """Who runs the start task: a user that Batch makes, or one of the pool's `userAccounts`."""

    auto_user: AutoUser | None = None
    user_name: pool_fields.AccountUser | None = None


class EnvironmentSetting(Request):
    """A variable of the start task. Its value is no secret."""

    name: pool_fields.VariableName
    value: str = Field(default="", max_length=8192)


class ResourceFile(Request):
    """A file, or the blobs of a container, that Batch downloads before the start task."""

    http_url: pool_fields.PublicUrl | None = None
    storage_container_url: pool_fields.PublicUrl | None = None
    blob_prefix: str | None = Field(default=None, min_length=1, max_length=1024)
    file_path: pool_fields.RelativePath | None = None
    file_mode: pool_fields.FileMode | None = None
    identity_reference: IdentityReference | None = None


class StartTask(Request):
    """The owner's own start task; it runs on every node after batch-prep's checks."""

    command_line: fields.CommandLine
    user_identity: UserIdentity | None = None
    environment_settings: list[EnvironmentSetting] = added([], max_length=100)
    resource_files: list[ResourceFile] = added([], max_length=100)
    max_task_retry_count: int = added(1, ge=0, le=100)
    wait_for_success: bool = added(True)


class LinuxUser(Request):
    """The numbers of a user; without them Linux chooses."""

    uid: int = Field(ge=1000, le=60_000)
    gid: int = Field(ge=1000, le=60_000)


class UserAccount(Request):
    """A user on each node. It gets a random password, which is stored nowhere."""

    name: pool_fields.AccountUser
    elevation_level: Elevation = "NonAdmin"
    linux_user_configuration: LinuxUser | None = None


# -- what the nodes get ---------------------------------------------------------------------------


class ContainerRegistry(Request):
    """A registry that nodes pull from as an identity."""

    registry_server: pool_fields.RegistryServer
    identity_reference: IdentityReference


class ContainerConfiguration(Request):
    """Container images that each node pulls before its start task, besides those of the image."""

    container_image_names: list[fields.ImageReference] = Field(default=[], max_length=50)
    container_registries: list[ContainerRegistry] = Field(default=[], max_length=20)


class ApplicationPackage(Request):
    """A package of the Batch account, installed on each node; without a version the default one."""

    id: pool_fields.ApplicationName
    version: pool_fields.PackageVersion | None = None


class NoMembers(Request):
    """An empty object: Azure's map of identities has one for each id."""


class PoolIdentity(Request):
    """Existing user-assigned identities that tasks on the nodes may act as."""

    type: Literal["UserAssigned"] = "UserAssigned"
    user_assigned_identities: dict[fields.IdentityId, NoMembers] = Field(
        min_length=1, max_length=20
    )


class MetadataItem(Request):
    """A name and a value for programs; batch-prep reads none of them."""

    name: pool_fields.MetadataName
    value: str = Field(max_length=4096)


class TaskSchedulingPolicy(Request):
    """How tasks are spread over the nodes."""

    node_fill_type: Annotated[Literal["Spread", "Pack"], fields.in_any_case("Spread", "Pack")]
