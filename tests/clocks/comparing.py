"""Which stories take another simulated time than before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_SHARE = 0.02
_SECONDS = 1.0  # below this a difference is no share of anything


def differences(
    usual: Mapping[str, list[float]], other: Mapping[str, list[float]]
) -> Iterator[str]:
    """A line for each story whose worlds took other minutes; a story that did not pass both times
    is not compared.
    """
    for story in usual.keys() & other.keys():
        before, after = usual[story], other[story]
        if len(before) != len(after):
            yield f"{story}: {len(before)} worlds, then {len(after)}"
            continue
        for number, (was, now) in enumerate(zip(before, after, strict=True), 1):
            if abs(now - was) > max(_SHARE * was, _SECONDS / 60):
                yield f"{story}, world {number}: {was:.1f} minutes, then {now:.1f}"
