"""The verification of a pool: results on every node, and one verdict for each check. Pure.

A verification has five checks: `system` (with the kernel and InfiniBand), `docker`, `gpu` and
`images` in the start task of each node, `container` there (without pulling) and in a job of
container tasks (with the GPU). Where the pool asks for it, `dcgm` comes after them, and then the
owner's own checks, `check-1` and on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from shared.base.wire import Wire, replace


class CheckResult(Wire):
    """The verdict of one check on one node, or of one task of the verification job."""

    id: str
    status: str  # pass, fail, warn or skip
    code: str | None = None
    message: str | None = None
    node: str | None = None
    seconds: float | None = None
    at: str | None = None  # when it was made, ISO 8601
    evidence: dict[str, Any] = {}  # what was seen


class Proof(Wire):
    """The verdict of one check over all nodes: the worst of them, and what was seen there."""

    check: str
    verdict: str  # pass, fail, warn or skip
    nodes: int  # on how many it was made
    code: str | None = None
    message: str | None = None
    at: str | None = None  # when the last of them was made
    seconds: float | None = None  # the longest
    evidence: dict[str, Any] = {}


# The results that each of the five checks is made of; a task of the job is `container-N`.
_PARTS = {
    "system": {"system", "kernel", "infiniband"},  # the last where image and size have it
    "docker": {"docker"},
    "gpu": {"gpu"},
    "images": {"images"},
    "container": {"container"},
}
_DCGM = "dcgm"  # made in the start task where the pool asks for it
_WORST_FIRST = ["fail", "warn", "pass", "skip"]
PREEMPTED = "PREEMPTED"  # the code of a check that Azure took the node from
RESULTS_MAX = 400  # of one record: a row has room for about 1,500 of them


def compared(
    result: CheckResult, images: Sequence[str], recorded: Mapping[str, str]
) -> CheckResult:
    """The result of the check `images`, as a warning where a node holds others than the VM image:
    Batch pulls the images that a pool names, and takes a newer one where a tag has moved since. The
    node reports the digests of the first `images` in their order; the `recorded` ones are by name.
    """
    if result.id != "images" or result.status != "pass":
        return result
    seen = zip(images, result.evidence.get("digests") or [], strict=False)
    moved = [name for name, digest in seen if recorded.get(name, digest) != digest]
    if not moved:
        return result
    message = (
        f"the node has newer images than the VM image: {', '.join(moved)}. Their tags have moved; "
        "build the VM image again, or name its container images by digest"
    )
    return replace(result, status="warn", code="IMAGE_DIGEST", message=message)


def verdicts(results: Sequence[CheckResult], own_checks: int = 0) -> list[Proof]:
    """Five verdicts, that of DCGM where it was asked, and one for each of the owner's checks. A
    check not made has failed.
    """
    found = [
        _verdict(check, [r for r in results if _kind(r.id) in parts])
        for check, parts in _PARTS.items()
    ]
    if diagnosed := [r for r in results if r.id == _DCGM]:
        found.append(_verdict(_DCGM, diagnosed))
    own = [f"check-{number}" for number in range(1, own_checks + 1)]
    return found + [_verdict(name, [r for r in results if r.id == name]) for name in own]


def _kind(result: str) -> str:
    return "container" if result.startswith("container-") else result


def _verdict(check: str, results: list[CheckResult]) -> Proof:
    if not results:
        message = "this check was not made"
        return Proof(check=check, verdict="fail", nodes=0, code="NOT_MADE", message=message)
    worst = min(results, key=lambda r: _WORST_FIRST.index(r.status))
    return Proof(
        check=check,
        verdict=worst.status,
        nodes=len({r.node for r in results}),
        code=worst.code,
        message=worst.message,
        at=max((r.at for r in results if r.at), default=None),
        seconds=max((r.seconds for r in results if r.seconds is not None), default=None),
        evidence=_evidence(results, worst),
    )


def _evidence(results: list[CheckResult], worst: CheckResult) -> dict[str, Any]:
    """The evidence of the worst result if it failed, otherwise the first of each kind."""
    if worst.status == "fail":
        return {"node": worst.node, **worst.evidence}
    seen: dict[str, Any] = {}
    for result in results:
        seen = {**result.evidence, **seen}
    return seen


def is_proved(proofs: Iterable[Proof], *, gpus: int, images: int) -> bool:
    """Whether the pool works: no check failed, and none was skipped that the pool needs."""
    needless = pointless(gpus=gpus, images=images)
    return all(
        proof.verdict in {"pass", "warn"} or (proof.verdict == "skip" and proof.check in needless)
        for proof in proofs
    )


def pointless(*, gpus: int, images: int) -> set[str]:
    """The checks that a pool without GPUs, or without preloaded images, skips."""
    return {name for name, has in (("gpu", gpus), ("images", images)) if not has}


def still_pending(pending: Sequence[str], proofs: Iterable[Proof]) -> list[str]:
    """The checks that neither the image's builder nor this pool has passed."""
    good = {proof.check for proof in proofs if proof.verdict in {"pass", "warn"}}
    return [name for name in pending if name not in good]


def shown(results: Sequence[CheckResult], at_most: int = RESULTS_MAX) -> list[CheckResult]:
    """At most so many results, the worst ones preferred, in their own order."""
    by_weight = sorted(range(len(results)), key=lambda i: _WORST_FIRST.index(results[i].status))
    return [results[i] for i in sorted(by_weight[:at_most])]
