"""A container registry as Docker and the steps speak to it: read-only, with tokens.

Which images it has, and which of its hosts want a login, is read from `registry.json` in the
machine's directory at each request: `{"images": {"HOST/REPOSITORY:TAG": NAME}, "private": [HOST]}`,
NAME as in `container_images`. Protocol: https://distribution.github.io/distribution/spec/api/ and,
for the exchange of an identity's token,
https://github.com/Azure/acr/blob/main/docs/AAD-OAuth.md.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import re
import urllib.parse
from collections.abc import Mapping
from pathlib import Path

from local.machines import container_images

IDENTITY_TOKEN = "stand-in-identity-token"  # noqa: S105  opens nothing
REFRESH_TOKEN = "stand-in-refresh-token"  # noqa: S105
_ACCESS_TOKEN = "stand-in-access-token"  # noqa: S105
TOKEN_USER = "00000000-0000-0000-0000-000000000000"  # noqa: S105
_MANIFEST = re.compile(r"/v2/(?P<name>.+)/manifests/(?P<tag>[^/]+)")
_BLOB = re.compile(r"/v2/(?P<name>.+)/blobs/(?P<digest>sha256:[0-9a-f]{64})")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """Answers for every host; `images` is the kit's, `table` the file `registry.json`."""

    images: Path
    table: Path

    def answer(
        self, method: str, host: str, target: str, headers: Mapping[str, str], body: bytes
    ) -> Answer:
        url = urllib.parse.urlsplit(target)
        if url.path == "/oauth2/exchange" and method == "POST":
            return self._exchange(body)
        if url.path == "/oauth2/token":
            return self._token(host, headers)
        if not url.path.startswith("/v2/"):
            return Answer(status=404)
        if headers.get("Authorization") != f"Bearer {_ACCESS_TOKEN}":
            challenge = f'Bearer realm="https://{host}/oauth2/token",service="{host}"'
            return _refusal(401, "UNAUTHORIZED", {"Www-Authenticate": challenge})
        return self._serve(host, url.path)

    def _exchange(self, body: bytes) -> Answer:
        """An identity's token for a registry's."""
        form = dict(urllib.parse.parse_qsl(body.decode()))
        is_right = form.get("grant_type") == "access_token" and form.get("service")
        if not is_right or form.get("access_token") != IDENTITY_TOKEN:
            return _refusal(401, "UNAUTHORIZED")
        return _json({"refresh_token": REFRESH_TOKEN})

    def _token(self, host: str, headers: Mapping[str, str]) -> Answer:
        """A token to pull with; a private registry gives it only after a login."""
        expected = base64.b64encode(f"{TOKEN_USER}:{REFRESH_TOKEN}".encode()).decode()
        has_login = headers.get("Authorization") == f"Basic {expected}"
        if host in self._read()["private"] and not has_login:
            return _refusal(401, "UNAUTHORIZED")
        return _json({"token": _ACCESS_TOKEN, "access_token": _ACCESS_TOKEN})

    def _serve(self, host: str, path: str) -> Answer:
        if path == "/v2/":
            return _json({})
        if found := _MANIFEST.fullmatch(path):
            return self._manifest(host, found["name"], found["tag"])
        if found := _BLOB.fullmatch(path):
            return self._blob(found["digest"])
        return Answer(status=404)

    def _manifest(self, host: str, name: str, tag: str) -> Answer:
        """By tag, or by the digest of any image under this name."""
        for reference, image in self._read()["images"].items():
            content = (self.images / image / "manifest").read_bytes()
            digest = container_images.digest(content)
            if reference == f"{host}/{name}:{tag}" or (
                tag == digest and reference.startswith(f"{host}/{name}:")
            ):
                kind = container_images.MANIFEST_TYPE
                return Answer(
                    body=content, headers={"Content-Type": kind, "Docker-Content-Digest": digest}
                )
        return _refusal(404, "MANIFEST_UNKNOWN")

    def _blob(self, digest: str) -> Answer:
        for blob in self.images.glob(f"*/blobs/{digest}"):
            return Answer(
                body=blob.read_bytes(), headers={"Content-Type": "application/octet-stream"}
            )
        return _refusal(404, "BLOB_UNKNOWN")

    def _read(self) -> dict[str, dict[str, str]]:
        table: dict[str, dict[str, str]] = json.loads(self.table.read_text())
        return table


def _json(document: object) -> Answer:
    return Answer(body=json.dumps(document).encode(), headers={"Content-Type": "application/json"})


def _refusal(status: int, code: str, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": code.replace("_", " ").lower()}]})
    return Answer(
        status=status,
        body=body.encode(),
        headers={"Content-Type": "application/json", **(headers or {})},
    )
