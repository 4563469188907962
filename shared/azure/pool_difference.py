"""Compares the pool that a request describes with the pool that Azure shows. Pure.

A described pool is a whole body. None says that the pool must not have a property or a member; a
field that the request leaves out stands there with its default. The comparison has one of three
results: nothing is to be done, a change in place, or a change of the emptied pool. It looks at
every part of the body, so a new property needs an empty pool until it is added to `IN_PLACE`.

Azure does not show everything that was sent, and shows some of it differently. Each write therefore
leaves a record in the pool's metadata: a short digest of each property as it was sent.

- The request differs from the record: the property has changed, whatever Azure shows.
- The request equals the record: the property has changed only where Azure shows another value. A
  member that Azure does not show proves nothing.
- There is no record, because an older version made the pool: only what Azure shows counts, and a
  member that is missing there differs. What can be changed in place is sent again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from shared.azure import resource_state
from shared.base import durations, names

Json = dict[str, Any]

# What Azure changes while a pool has nodes; all else is refused until it has none (from API
# 2024-07-01 on). https://learn.microsoft.com/azure/batch/batch-pool-update-properties
# No property is documented as fixed for a pool's whole life.
IN_PLACE = frozenset({"applicationPackages", "metadata", "scaleSettings", "startTask"})

# Tags and metadata with this beginning say when and by which build the pool was made. They are not
# compared; `carries_record` looks at the metadata.
_OF_BATCH_PREP = "batch-prep"
# Settings of the start task that differ in each build and change nothing that a node does.
_OF_THE_BUILD = frozenset({"BUILD_ID", "NONCE"})
# Members that Azure never shows again, as in the specification's examples. The list matters only
# for pools without a record.
_NEVER_SHOWN = frozenset({"osDisk", "nodeDeallocationOption", "password"})

ASKED = "the request asks for another value now"
LEFT_OUT = "the request leaves it out now"
SHOWN = "Azure shows another value than the one asked for"
UNKNOWN = "an older version of batch-prep has sent it"
LACKING = "Azure has given fewer nodes than it was asked for"


@dataclass(frozen=True, kw_only=True, slots=True)
class Nothing:
    """The pool is as the request describes it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """The names of properties that are changed while there are nodes, besides the metadata."""

    properties: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reshape:
    """Names and reasons of what Azure changes only in a pool without nodes."""

    reasons: dict[str, str]

    def __str__(self) -> str:
        return ", ".join(f"{name} ({reason})" for name, reason in self.reasons.items())


Difference = Nothing | Change | Reshape


def compare(wanted: Json, observed: Json) -> Difference:
    """What must happen to `observed`, a pool as Azure shows it, to become `wanted`."""
    parts = _parts(wanted)
    reasons = _reasons(parts, _parts(observed), _recorded(observed))
    if _own_metadata(wanted) != _own_metadata(observed):
        reasons["metadata"] = ASKED
    needs_empty = {n: why for n, why in reasons.items() if not _is_in_place(n, parts.get(n))}
    if needs_empty:
        return Reshape(reasons=needs_empty)
    if reasons or not carries_record(wanted, observed):
        return Change(properties=sorted(reasons))
    return Nothing()


def carries_record(wanted: Json, observed: Json) -> bool:
    """Whether the pool's metadata says that exactly this was sent last, by the same build."""
    found, sent = resource_state.metadata(observed), resource_state.metadata(wanted)
    return all(found.get(name) == value for name, value in sent.items())


def record(described: Json) -> str:
    """The digests of all compared properties as one value of metadata: `name:digest ...`.

    It has some 300 characters. Azure documents no length of a value, only an error for metadata
    that is too large (`MetadataTooLarge`).
    """
    parts = {name: part for name, part in _parts(described).items() if not _is_absent(part)}
    return " ".join(f"{name}:{_digest(parts[name])}" for name in sorted(parts))


def sendable(described: Any) -> Any:
    """The described pool as a body: without the members that say what the pool must not have."""
    if isinstance(described, list):
        return [sendable(each) for each in described]
    if not isinstance(described, Mapping):
        return described
    return {n: sendable(value) for n, value in described.items() if not _is_absent(value)}


def change_body(wanted: Json, properties: list[str]) -> Json:
    """The body that changes these properties in place, with the record of what was asked."""
    every = sendable(wanted)["properties"]
    return {"properties": {name: every[name] for name in [*properties, "metadata"]}}


# -- one property after the other -----------------------------------------------------------------


def _reasons(wanted: Json, found: Json, recorded: dict[str, str]) -> dict[str, str]:
    """Why each property that must change does."""
    reasons = {}
    for name in [*wanted, *sorted(recorded.keys() - wanted.keys())]:
        if name == "displayName" and _is_id(wanted[name], found):
            continue
        why = _why(name, wanted.get(name), found.get(name), recorded.get(name))
        if why:
            reasons[name] = why
    if "scaleSettings" not in reasons and _lacks_nodes(wanted, found):
        reasons["scaleSettings"] = LACKING
    return reasons


def _is_id(display_name: object, found: Json) -> bool:
    """Whether a pool shows its id as its name, which is the same in any case."""
    shown = found.get("displayName")
    return names.same(display_name, shown) and names.same(shown, found.get("name"))


