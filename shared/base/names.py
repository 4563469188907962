"""Every name and id that batch-prep makes, in one place; nothing else formats one.

Resource names derive from the build id, so that a repeated step finds what the first try made.
"""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

# Tags of everything that batch-prep creates; only what carries them is ever changed or deleted.
TAG_BUILD = "batch-prep-build"
TAG_ASKED = "batch-prep-asked"  # of a pool: digests of what was last asked for
TAG_KEEPS = "batch-prep-keeps"  # of a pool: its nodes and its end before an update in place
TAG_FORMULA = "batch-prep-formula"  # of a pool: how it scaled itself before an update in place
TAG_EXPIRED = "batch-prep-expired"  # of a pool whose deletion has begun
TAG_CREATED = "batch-prep-created"
TAG_EXPIRES = "batch-prep-expires"

# Durable refuses longer instance ids.
INSTANCE_ID_MAX = 100

POOL_REQUESTS_QUEUE = "pool-requests"
POISON_QUEUE = "pool-requests-poison"
CONTEXTS_CONTAINER = "batch-prep-contexts"
DOCUMENTS_CONTAINER = "batch-prep-documents"


class Orchestrator(StrEnum):
    """Durable orchestrations, by the name under which they are registered."""

    BUILD = "build"
    BUILD_IMAGE = "build_image"
    CLEAN = "clean"
    CLEAN_UP = "clean_up"
    CREATE_POOL = "create_pool"
    CHANGE_POOL = "change_pool"
    REBUILD_GROUP = "rebuild_group"
    REBUILD_IMAGES = "rebuild_images"
    REMOVE_BUILDER = "remove_builder"
    RUN_OPERATION = "run_operation"


def digest(*parts: str, length: int = 12) -> str:
    """A short stable name for `parts`: lower-case letters and digits, safe wherever Azure takes
    names.
    """
    text = "\x1f".join(parts).encode()
    return hashlib.sha256(text).hexdigest()[:length]


def build_id(request_id: str) -> str:
    """The build that a request id stands for. 13 characters: a letter, then hexadecimal digits."""
    return "b" + digest("build", request_id)


def child_instance(parent: str, step: str) -> str:
    """The instance id of a step's own orchestration, never over Durable's limit."""
    name = f"{parent}:{step}"
    return name if len(name) <= INSTANCE_ID_MAX else f"{parent[:60]}:{digest(name, length=24)}"


# -------------------------------------------------------------------------------------------------
# Resources of a build


BUILDER_USER = "builder"  # of the builder VM; sealing removes it


def builder_vm(build: str) -> str:
    """VM names: at most 64 characters, letters, digits and hyphens."""
    return f"batch-prep-{build}"


def network(build: str) -> str:
    """The builder's virtual network."""
    return f"batch-prep-{build}-net"


def network_card(build: str) -> str:
    """The builder's network card, to whose name Azure adds some digits."""
    return f"batch-prep-{build}-nic"


def nat_gateway(build: str) -> str:
    """The builder's way out."""
    return f"batch-prep-{build}-nat"


def public_ip(build: str) -> str:
    """The address of the NAT gateway (the builder itself has none)."""
    return f"batch-prep-{build}-ip"


def snapshot(build: str) -> str:
    """Of the sealed builder's disk."""
    return f"batch-prep-{build}-snapshot"


def managed_image(build: str) -> str:
    """The legacy managed image, made only on request."""
    return f"batch-prep-{build}-image"


def run_command(step: str, attempt: int) -> str:
    """One name per attempt: Azure runs a script again only when its run command is another one."""
    return f"{step.replace('_', '-')}-{attempt}"


def script_output(log_container: str, build: str, command: str) -> str:
    """The blob of what a script prints on stdout: documents, and its result line."""
    return f"{log_container.rstrip('/')}/{build}/{command}.out.log"


def script_log(log_container: str, build: str, command: str) -> str:
    """The blob of a script's whole log, which it prints on stderr when it ends."""
    return f"{log_container.rstrip('/')}/{build}/{command}.err.log"


