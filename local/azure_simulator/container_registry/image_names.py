"""References to container images, read as Docker reads them.

`busybox`, `library/busybox` and `docker.io/library/busybox:latest` name the same image; the first
part is a registry only if it has a dot, a colon or is `localhost`.
Grammar: https://github.com/distribution/reference
"""

import hashlib
import re
from dataclasses import dataclass

DOCKER_HUB = "docker.io"

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class BadReferenceError(ValueError):
    """The text is not an image reference."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageName:
    """One image reference; `digest` is empty unless the reference is pinned."""

    registry: str
    repository: str
    tag: str
    digest: str = ""

    @property
    def is_on_docker_hub(self) -> bool:
        return self.registry == DOCKER_HUB

    def canonical(self) -> str:
        """The one spelling under which equal references compare equal."""
        suffix = f"@{self.digest}" if self.digest else f":{self.tag}"
        return f"{self.registry}/{self.repository}{suffix}"


def parse(reference: str) -> ImageName:
    """Read a reference; raises BadReferenceError with Docker's own words."""
    rest, _, digest = reference.partition("@")
    registry, rest = _split_registry(rest)
    repository, _, tag = rest.partition(":")
    if registry == DOCKER_HUB and "/" not in repository:
        repository = f"library/{repository}"
    if not _REPOSITORY.fullmatch(repository) or (tag and not _TAG.fullmatch(tag)):
        raise BadReferenceError(f"invalid reference format: {reference!r}")
    if "@" in reference and not _DIGEST.fullmatch(digest):
        raise BadReferenceError(f"invalid reference format: {reference!r}")
    return ImageName(registry=registry, repository=repository, tag=tag or "latest", digest=digest)


def same_image(left: str, right: str) -> bool:
    """Whether two references name the same image; text that is no reference names none."""
    try:
        return parse(left).canonical() == parse(right).canonical()
    except BadReferenceError:
        return False


def made_up_digest(*parts: object) -> str:
    """A digest that is the same each time for the same parts."""
    return f"sha256:{hashlib.sha256('|'.join(map(str, parts)).encode()).hexdigest()}"


def _split_registry(text: str) -> tuple[str, str]:
    first, slash, rest = text.partition("/")
    is_registry = slash and ("." in first or ":" in first or first == "localhost")
    if not is_registry:
        return DOCKER_HUB, text
    registry = first.lower()
    return (DOCKER_HUB if registry == "index.docker.io" else registry), rest
