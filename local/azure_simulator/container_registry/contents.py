"""What a registry answers about an image besides its digest: index, manifest and configuration.

An index is answered for a tag, as for images of several architectures; its manifest and the
configuration are got by their digests. A registry leads to the configuration by a signed URL at
its storage, which refuses a request that carries a token too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re

from local.azure_simulator import context, model, store
from local.azure_simulator.container_registry import image_names

TYPE = "simulator.registryContent"
STORAGE_PATH = "/simulatorRegistryData"
_INDEX = "application/vnd.oci.image.index.v1+json"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_CUDA_TAG = re.compile(r"(\d+\.\d+)(?:\.\d+)?(?:-|$)")
# Older branches whose drivers do too, with the image's own libraries:
# https://gitlab.com/nvidia/container-images/cuda
_OLDER_BRANCHES = (535, 550)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """An image as its registry knows it."""

    repository: str
    tag: str
    digest: str
    size_bytes: int


def index(azure: context.Azure, image: Image) -> model.JsonObject:
    """The index of an image, whose parts can be got from now on."""
    layer = image_names.made_up_digest(image.digest)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": _environment(image), "Labels": {}},
        "rootfs": {"type": "layers", "diff_ids": [layer]},
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": _MANIFEST,
        "config": {"mediaType": _CONFIG, **_kept(azure, config, _CONFIG)},
        "layers": [{"size": image.size_bytes, "digest": layer}],
    }
    described = {"mediaType": _MANIFEST, **_kept(azure, manifest, _MANIFEST)}
    other = image_names.made_up_digest(image.digest, "arm64")
    manifests = [
        {**described, "digest": other, "platform": {"architecture": "arm64", "os": "linux"}},
        {**described, "platform": {"architecture": "amd64", "os": "linux"}},
    ]
    return {"schemaVersion": 2, "mediaType": _INDEX, "manifests": manifests}


def of_digest(azure: context.Azure, digest: str) -> model.JsonObject | None:
    """`mediaType` and `text` of a manifest or configuration that an index or manifest named."""
    found = azure.store.find(f"/simulator/registryContent/{digest}")
    return None if found is None else found.document


def manifest_response(
    azure: context.Azure, request: model.Request, image: Image | None, reference: str
) -> model.Response:
    """By tag or digest: the index of the image, or a manifest that an index has named."""
    if image is not None:
        kind, digest, text = _INDEX, image.digest, json.dumps(index(azure, image))
    elif (found := of_digest(azure, reference)) is not None:
        kind, digest, text = found["mediaType"], reference, found["text"]
    else:
        message = f"manifest tagged by {reference!r} is not found"
        raise model.Refusal(404, "MANIFEST_UNKNOWN", message)
    body = b"" if request.method == "HEAD" else text.encode()
    headers = {"Content-Type": kind, "Docker-Content-Digest": digest}
    return model.Response(status=200, headers=headers, body=body)


def blob_response(azure: context.Azure, request: model.Request) -> model.Response:
    """307 to where the blob lies."""
    digest = request.parameters["digest"]
    if of_digest(azure, digest) is None:
        raise model.Refusal(404, "BLOB_UNKNOWN", "blob unknown to registry")
    place = f"{request.base_url}{STORAGE_PATH}/{digest}?sig=made-up"
    return model.Response(status=307, headers={"Location": place}, body=b"")


def serve(azure: context.Azure, request: model.Request) -> model.Response:
    """The storage behind the registry: the signature is the right, and a token beside it none."""
    found = of_digest(azure, request.parameters["digest"])
    if "sig" not in request.query or "authorization" in request.headers or found is None:
        model.refuse(403, "AuthenticationFailed", "Server failed to authenticate the request.")
    headers = {"Content-Type": "application/octet-stream"}
    return model.Response(status=200, headers=headers, body=found["text"].encode())


def _kept(azure: context.Azure, content: model.JsonObject, kind: str) -> model.JsonObject:
    text = json.dumps(content)
    digest = f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"
    document = {"mediaType": kind, "text": text}
    place = f"/simulator/registryContent/{digest}"
    azure.store.add(store.Resource(id=place, type=TYPE, document=document))
    return {"size": len(text), "digest": digest}


def _environment(image: Image) -> list[str]:
    """Images of a repository `cuda` require the CUDA of their tag, as NVIDIA's do: of a driver, or
    of an older branch that their own libraries help.
    """
    path = ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    version = _CUDA_TAG.match(image.tag)
    if image.repository.rpartition("/")[2] != "cuda" or version is None:
        return path
    older = [f"brand=tesla,driver>={b},driver<{b + 1}" for b in _OLDER_BRANCHES]
    required = " ".join([f"cuda>={version[1]}", *older])
    return [*path, f"CUDA_VERSION={version[0].rstrip('-')}", f"NVIDIA_REQUIRE_CUDA={required}"]