def bill_of_materials(build: str) -> str:
    """The document's name in the app's storage; a build publishes at most one image."""
    return f"bills-of-materials/{build}.cdx.json"


def verification_job(build: str, pool: str) -> str:
    """A Batch job id: at most 64 characters of letters, digits, hyphens and underscores."""
    return f"batch-prep-{build}-{digest(pool)}"


PULL_IDENTITY = "batch-prep-pull"  # of builders and pools, one per resource group


# -------------------------------------------------------------------------------------------------
# Resource ids
# (https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules)


def type_of(resource_id: str) -> str:
    """The type of a resource, from its id."""
    _, found, provider = resource_id.rpartition("/providers/")
    if not found:
        return "Microsoft.Resources/resourceGroups"
    namespace, *parts = provider.split("/")
    return "/".join([namespace, *parts[::2]])


def group_of(resource_id: str) -> str:
    """The name of the resource group that a resource is in, or is."""
    return resource_id.split("/")[4]


def same(left: object, right: object) -> bool:
    """Whether two texts are equal as Azure compares names and ids: without regard to case."""
    return str(left).lower() == str(right).lower()


def region(location: object) -> str:
    """The short name of a region, such as westeurope. Azure shows some as `West Europe`."""
    return str(location).replace(" ", "").lower()


def resource_id(subscription: str, group: str, kind: str, *path: str) -> str:
    """`kind` is `Provider/type`; `path` alternates names and child types."""
    rest = "/".join(path)
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/{kind}/{rest}"


def group_id(subscription: str, group: str) -> str:
    """A resource group."""
    return f"/subscriptions/{subscription}/resourceGroups/{group}"


def pool_id(subscription: str, group: str, account: str, pool: str) -> str:
    """A pool of a Batch account."""
    kind = "Microsoft.Batch/batchAccounts"
    return resource_id(subscription, group, kind, account, "pools", pool)


def vm_id(subscription: str, group: str, build: str) -> str:
    """The builder VM."""
    return resource_id(subscription, group, "Microsoft.Compute/virtualMachines", builder_vm(build))


def image_version_id(
    subscription: str, group: str, gallery: str, definition: str, version: str
) -> str:
    """One immutable version in a gallery."""
    path = (gallery, "images", definition, "versions", version)
    return resource_id(subscription, group, "Microsoft.Compute/galleries", *path)


# Names as Azure allows them, so that no part of an id is `..` or has a `?` in it:
# https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
_IN_GROUP = (
    r"/subscriptions/(?P<subscription>[a-z0-9-]+)"
    r"/resourceGroups/(?P<group>[\w\-.()]{0,89}[\w\-()])/providers"
)
_NAME = r"[a-z0-9](?:[\w.\-]{0,78}\w)?"
_GALLERY_IMAGE_ID = re.compile(
    rf"{_IN_GROUP}/Microsoft\.Compute/galleries/(?P<gallery>{_NAME})/images/(?P<definition>{_NAME})"
    r"(?:/versions/(?P<version>latest|[0-9]+\.[0-9]+\.[0-9]+))?",
    re.IGNORECASE,
)
_MANAGED_IMAGE_ID = re.compile(
    rf"{_IN_GROUP}/Microsoft\.Compute/images/(?P<image>{_NAME})", re.IGNORECASE
)
_PUBLISHED_IMAGE_ID = re.compile(
    rf"/(?P<kind>communityGalleries|sharedGalleries)/(?P<gallery>{_NAME})/images/(?P<definition>{_NAME})"
    r"/versions/(?P<version>latest|[0-9]+\.[0-9]+\.[0-9]+)",
    re.IGNORECASE,
)
_SUBNET_ID = re.compile(
    rf"{_IN_GROUP}/Microsoft\.Network/virtualNetworks/(?P<network>{_NAME})/subnets/(?P<subnet>{_NAME})",
    re.IGNORECASE,
)
_IDENTITY_ID = re.compile(
    rf"{_IN_GROUP}/Microsoft\.ManagedIdentity/userAssignedIdentities/(?P<identity>[a-z0-9][\w-]{{0,127}})",
    re.IGNORECASE | re.ASCII,
)


