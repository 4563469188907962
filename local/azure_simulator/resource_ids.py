"""Azure resource ids as text: taking apart and comparing. Ids compare without case."""

from __future__ import annotations


def key(resource_id: str) -> str:
    """What the store files a resource under."""
    return resource_id.rstrip("/").lower()


def same(first: str | None, second: str | None) -> bool:
    return first is not None and second is not None and key(first) == key(second)


def segments(resource_id: str) -> list[str]:
    return [segment for segment in resource_id.split("/") if segment]


def name(resource_id: str) -> str:
    return resource_id.rstrip("/").rpartition("/")[2]


def parent(resource_id: str) -> str:
    """The id one level up: a top-level resource's group, a run command's VM."""
    parts = segments(resource_id)
    is_top_level = len(parts) >= 4 and parts[-4].lower() == "providers"
    return "/" + "/".join(parts[: -4 if is_top_level else -2])


def part(resource_id: str, marker: str) -> str:
    """The segment after `marker` (`resourceGroups`, `virtualMachines`); empty when absent."""
    parts = segments(resource_id)
    lowered = [segment.lower() for segment in parts]
    try:
        return parts[lowered.index(marker.lower()) + 1]
    except (ValueError, IndexError):
        return ""


def group_id(resource_id: str) -> str:
    """Id of the resource group that holds the resource; empty outside any group."""
    group = part(resource_id, "resourceGroups")
    if not group:
        return ""
    return f"/subscriptions/{part(resource_id, 'subscriptions')}/resourceGroups/{group}"


def type_of(resource_id: str) -> str:
    """`Microsoft.Compute/virtualMachines/runCommands` and the like, from the id alone."""
    parts = segments(resource_id)
    lowered = [segment.lower() for segment in parts]
    if "providers" not in lowered:
        return "Microsoft.Resources/resourceGroups" if "resourcegroups" in lowered else ""
    start = len(lowered) - lowered[::-1].index("providers")
    return "/".join([*parts[start : start + 1], *parts[start + 1 :: 2]])


def relative_name(resource_id: str) -> str:
    """`gallery/image` of an image definition: the names from the top-level resource down."""
    parts = segments(resource_id)
    lowered = [segment.lower() for segment in parts]
    if "providers" not in lowered:
        return name(resource_id)
    start = len(lowered) - lowered[::-1].index("providers")
    return "/".join(parts[start + 2 :: 2])


def without_action(path: str) -> str:
    """`…/virtualMachines/vm/start` is an action on `…/virtualMachines/vm`."""
    return path.rstrip("/").rpartition("/")[0]
