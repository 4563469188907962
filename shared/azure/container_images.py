"""What is in a container registry, asked at the registry itself: Resource Manager does not know it.

The app's token is exchanged for one of the registry's own, and that for one of a single repository.
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shared.base import endpoints

if TYPE_CHECKING:
    from azure.core import PipelineClient
    from azure.core.credentials import TokenCredential

# A registry answers 404 for an image of a type that the request does not take.
_MANIFESTS = (
    "application/vnd.docker.distribution.manifest.v2+json,"
    "application/vnd.docker.distribution.manifest.list.v2+json,"
    "application/vnd.oci.image.manifest.v1+json,"
    "application/vnd.oci.image.index.v1+json"
)


def digest(
    client: PipelineClient[Any, Any],
    credential: TokenCredential,
    server: str,
    repository: str,
    tag: str,
) -> str | None:
    """The digest that a tag names; None where there is no such tag."""
    from azure.core.rest import HttpRequest

    token = _token(client, credential, server, f"repository:{repository}:pull")
    request = HttpRequest(
        "HEAD",
        f"https://{server}/v2/{repository}/manifests/{tag}",
        headers={"Authorization": f"Bearer {token}", "Accept": _MANIFESTS},
    )
    response = client.send_request(request)
    if response.status_code == 404:
        return None
    response.raise_for_status()
    return str(response.headers["Docker-Content-Digest"])


def _token(
    client: PipelineClient[Any, Any], credential: TokenCredential, server: str, scope: str
) -> str:
    entra = credential.get_token(endpoints.REGISTRY_SCOPE).token
    form = {"grant_type": "access_token", "service": server, "access_token": entra}
    refresh = _posted(client, f"https://{server}/oauth2/exchange", form)["refresh_token"]
    form = {"grant_type": "refresh_token", "service": server, "refresh_token": refresh}
    answer = _posted(client, f"https://{server}/oauth2/token", {**form, "scope": scope})
    return str(answer["access_token"])


def _posted(client: PipelineClient[Any, Any], url: str, form: dict[str, str]) -> dict[str, Any]:
    from azure.core.rest import HttpRequest

    response = client.send_request(HttpRequest("POST", url, data=form))
    response.raise_for_status()
    return dict(response.json())
