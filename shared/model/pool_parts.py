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

    resource_id: fields.IdentityId = Field(description="The full id of the identity.")


# -- the start task and its users -----------------------------------------------------------------


class AutoUser(Request):
    """The user that Batch makes for a task."""

    scope: Annotated[Literal["Task", "Pool"], fields.in_any_case("Task", "Pool")] = Field(
        default="Pool", description="Whether tasks share it."
    )
    elevation_level: Elevation = Field(
        default="NonAdmin", description="Whether it is an administrator."
    )


class UserIdentity(Request):
    """Who runs the start task: a user that Batch makes, or one of the pool's `userAccounts`."""

    auto_user: AutoUser | None = Field(
        default=None, description="A user that Batch makes; must be an administrator."
    )
    user_name: pool_fields.AccountUser | None = Field(
        default=None, description="One of the pool's userAccounts."
    )


class EnvironmentSetting(Request):
    """A variable of the start task. Its value is no secret."""

    name: pool_fields.VariableName = Field(description="The variable.")
    value: str = Field(default="", max_length=8192, description="Its value, which Azure shows.")


class ResourceFile(Request):
    """A file, or the blobs of a container, that Batch downloads before the start task."""

    http_url: pool_fields.PublicUrl | None = Field(
        default=None, description="The address of one file, without a query."
    )
    storage_container_url: pool_fields.PublicUrl | None = Field(
        default=None, description="The address of a container of blobs."
    )
    blob_prefix: str | None = Field(
        default=None,
        min_length=1,
        max_length=1024,
        description="Which blobs: those whose names begin so.",
    )
    file_path: pool_fields.RelativePath | None = Field(
        default=None, description="Where they are put, in the task's directory."
    )
    file_mode: pool_fields.FileMode | None = Field(
        default=None, description="Its mode in octal digits, such as 0755."
    )
    identity_reference: IdentityReference | None = Field(
        default=None, description="The identity that may read them."
    )


class StartTask(Request):
    """The owner's own start task; it runs on every node after batch-prep's checks."""

    command_line: fields.CommandLine = Field(description="A text for /bin/bash -c.")
    user_identity: UserIdentity | None = Field(
        default=None, description="Who runs it; without it an administrator."
    )
    environment_settings: list[EnvironmentSetting] = added(
        [], max_length=100, description="Variables of the command."
    )
    resource_files: list[ResourceFile] = added(
        [], max_length=100, description="Files that are downloaded first."
    )
    max_task_retry_count: int = added(1, ge=0, le=100, description="How often it is tried again.")
    wait_for_success: bool = added(
        True, description="Must be true: Batch waits for the checks of the node."
    )


class LinuxUser(Request):
    """The numbers of a user; without them Linux chooses."""

    uid: int = Field(ge=1000, le=60_000, description="The number of the user.")
    gid: int = Field(ge=1000, le=60_000, description="The number of its group.")


class UserAccount(Request):
    """A user on each node. It gets a random password, which is stored nowhere."""

    name: pool_fields.AccountUser = Field(description="The user's name.")
    elevation_level: Elevation = Field(default="NonAdmin", description="Whether it may use sudo.")
    linux_user_configuration: LinuxUser | None = Field(
        default=None, description="The numbers of user and group."
    )


# -- what the nodes get ---------------------------------------------------------------------------


class ContainerRegistry(Request):
    """A registry that nodes pull from as an identity."""

    registry_server: pool_fields.RegistryServer = Field(
        description="Its host, such as team.azurecr.io."
    )
    identity_reference: IdentityReference = Field(description="The identity that may pull from it.")


class ContainerConfiguration(Request):
    """Container images that each node pulls before its start task, besides those of the image."""

    container_image_names: list[fields.ImageReference] = Field(
        default=[], max_length=50, description="The images to pull."
    )
    container_registries: list[ContainerRegistry] = Field(
        default=[], max_length=20, description="Registries that need an identity."
    )


class ApplicationPackage(Request):
    """A package of the Batch account, installed on each node; without a version the default one."""

    id: pool_fields.ApplicationName = Field(description="The application of the account.")
    version: pool_fields.PackageVersion | None = Field(
        default=None, description="Its version; without it the application's default."
    )


class NoMembers(Request):
    """An empty object: Azure's map of identities has one for each id."""


class PoolIdentity(Request):
    """Existing user-assigned identities that tasks on the nodes may act as."""

    type: Literal["UserAssigned"] = Field(
        default="UserAssigned", description="Pools have user-assigned identities only."
    )
    user_assigned_identities: dict[fields.IdentityId, NoMembers] = Field(
        min_length=1,
        max_length=20,
        description="The ids of the identities, each with an empty object.",
    )


class MetadataItem(Request):
    """A name and a value for programs; batch-prep reads none of them."""

    name: pool_fields.MetadataName = Field(description="The name.")
    value: str = Field(max_length=4096, description="The value.")


class TaskSchedulingPolicy(Request):
    """How tasks are spread over the nodes."""

    node_fill_type: Annotated[Literal["Spread", "Pack"], fields.in_any_case("Spread", "Pack")] = (
        Field(description="Spread over the nodes, or Pack one after the other.")
    )
