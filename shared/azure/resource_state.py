"""Read what Azure Resource Manager answers: the states and properties of a resource. Pure."""

from __future__ import annotations

from typing import Any

from shared.base import errors, names

Json = dict[str, Any]

# Resource Manager's provisioningState, in lower case. What is not here is an error with the raw
# value in it.
_READY = {"succeeded"}
_UNDER_WAY = {"creating", "updating", "accepted", "running", "deleting", "migrating", "inprogress"}
_BROKEN = {"failed", "canceled", "cancelled", "invalid"}


def provisioning(observed: Json | None) -> str:
    """`absent`, `ready`, `under way`, `deleting` or `broken`, by a resource's provisioningState."""
    if observed is None:
        return "absent"
    raw = str(properties(observed).get("provisioningState") or "Succeeded")
    state = raw.lower()
    if state == "deleting":
        return "deleting"
    for meaning, states in (("ready", _READY), ("under way", _UNDER_WAY), ("broken", _BROKEN)):
        if state in states:
            return meaning
    raise errors.Bug(f"Azure says provisioningState {raw!r}, which is not known here")


def statuses(observed: Json) -> set[str]:
    """The status codes of a VM's instance view in lower case, such as `powerstate/running`."""
    view = properties(observed).get("instanceView") or {}
    return {str(s.get("code", "")).lower() for s in view.get("statuses") or []}


def power_state(observed: Json | None) -> str | None:
    """`running`, `stopped`, `deallocated`, ...; None where the instance view has none."""
    found = [c for c in statuses(observed or {}) if c.startswith("powerstate/")]
    return found[0].removeprefix("powerstate/") if found else None


def is_settled(observed: Json | None) -> bool:
    """Whether Azure neither makes nor changes nor removes the resource, or it is gone."""
    return properties(observed).get("provisioningState", "Succeeded") in {"Succeeded", "Failed"}


def properties(observed: Json | None) -> Json:
    """A resource's properties, or nothing."""
    return (observed or {}).get("properties") or {}


def metadata(pool: Json | None) -> dict[str, str]:
    """A Batch pool's metadata by name."""
    return {each["name"]: each["value"] for each in properties(pool).get("metadata") or []}


def newest_version(versions: list[Json]) -> Json | None:
    """The version that Azure resolves `latest` to: the highest number that is ready and not
    excluded.
    """
    usable = [
        v
        for v in versions
        if provisioning(v) == "ready"
        and not (properties(v).get("publishingProfile") or {}).get("excludeFromLatest")
    ]
    return max(usable, key=lambda v: names.version_numbers(v["name"]), default=None)


def newest_published(versions: list[Json]) -> Json | None:
    """The same of versions that others publish, which have no state."""
    usable = [v for v in versions if not properties(v).get("excludeFromLatest")]
    return max(usable, key=lambda v: names.version_numbers(v["name"]), default=None)


def architecture(definition: Json | None) -> str:
    """That of an image definition: x64, also where it says none, or Arm64."""
    return str(properties(definition).get("architecture") or "x64")


def features(resource: Json | None) -> dict[str, str]:
    """The features of an image definition or marketplace image, by name."""
    found = properties(resource).get("features") or []
    return {feature["name"]: feature["value"] for feature in found}
