"""Whether a machine with certain identities can pull an image, and what it would say if not.

Machines ask before they preload or run an image. The words of a failure are those of Docker, since
scripts and people distinguish causes by them.
"""

from __future__ import annotations

from collections.abc import Iterable

from local.azure_simulator import context, store
from local.azure_simulator.container_registry import image_names, public_images, registries
from local.azure_simulator.identity import role_assignments, user_identities

# Built-in roles: https://learn.microsoft.com/azure/role-based-access-control/built-in-roles
ACR_PULL = "7f951dda-4ed3-4680-a7ca-43fe172d538d"
_ACR_PUSH = "8311e382-0749-4cb8-b61a-304f252e45ec"
_CONTRIBUTOR = "b24988ac-6180-42a0-ab88-20f7382dd24c"
_OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"
REPOSITORY_READER = "b93aa761-3e63-49ed-ac28-beffa264f7ac"
REPOSITORY_WRITER = "2a1e307c-b015-4ebd-883e-5b7698a07328"
_REPOSITORY_CONTRIBUTOR = "2efddaa5-3f1f-4df3-97df-af3f13818f4c"

_LEGACY_ROLES = (ACR_PULL, _ACR_PUSH, _CONTRIBUTOR, _OWNER)
_WRITING_ROLES = (REPOSITORY_WRITER, _REPOSITORY_CONTRIBUTOR)
_REPOSITORY_ROLES = (REPOSITORY_READER, *_WRITING_ROLES)


class PullError(Exception):
    """The pull fails; the text is what Docker prints."""


class NotAuthorizedError(PullError):
    """No identity of the machine may pull from the registry (yet)."""


def find(
    azure: context.Azure, reference: str, identity_ids: Iterable[str] = ()
) -> public_images.StoredImage:
    """What a pull of `reference` yields for a machine with these user-assigned identities.

    Raises PullError.
    """
    try:
        name = image_names.parse(reference)
    except image_names.BadReferenceError as error:
        raise PullError(str(error)) from error
    if name.registry in public_images.PUBLIC_REGISTRIES:
        return _find_public(name)
    registry = registries.find_by_login_server(azure, name.registry)
    if registry is None:
        message = f'Get "https://{name.registry}/v2/": dial tcp: lookup {name.registry}'
        raise PullError(f"Error response from daemon: {message}: no such host")
    check_may_pull(azure, registry, identity_ids)
    return _find_private(azure, registry, name)


def check_may_pull(
    azure: context.Azure, registry: store.Resource, identity_ids: Iterable[str]
) -> None:
    """Raise NotAuthorizedError unless the registry is open or an identity has a role that works."""
    if registry.properties["anonymousPullEnabled"]:
        return
    for identity_id in identity_ids:
        identity = azure.store.find(identity_id)
        if identity and may_pull(azure, registry, identity.properties["principalId"]):
            return
    server = registry.properties["loginServer"]
    raise NotAuthorizedError(
        f'Error response from daemon: Head "https://{server}/v2/": unauthorized: authentication '
        "required, visit https://aka.ms/acr/authorization for more information."
    )


def has_repository_roles(registry: store.Resource) -> bool:
    """Whether AcrPull, AcrPush, Contributor and Owner say nothing about its images."""
    return bool(registry.properties["roleAssignmentMode"] == registries.ABAC)


def may_pull(azure: context.Azure, registry: store.Resource, principal_id: str) -> bool:
    """Whether a principal has a role now with which one pulls from the registry."""
    roles = _REPOSITORY_ROLES if has_repository_roles(registry) else _LEGACY_ROLES
    return any(role_assignments.holds(azure, principal_id, role, registry.id) for role in roles)


def is_identity(azure: context.Azure, principal_id: str) -> bool:
    """Whether a principal is a user-assigned identity; any other one may do what Owners may."""
    identities = azure.store.of_type(user_identities.TYPE)
    return any(item.properties["principalId"] == principal_id for item in identities)


def may_push(azure: context.Azure, registry: store.Resource, principal_id: str) -> bool:
    """Whether a principal may push into a registry with repository roles."""
    return any(
        role_assignments.holds(azure, principal_id, role, registry.id) for role in _WRITING_ROLES
    )


def identities_of_client(azure: context.Azure, client_id: str) -> list[str]:
    """Resource ids of the identity with this client id: none, or one."""
    return [
        identity.id
        for identity in azure.store.of_type(user_identities.TYPE)
        if client_id and identity.properties["clientId"] == client_id
    ]


def _find_public(name: image_names.ImageName) -> public_images.StoredImage:
    image = public_images.find(name)
    if image is not None:
        return image
    repository = name.repository if name.is_on_docker_hub else f"{name.registry}/{name.repository}"
    raise PullError(
        f"Error response from daemon: pull access denied for {repository}, repository does not "
        "exist or may require 'docker login': denied: requested access to the resource is denied"
    )


def _find_private(
    azure: context.Azure, registry: store.Resource, name: image_names.ImageName
) -> public_images.StoredImage:
    for image in registries.images(azure, registry):
        found = image.document
        is_asked = found["digest"] == name.digest if name.digest else found["tag"] == name.tag
        if found["repository"] == name.repository and is_asked:
            return public_images.StoredImage(
                name=name.canonical(), digest=found["digest"], size_bytes=found["sizeBytes"]
            )
    suffix = f"@{name.digest}" if name.digest else f":{name.tag}"
    raise PullError(
        f"Error response from daemon: manifest for {name.registry}/{name.repository}{suffix} not "
        "found: manifest unknown: manifest tagged by that name is not found"
    )
