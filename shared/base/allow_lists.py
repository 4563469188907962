"""What requests may name, besides what the app's own settings name. Each list holds patterns."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from pydantic import BaseModel

from shared.base.setting import setting


def allows(patterns: str | None, name: str) -> bool:
    """Whether a list such as `images-*,team-a` holds a name, in any case; unset, it does."""
    if patterns is None:
        return True
    return any(fnmatchcase(name.lower(), each.strip().lower()) for each in patterns.split(","))


def _list(name: str, of: str, example: str) -> Any:
    about = f"The {of} that requests may name: patterns such as `{example}`, separated by commas."
    return setting(name, about, default=None, words="all")


class AllowLists(BaseModel):
    """A setting each; one that is unset allows everything that Azure does."""

    allowed_groups: str | None = _list("ALLOWED_RESOURCE_GROUPS", "resource groups", "team-*")
    allowed_locations: str | None = _list("ALLOWED_LOCATIONS", "regions", "sweden*")
    allowed_vm_sizes: str | None = _list("ALLOWED_VM_SIZES", "VM sizes", "Standard_D*")
    allowed_registries: str | None = _list(
        "ALLOWED_REGISTRIES",
        "registries of images (of Azure registries the name, of others the host)",
        "team*",
    )
    allowed_git_hosts: str | None = _list(
        "ALLOWED_GIT_HOSTS", "hosts of git sources", "*.example.org"
    )
    allowed_script_hosts: str | None = _list(
        "ALLOWED_SCRIPT_HOSTS", "hosts of own steps (`image.steps[].url`)", "*.example.org"
    )
    allowed_subnets: str | None = _list(
        "ALLOWED_SUBNETS", "ids of subnets", "*/virtualNetworks/team/*"
    )
    allowed_identities: str | None = _list(
        "ALLOWED_IDENTITIES", "ids of identities", "*/userAssignedIdentities/team-*"
    )
