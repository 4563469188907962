"""The outcome of a build: its state, its error with the advice that helps, what is left. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from shared.base import names, script_exits
from shared.base.errors import Failure, Kind, Problem, StepFailed
from shared.base.wire import replace
from shared.model import resuming, verification
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord
from shared.model.plans import BuildPlan, Earlier, ImagePlan
from shared.model.results import Findings

# Kinds of failures that the same request would meet again: a person has to remove the cause first.
_OF_THE_BUILDER = {Kind.SCRIPT, Kind.MISSING, Kind.TIMEOUT, Kind.BUG}
# What a resume would go on from is gone or spoilt.
_LOST = {"BuilderLost", "BuilderStarted", "SnapshotLost"}
_AGAIN = (
    "Where the cause has passed, resume the build: it creates only the failed pools again, as they "
    'were requested. Otherwise send a new request (mode "batch-only") with what is corrected.'
)
_LASTING = {Kind.REFUSED, Kind.CONFLICT, Kind.QUOTA, Kind.PERMISSION, Kind.POLICY, Kind.MISSING}


def combine(findings: Iterable[Findings]) -> Findings:
    """All blockers, warnings and facts of several checks; a blocker of two checks is there once."""
    facts: dict[str, object] = {}
    blockers: list[Problem] = []
    warnings: list[Problem] = []
    gpus: dict[str, int] = {}
    for found in findings:
        facts |= {name: value for name, value in found if value}
        blockers += [blocker for blocker in found.blockers if blocker not in blockers]
        warnings += found.warnings
        gpus |= found.gpus
    lists = {"blockers": blockers, "warnings": warnings, "gpus": gpus}
    return Findings.model_validate({**facts, **lists})


def without_blockers(
    findings: Iterable[Findings], created: str = "nothing was created"
) -> Findings:
    """The facts of several checks. Raises StepFailed if any of them found a blocker; `created`
    says what exists by then.
    """
    found = combine(findings)
    if found.blockers:
        raise StepFailed(
            Failure(
                code="Blocked",
                kind=Kind.REFUSED,
                message="; ".join(b.message for b in found.blockers),
                details=found.blockers,
                next_action=f"Correct what is named; {created}.",
            )
        )
    return found


def failed(build_id: str, failure: Failure) -> BuildOutcome:
    """The outcome of a build that ended with this failure, cancellation included."""
    return BuildOutcome(build_id=build_id, state=_state(failure), error=failure)


def _state(error: Failure | None) -> str:
    if error is None:
        return "succeeded"
    return "cancelled" if error.kind is Kind.CANCELLED else "failed"


# -------------------------------------------------------------------------------------------------
# Without an image


def can_resume(plan: BuildPlan, failure: Failure, *, is_sealed: bool) -> bool:
    """Whether to keep the builder for a resume: it is sealed, or waits for a registry, and a resume
    could succeed.

    A resume cannot succeed if another build has published the version number that this one claimed,
    or if what the version is copied from is gone or has changed.
    """
    if failure.kind is Kind.CANCELLED or failure.is_own_conflict:
        return False
    if failure.code in _LOST:
        return False
    return is_sealed or _can_wait(plan.earlier, failure)


def _can_wait(earlier: Earlier | None, failure: Failure) -> bool:
    """Whether a builder that is not sealed is worth keeping: only a registry's limit of pulls stops
    it, or what stopped its resume says nothing about it.
    """
    if script_exits.is_pull_limit(failure):
        return True
    if earlier is None:
        return False
    return resuming.is_sealed(earlier) or failure.kind not in _OF_THE_BUILDER


def kept(
    plan: BuildPlan, image: ImagePlan, left: list[str] | None, *, is_captured: bool
) -> list[str]:
    """The ids of what a resume needs, and of what could not be removed (`left`, None where nothing
    was to be removed).
    """
    if left is None and plan.earlier and resuming.is_captured(plan.earlier):
        return plan.earlier.outcome.leftovers
    builder = image.builder_resources if left is None else left
    return [*builder, image.snapshot_id] if image.from_snapshot and is_captured else builder


def may_run(plan: BuildPlan, image: ImagePlan, *, is_captured: bool) -> bool:
    """Whether a builder that nothing has locked may still be allocated. Where no snapshot is taken,
    its disk is captured by generalizing it, which deallocates it first.
    """
    was_sealed = is_captured or (plan.earlier is not None and resuming.is_sealed(plan.earlier))
    return image.from_snapshot or not was_sealed


def resumable(
    plan: BuildPlan, image: ImagePlan, failure: Failure, now: str, kept: list[str]
) -> BuildOutcome:
    """The outcome of a build whose builder or snapshot is kept, with what belongs to it."""
    expiry = image.tags[names.TAG_EXPIRES]
    error = _advised(failure, _resume_until(expiry, now))
    outcome = failed(plan.build_id, error)
    return replace(
        outcome,
        leftovers=kept,
        resumable=True,
        warnings=plan.warnings,
        attempt=image.attempt,
    )


def _resume_until(expiry: str, now: str) -> str:
    if expiry > now:
        return f"Resume the build: what it needs is kept until {expiry}."
    return (
        f"Resume the build at once: what it needs was kept until {expiry}, and the next sweep "
        "removes it."
    )


def without_image(
    plan: BuildPlan, image: ImagePlan, failure: Failure, leftovers: list[str]
) -> BuildOutcome:
    """The outcome of a build whose builder was removed, or is kept because a person asked for it
    (`keepVm`).
    """
    if image.keep_vm and image.vm_id in leftovers:
        cure = failure.next_action or ""
        failure = replace(failure, next_action=f"{cure} {_how_to_look(image)}".strip())
    outcome = failed(plan.build_id, failure)
    return replace(outcome, leftovers=leftovers, warnings=plan.warnings)


def _how_to_look(image: ImagePlan) -> str:
    """How to reach a kept builder and read its logs."""
    until = image.tags[names.TAG_EXPIRES]
    return (
        f"The builder is kept, deallocated, until {until}. Start it: az vm start --ids "
        f"{image.vm_id}; read its logs: az vm run-command invoke --command-id RunShellScript "
        f"--scripts 'tail -n 50 /var/log/batch-prep/*.log' --ids {image.vm_id}; or use the serial "
        "console or Bastion. Deallocate or delete it when you are done."
    )


def _advised(failure: Failure, advice: str) -> Failure:
    """The failure with this advice; a lasting cause has to be removed first."""
    lasts = failure.kind in _LASTING or script_exits.is_pull_limit(failure)
    cure = failure.next_action if lasts else None
    return replace(failure, next_action=f"{cure} {advice}" if cure else advice)


# -------------------------------------------------------------------------------------------------
# With pools


def ready_pools(earlier: Earlier | None) -> dict[str, PoolRecord]:
    """The pools that an earlier try has finished, by id."""
    pools = earlier.outcome.pools if earlier else []
    return {pool.pool_id: pool for pool in pools if pool.error is None}


def still_failed(earlier: BuildOutcome, failure: Failure) -> BuildOutcome:
    """The outcome of a resumed build that failed before it began any pool."""
    is_cancelled = failure.kind is Kind.CANCELLED
    if not is_cancelled:
        failure = _advised(failure, "Resume the build: it creates only what is missing.")
    return replace(earlier, state=_state(failure), error=failure, resumable=not is_cancelled)


def with_pools(
    plan: BuildPlan, image: ImageRecord, pools: list[PoolRecord], leftovers: list[str]
) -> BuildOutcome:
    """The outcome of a build that has its image and has tried all of its pools."""
    bad = [pool for pool in pools if pool.error is not None]
    error = _pools_failed(bad, len(pools)) if bad else None
    return BuildOutcome(
        build_id=plan.build_id,
        state=_state(error),
        image=image,
        pools=[_in_brief(pool, verification.RESULTS_MAX // len(pools)) for pool in pools],
        leftovers=leftovers,
        error=error,
        resumable=error is not None and error.kind is not Kind.CANCELLED,
        warnings=[*plan.warnings, *_notes(pools)],
    )


def _notes(pools: list[PoolRecord]) -> list[Problem]:
    """In what pools differ from the request, although they are ready."""
    return [
        Problem(field=f"pools[{i}]", code="PoolDiffers", message=f"pool {p.pool_id}: {p.note}")
        for i, p in enumerate(pools)
        if p.note
    ]


def _in_brief(pool: PoolRecord, results: int) -> PoolRecord:
    """The record with some check results only: all pools of a build share one table row."""
    return replace(pool, checks=verification.shown(pool.checks, results))


def _pools_failed(bad: list[PoolRecord], asked: int) -> Failure:
    """The failure of the only pool, or a summary of several."""
    first = bad[0].error
    assert first is not None
    if asked == 1:
        return first
    messages = "; ".join(f"{p.pool_id}: {p.error.message}" for p in bad if p.error)
    return replace(
        _advised(first, _AGAIN),
        code="PoolsFailed",
        message=f"{len(bad)} of {asked} pools failed ({messages}). The others stay.",
    )