def _why(name: str, wanted: object, found: object, recorded: str | None) -> str | None:
    """Why a property must change; None where it need not."""
    is_in_place = _is_in_place(name, wanted)
    if recorded is None and is_in_place:
        return UNKNOWN
    if recorded is not None and recorded != _digest(wanted):
        return LEFT_OUT if _is_absent(wanted) else ASKED
    is_strict = recorded is None
    # A property that can be sent at any time is sent once too often rather than once too rarely.
    if _differs(wanted, found, strict=is_strict) or (is_in_place and found is None):
        return LEFT_OUT if is_strict and _is_absent(wanted) else SHOWN
    return None


def _is_in_place(name: str, wanted: object) -> bool:
    """Whether Azure changes it while there are nodes. To remove it takes the whole pool anew, but
    for metadata: batch-prep's own always stays.
    """
    return name == "metadata" or (name in IN_PLACE and not _is_absent(wanted))


def _lacks_nodes(wanted: Json, found: Json) -> bool:
    """Whether Azure gave up before a pool of fixed scale had its nodes: it must be asked again."""
    fixed = (wanted.get("scaleSettings") or {}).get("fixedScale")
    if fixed is None or not names.same(found.get("allocationState"), "steady"):
        return False
    kinds = ("DedicatedNodes", "LowPriorityNodes")
    return any(int(found.get(f"current{k}") or 0) < int(fixed[f"target{k}"]) for k in kinds)


def _parts(body: Json) -> Json:
    """The compared parts of a body by name: its properties, and what stands beside them."""
    parts = {**body, **(body.get("properties") or {})}
    parts.pop("properties", None)
    parts.pop("metadata", None)
    if names.same((parts.get("identity") or {}).get("type"), "None"):
        parts["identity"] = None
    tags = parts.get("tags") or {}
    parts["tags"] = {n: v for n, v in tags.items() if not _is_of_batch_prep(n)} or None
    return parts


def _is_of_batch_prep(name: str) -> bool:
    return name.lower().startswith(_OF_BATCH_PREP)


def _own_metadata(body: Json) -> dict[str, str]:
    """The metadata that a request asks for, or that others have added since."""
    found = resource_state.metadata(body)
    return {name: value for name, value in found.items() if not _is_of_batch_prep(name)}


def _recorded(observed: Json) -> dict[str, str]:
    text = resource_state.metadata(observed).get(names.TAG_ASKED, "")
    return dict(each.split(":", 1) for each in text.split() if ":" in each)


# -- values ---------------------------------------------------------------------------------------


def _digest(value: object) -> str:
    meaning = None if _is_absent(value) else _canonical(sendable(value))
    return names.digest("pool", json.dumps(meaning, sort_keys=True), length=8)


def _canonical(value: object) -> object:
    """The same for values that mean the same: no order in lists, no case in ids and sizes."""
    if isinstance(value, Mapping):
        return {_without_case(key): _canonical(each) for key, each in value.items()}
    if isinstance(value, list):
        return sorted((_canonical(each) for each in _of_any_build(value)), key=repr)
    return _without_case(value)


def _without_case(value: Any) -> Any:
    """Ids of resources and names of sizes mean the same in any case."""
    has_no_case = isinstance(value, str) and value.lower().startswith(
        ("/subscriptions/", "standard_")
    )
    return value.lower() if has_no_case else value


def _of_any_build(items: list[Any]) -> list[Any]:
    return [item for item in items if not _is_of_the_build(item)]


def _is_of_the_build(item: object) -> bool:
    """Whether it is an environment setting that each build sets anew."""
    if not isinstance(item, dict) or item.keys() != {"name", "value"}:
        return False
    return item["name"] in _OF_THE_BUILD


def _is_absent(value: object) -> bool:
    """Whether a described value says that there must be nothing."""
    if isinstance(value, dict) and value:
        return all(_is_absent(each) for each in value.values())
    return value is None


def _differs(wanted: object, found: object, *, strict: bool) -> bool:
    """Whether Azure shows something else. Members that it adds are no difference, and, unless
    `strict`, neither are members that it does not show.
    """
    if wanted is None:
        return found not in (None, {}, [], "")
    if found is None:
        return strict and not _is_absent(wanted)
    if isinstance(wanted, Mapping):
        return not isinstance(found, Mapping) or _members_differ(wanted, found, strict=strict)
    if isinstance(wanted, list):
        return not isinstance(found, list) or _items_differ(wanted, found, strict=strict)
    return not names.same(_seconds(found), _seconds(wanted))


def _members_differ(wanted: Mapping[str, Any], found: Mapping[str, Any], *, strict: bool) -> bool:
    shown = {key.lower(): value for key, value in found.items()}
    return any(
        _differs(value, shown.get(key.lower()), strict=strict and key not in _NEVER_SHOWN)
        for key, value in wanted.items()
    )


def _items_differ(wanted: list[Any], found: list[Any], *, strict: bool) -> bool:
    """Lists of a pool have no order."""
    rest = _of_any_build(found)
    for item in _of_any_build(wanted):
        match = next((f for f in rest if not _differs(item, f, strict=strict)), None)
        if match is None:
            return True
        rest.remove(match)
    return bool(rest)


def _seconds(value: object) -> object:
    """A duration in seconds, so that PT60M is PT1H; any other value as it is."""
    found = durations.seconds(value) if isinstance(value, str) else None
    return value if found is None else found
