"""What cleanup is decided from: records of builds and pools, and what Azure shows of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from shared.base import names
from shared.model.outcomes import PoolRecord


@dataclass(frozen=True, kw_only=True, slots=True)
class ResourceFacts:
    """A resource that carries a build's tag, or that a build's record lists."""

    id: str
    build: str
    expires: str = ""  # a tag; what lasts has none
    is_used: bool = False  # an image version that did not fail, a registry that is not empty
    is_gone: bool = False
    refused: str = ""  # why Azure does not show it

    @property
    def kind(self) -> str:
        """The type in lower case."""
        return names.type_of(self.id).lower()

    @property
    def group(self) -> str:
        """The name of the resource group that it is in, or is."""
        return self.id.split("/")[4]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildFacts:
    """A build's record."""

    state: str
    is_over: bool = True
    is_resumable: bool = False
    may_need: tuple[str, ...] = ()  # resource groups that it uses; none if it failed for good
    publishes: str = ""  # the name of the image definition that it makes a version of
    leftovers: tuple[str, ...] = ()  # ids that it keeps, or could not remove


@dataclass(frozen=True, kw_only=True, slots=True)
class PoolFacts:
    """A pool's record, and the pool on Azure; `refused` is why Azure does not show it."""

    id: str
    record: PoolRecord
    at_work: str | None = None  # a running build that has claimed or changes it
    refused: str = ""
    is_gone: bool = False
    build: str | None = None  # that shaped it last
    is_marked: bool = False  # its deletion has begun (decision 0005)
    is_empty: bool = False
    target: tuple[int, int] | None = None  # nodes that it wants; None where a formula decides


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """Everything that the list is made from. `groups` holds, by the build's id, the resource group
    of a build without an image, and its contents.
    """

    resources: tuple[ResourceFacts, ...] = ()
    builds: Mapping[str, BuildFacts] = field(default_factory=dict)
    groups: Mapping[str, tuple[ResourceFacts, ...]] = field(default_factory=dict)
    closed: tuple[str, ...] = ()  # builds that this sweep has closed
    pools: tuple[PoolFacts, ...] = ()
