"""What is in a container registry, asked at the registry itself: Resource Manager does not know it.

The app's token is exchanged for one of the registry's own, and that for one of a single repository.
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md

Public registries give a token to every client that follows their challenge.
https://distribution.github.io/distribution/spec/auth/token/
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

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
# Which hosts are asked without a secret: no name of an image leads to any other host.
_PUBLIC = {
    "docker.io": "registry-1.docker.io",
    **{host: host for host in ("mcr.microsoft.com", "nvcr.io", "ghcr.io", "quay.io")},
}
_AZURE = re.compile(r"[a-z0-9]+\.azurecr\.(io|us|cn)")
_MOVED = {301, 302, 303, 307, 308}


def digest(
    client: PipelineClient[Any, Any],
    credential: TokenCredential,
    server: str,
    repository: str,
    tag: str,
) -> str | None:
    """The digest that a tag names; None where there is no such tag."""
    token = _token(client, credential, server, f"repository:{repository}:pull")
    return _Reader(client, f"https://{server}/v2/{repository}", token).digest(tag)


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


def environment(
    client: PipelineClient[Any, Any],
    credential: TokenCredential,
    reference: str,
    mirror: str | None,
) -> list[str]:
    """The variables (NAME=VALUE) that an image sets in its containers, for amd64. Empty where its
    registry is none that can be asked without a secret. `mirror` is asked for public ones, if it is
    given. Raises AzureError, and ValueError or LookupError for an answer of another form.
    """
    reader, tag = _reader(client, credential, reference, mirror)
    if reader is None:
        return []
    manifest = reader.get(f"manifests/{tag}")
    if "manifests" in manifest:
        manifest = reader.get(f"manifests/{_for_amd64(manifest['manifests'])}")
    found = reader.get(f"blobs/{manifest['config']['digest']}")
    return [str(each) for each in (found.get("config") or {}).get("Env") or []]


def digest_of_reference(
    client: PipelineClient[Any, Any],
    credential: TokenCredential,
    reference: str,
    mirror: str | None,
) -> str | None:
    """The digest that a reference names now, as `environment` finds it; None where the registry has
    no such image, or is none that can be asked without a secret. A registry counts this as no pull.
    https://docs.docker.com/docker-hub/usage/pulls/
    """
    reader, tag = _reader(client, credential, reference, mirror)
    return reader.digest(tag) if reader else None


def _reader(
    client: PipelineClient[Any, Any],
    credential: TokenCredential,
    reference: str,
    mirror: str | None,
) -> tuple[_Reader | None, str]:
    """What reads the repository of a reference, and the reference's tag or digest."""
    host, repository, tag = _split(reference)
    if _AZURE.fullmatch(host):
        token = _token(client, credential, host, f"repository:{repository}:pull")
        return _Reader(client, f"https://{host}/v2/{repository}", token), tag
    if host not in _PUBLIC:
        return None, tag
    if mirror is not None:
        return _Reader(client, f"{mirror}/v2/{host}/{repository}"), tag
    return _Reader(client, f"https://{_PUBLIC[host]}/v2/{repository}"), tag


class _Reader:
    """Reads one repository; takes a token where the registry asks for one."""

    def __init__(self, client: PipelineClient[Any, Any], url: str, token: str | None = None):
        self._client, self._url, self._token = client, url, token

    def get(self, what: str) -> dict[str, Any]:
        """A JSON document of the repository."""
        response = self._send("GET", what)
        if response.status_code in _MOVED:  # to a URL that carries its own signature
            url = endpoints.checked(response.headers["Location"])
            response = self._sent("GET", url, {})
        response.raise_for_status()
        return dict(response.json())

    def digest(self, tag: str) -> str | None:
        """The digest of a tag or of a digest itself; None where there is none."""
        response = self._send("HEAD", f"manifests/{tag}")
        if response.status_code == 404:
            return None
        response.raise_for_status()
        return str(response.headers["Docker-Content-Digest"])

    def _send(self, method: str, what: str) -> Any:
        response = self._asked(method, what)
        if response.status_code == 401 and self._token is None:
            self._token = self._from_challenge(response.headers.get("WWW-Authenticate", ""))
            response = self._asked(method, what)
        return response

    def _asked(self, method: str, what: str) -> Any:
        headers = {"Accept": _MANIFESTS} if what.startswith("manifests/") else {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        return self._sent(method, f"{self._url}/{what}", headers)

    def _sent(self, method: str, url: str, headers: dict[str, str]) -> Any:
        from azure.core.rest import HttpRequest

        return self._client.send_request(HttpRequest(method, url, headers=headers))

    def _from_challenge(self, challenge: str) -> str:
        given = dict(re.findall(r'(\w+)="([^"]*)"', challenge))
        path = urlsplit(self._url).path.removeprefix("/v2/")
        asked = {"service": given.get("service", ""), "scope": f"repository:{path}:pull"}
        response = self._sent("GET", f"{endpoints.checked(given['realm'])}?{urlencode(asked)}", {})
        response.raise_for_status()
        answer = response.json()
        return str(answer.get("token") or answer["access_token"])


def _split(reference: str) -> tuple[str, str, str]:
    """Host, repository, and tag or digest, as Docker reads a reference."""
    first, slash, rest = reference.partition("/")
    if not slash or not ("." in first or ":" in first or first == "localhost"):
        first, rest = "docker.io", reference
    rest, _, by_digest = rest.partition("@")
    repository, _, tag = rest.partition(":")
    if first == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    return first.lower(), repository, by_digest or tag or "latest"


def _for_amd64(manifests: list[dict[str, Any]]) -> str:
    wanted = {"os": "linux", "architecture": "amd64"}
    for each in manifests:
        if wanted.items() <= (each.get("platform") or {}).items():
            return str(each["digest"])
    raise LookupError("the image has no manifest for amd64")
