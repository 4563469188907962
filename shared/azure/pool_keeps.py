"""What a pool has before an update in place. Pure.

The update writes it into the pool's metadata. If its build fails, the pool gets that back.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from shared.azure import batch_bodies, resource_state
from shared.base import names

Json = dict[str, Any]

# Azure documents no length of metadata, only an error for too much of it (`MetadataTooLarge`).
_FORMULA_MAX = 1000
_SAME, _TOO_LONG = "same", "too long"  # in place of a formula


@dataclass(frozen=True, kw_only=True, slots=True)
class Kept:
    """Dedicated and low-priority nodes, the date of the pool's deletion (ISO 8601), and the
    `autoScale` of a pool that scaled itself. Of a formula that was too long, only that is known.
    """

    nodes: tuple[int, int] = (0, 0)
    expires_at: str | None = None
    auto_scale: Json | None = None
    is_formula_lost: bool = False


def of(observed: Json) -> Kept:
    """What the pool had before the build that shaped it; nothing where that build created it."""
    found = resource_state.metadata(observed)
    dedicated, low, *end = found.get(names.TAG_KEEPS, "0 0").split()
    formula = found.get(names.TAG_FORMULA, "")
    return Kept(
        nodes=(int(dedicated), int(low)),
        expires_at=end[0] if end else None,
        auto_scale=auto_scale(observed) if formula == _SAME else _parsed(formula),
        is_formula_lost=formula == _TOO_LONG,
    )


def auto_scale(observed: Json) -> Json | None:
    """Formula and interval of a pool that scales itself, as the body of a change has them."""
    found = (resource_state.properties(observed).get("scaleSettings") or {}).get("autoScale")
    return {name: found[name] for name in _MEMBERS if name in found} if found else None


_MEMBERS = ("formula", "evaluationInterval")


def metadata(kept: Kept, *, scale_changes: bool) -> list[Json]:
    """The metadata that says so. A formula is written out where the update changes the scale."""
    if kept == Kept(expires_at=kept.expires_at):
        return []
    value = f"{kept.nodes[0]} {kept.nodes[1]} {kept.expires_at or ''}".strip()
    found = {names.TAG_KEEPS: value}
    if kept.is_formula_lost:
        found[names.TAG_FORMULA] = _TOO_LONG
    elif kept.auto_scale:
        found[names.TAG_FORMULA] = _written(kept.auto_scale) if scale_changes else _SAME
    return batch_bodies.metadata(found)


def handed_on(observed: Json, *, scale_changes: bool) -> list[Json]:
    """The metadata by which the pool keeps no more, and no less, than it does already."""
    kept = of(observed)
    is_replaced = kept.auto_scale != auto_scale(observed)
    return metadata(kept, scale_changes=scale_changes or is_replaced)


def _written(auto: Json) -> str:
    text = f"{auto.get('evaluationInterval', '')} {auto['formula']}"
    return text if len(text) <= _FORMULA_MAX else _TOO_LONG


def _parsed(text: str) -> Json | None:
    if text in {"", _TOO_LONG}:
        return None
    interval, _, formula = text.partition(" ")
    return {"formula": formula, **({"evaluationInterval": interval} if interval else {})}
