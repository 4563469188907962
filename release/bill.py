"""What the deployed app consists of: each locked package with its licence and hashes, as CycloneDX.

The lock says what is installed. The licences come from the packages' own metadata, so the packages
must be installed where this runs (`make setup` does that).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL
from packaging.markers import Marker

_LOCKED = re.compile(r"(?P<name>[A-Za-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+))?")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
# Licences that a package may have: a program that only imports it need not do anything for them
# but name them.
ALLOWED = frozenset(
    {"MIT", "MIT-0", "BSD-3-Clause", "Apache-2.0", "PSF-2.0", "MPL-2.0", "Unlicense"}
)
# How older metadata writes them, as identifiers of https://spdx.org/licenses
_SPDX = {
    "MIT License": "MIT",
    "Apache 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Locked:
    """A package of the lock, as this Python would install it."""

    name: str
    version: str
    hashes: tuple[str, ...]  # SHA-256 of each file that the index has of it

    @property
    def licence(self) -> str:
        """An SPDX expression, or what the package says. Raises PackageNotFoundError."""
        about = metadata.metadata(self.name)
        if expressions := about.get_all("License-Expression"):
            return str(expressions[0])
        classifiers = about.get_all("Classifier") or []
        classified = [c.rpartition(" :: ")[2] for c in classifiers if c.startswith("License ::")]
        said = [*(about.get_all("License") or []), *classified, "not said"]
        known = [_SPDX.get(str(text), str(text)) for text in said]
        return next((licence for licence in known if licence in ALLOWED), known[0])


def locked(lock: Path) -> list[Locked]:
    """The packages of a lock with hashes, without those of other Pythons and systems."""
    return list(_parsed(lock.read_text(encoding="utf-8")))


def _parsed(text: str) -> Iterator[Locked]:
    for block in re.split(r"\n(?=[A-Za-z0-9])", text):
        if (found := _LOCKED.match(block)) is None:
            continue
        marker = found["marker"]
        if marker is None or Marker(marker.strip()).evaluate():
            hashes = tuple(_HASH.findall(block))
            yield Locked(name=found["name"], version=found["version"], hashes=hashes)


def forbidden(packages: list[Locked]) -> list[str]:
    """Packages with a licence that is not allowed, each with that licence."""
    found = []
    for package in packages:
        names = re.split(r" (?:AND|OR) ", package.licence)
        if not set(names) <= ALLOWED:
            found.append(f"{package.name} {package.version}: {package.licence}")
    return found


def document(app: str, version: str, packages: list[Locked]) -> str:
    """The bill as CycloneDX 1.6 JSON. The same lock makes the same text."""
    bill = Bom(components=[_component(package) for package in packages])
    bill.metadata.component = Component(name=app, version=version, type=ComponentType.APPLICATION)
    for part in (bill.metadata.component, *bill.components):
        part.bom_ref.value = str(part.purl or part.name)
    bill.register_dependency(bill.metadata.component, bill.components)
    shown = json.loads(JsonV1Dot6(bill).output_as_string())
    del shown["serialNumber"], shown["metadata"]["timestamp"]
    return json.dumps(shown, indent=2) + "\n"


def _component(package: Locked) -> Component:
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        purl=PackageURL("pypi", name=package.name, version=package.version),
        licenses=[LicenseFactory().make_from_string(package.licence)],
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=each) for each in package.hashes],
    )