def _parts(pattern: re.Pattern[str], text: str) -> dict[str, str] | None:
    match = pattern.fullmatch(text)
    return match.groupdict() if match else None


def parse_image_version_id(text: str) -> dict[str, str] | None:
    """The parts of a gallery image version's id (subscription, group, gallery, definition,
    version), or None.
    """
    parts = _parts(_GALLERY_IMAGE_ID, text)
    return parts if parts and parts["version"] else None


def parse_gallery_image_id(text: str) -> dict[str, str] | None:
    """The same of an image version or an image definition, whose newest version is meant."""
    parts = _parts(_GALLERY_IMAGE_ID, text)
    return {**parts, "version": parts["version"] or "latest"} if parts else None


def parse_managed_image_id(text: str) -> dict[str, str] | None:
    """The parts of a managed image's id (subscription, group, image), or None."""
    return _parts(_MANAGED_IMAGE_ID, text)


def parse_published_image_id(text: str) -> dict[str, str] | None:
    """The parts of the id of an image version in a community gallery, or in one that others share
    (kind, gallery, definition, version), or None. It names no subscription.
    """
    return _parts(_PUBLISHED_IMAGE_ID, text)


def image_reference_key(id_: str) -> str:
    """The member of Azure's image references that takes this id."""
    published = parse_published_image_id(id_)
    if published is None:
        return "id"
    kind = published["kind"].lower()
    return "communityGalleryImageId" if kind == "communitygalleries" else "sharedGalleryImageId"


def parse_subnet_id(text: str) -> dict[str, str] | None:
    """The parts of a subnet's id (subscription, group, network, subnet), or None."""
    return _parts(_SUBNET_ID, text)


def parse_identity_id(text: str) -> dict[str, str] | None:
    """The parts of a user-assigned identity's id (subscription, group, identity), or None."""
    return _parts(_IDENTITY_ID, text)


def role_assignment(scope: str, principal: str, role: str) -> str:
    """A role assignment's name is a GUID; the same grant always gets the same one."""
    h = digest(scope.lower(), principal, role, length=32)
    return f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:32]}"


# -------------------------------------------------------------------------------------------------
# Versions


def next_version(taken: list[str]) -> str:
    """The version after the highest taken one: the patch number grows, as the old script's did."""
    if not taken:
        return "1.0.0"
    major, minor, patch = max(map(version_numbers, taken))
    return f"{major}.{minor}.{patch + 1}"


def version_numbers(text: str) -> tuple[int, int, int]:
    """The three numbers by which Azure orders versions, also those of other tools' versions, which
    may have leading zeros (2026.01.07). A part that is no number counts as 0.
    """
    parts = [int(part) if re.fullmatch(r"\d+", part, re.ASCII) else 0 for part in text.split(".")]
    major, minor, patch = (*parts, 0, 0, 0)[:3]
    return major, minor, patch


def parse_version(text: str) -> tuple[int, int, int] | None:
    """`Major.Minor.Patch`, each a 32-bit integer without leading zeros, or None."""
    match = re.fullmatch(r"(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})\.(0|[1-9]\d{0,9})", text, re.ASCII)
    if not match:
        return None
    numbers = tuple(int(g) for g in match.groups())
    return (numbers[0], numbers[1], numbers[2]) if max(numbers) < 2**31 else None


# -------------------------------------------------------------------------------------------------
# Keys of table rows: no / \ # ? or control characters, at most 1 KiB


def image_partition(group: str, gallery: str, definition: str) -> str:
    """All versions of one image, in one partition."""
    return f"{group.lower()}|{gallery.lower()}|{definition.lower()}"


def version_row(version: str) -> str:
    """Sorts newest first: numbers are inverted and padded."""
    numbers = parse_version(version)
    assert numbers is not None, version
    return ".".join(f"{2**31 - n:010d}" for n in numbers)
