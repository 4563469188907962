"""Registries without a login: those of `public_images`, at their own hosts, or all at once at
any other host, as a mirror has them: `/v2/docker.io/library/busybox/manifests/1.36`.

All but Microsoft's require a token, which they give to every client.
"""

from __future__ import annotations

from local.azure_simulator import context, model
from local.azure_simulator.container_registry import contents, image_names, public_images

_HOSTS = {
    "registry-1.docker.io": "docker.io",
    **{name: name for name in public_images.PUBLIC_REGISTRIES if name != "docker.io"},
}
_TOKEN = "anybody"  # noqa: S105 - no secret: every client gets it
_OPEN = "mcr.microsoft.com"


def repository_of(request: model.Request, repository: str) -> tuple[str, str] | None:
    """Registry and repository, where the request is about a public one."""
    if (registry := _HOSTS.get(request.host)) is not None:
        return registry, repository
    first, _, rest = repository.partition("/")
    return (first, rest) if first in public_images.PUBLIC_REGISTRIES else None


def check_token(request: model.Request) -> None:
    """401 that says where a token is to be had. A mirror wants none."""
    registry = _HOSTS.get(request.host)
    given = request.headers.get("authorization") == f"Bearer {_TOKEN}"
    if registry is None or registry == _OPEN or given:
        return
    issuer = "https://auth.docker.io" if registry == "docker.io" else f"https://{registry}"
    challenge = f'Bearer realm="{issuer}/token",service="{registry}"'
    headers = {"WWW-Authenticate": challenge}
    model.refuse(401, "UNAUTHORIZED", "authentication required", headers=headers)


def issue(azure: context.Azure, request: model.Request) -> model.Response:  # noqa: ARG001
    """A token for pulls of one repository, without any secret."""
    if not request.query.get("scope", "").startswith("repository:"):
        model.refuse(400, "INVALID_REQUEST", "there is no scope")
    return model.json_response(200, {"token": _TOKEN})


def manifest(
    azure: context.Azure, request: model.Request, registry: str, repository: str
) -> model.Response:
    """404 MANIFEST_UNKNOWN for an image that does not exist."""
    check_token(request)
    reference = request.parameters["reference"]
    if reference.startswith("sha256:") and contents.of_digest(azure, reference) is not None:
        return contents.manifest_response(azure, request, None, reference)
    separator = "@" if reference.startswith("sha256:") else ":"
    try:
        name = image_names.parse(f"{registry}/{repository}{separator}{reference}")
    except image_names.BadReferenceError:
        raise model.Refusal(404, "NAME_INVALID", "invalid repository name") from None
    found = public_images.find(name)
    if found is None:
        return contents.manifest_response(azure, request, None, reference)
    image = contents.Image(
        repository=repository, tag=name.tag, digest=found.digest, size_bytes=found.size_bytes
    )
    return contents.manifest_response(azure, request, image, reference)
