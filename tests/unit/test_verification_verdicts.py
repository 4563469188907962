"""From results on nodes to one verdict for each check, and to whether a pool is proved."""

from __future__ import annotations

import pytest

from shared.base.wire import replace
from shared.model import build_outcomes, parsing, planning, pool_records, verification
from shared.model.outcomes import ImageRecord
from shared.model.verification import CheckResult, Proof
from tests.world import CONFIG, a_pool, pools_only


def result(check: str, status: str = "pass", node: str = "n1", **more: object) -> CheckResult:
    return CheckResult(id=check, status=status, node=node, **more)  # type: ignore[arg-type]


GOOD = [
    result("system", at="2026-01-01T00:00:01Z", seconds=2, evidence={"freeMib": 5000}),
    result("kernel", at="2026-01-01T00:00:03Z", seconds=1, evidence={"running": "6.8"}),
    result("docker", evidence={"version": "29.7.2"}),
    result("gpu", evidence={"count": 1}),
    result("images", evidence={"count": 2}),
    result("container", "skip"),
    result("container-1", evidence={"exitCode": 0}),
]


def by_name(results: list[CheckResult], own: int = 0) -> dict[str, Proof]:
    return {proof.check: proof for proof in verification.verdicts(results, own)}


def test_each_of_the_five_checks_has_its_own_verdict_time_and_evidence() -> None:
    """What was looked at is told, not only that all is well."""
    found = by_name(GOOD)

    assert list(found) == ["system", "docker", "gpu", "images", "container"]
    assert {proof.verdict for proof in found.values()} == {"pass"}
    assert (found["system"].at, found["system"].seconds) == ("2026-01-01T00:00:03Z", 2)
    assert found["system"].evidence == {"freeMib": 5000, "running": "6.8"}
    assert found["container"].evidence == {"exitCode": 0}


@pytest.mark.parametrize(
    ("statuses", "verdict"),
    [
        (["pass", "fail", "warn"], "fail"),
        (["pass", "warn", "skip"], "warn"),
        (["skip", "pass"], "pass"),
        (["skip", "skip"], "skip"),
    ],
)
def test_the_worst_node_decides(statuses: list[str], verdict: str) -> None:
    """A pool is as good as its worst node."""
    nodes = [result("gpu", status, f"n{i}") for i, status in enumerate(statuses)]
    assert by_name(nodes)["gpu"].verdict == verdict
    assert by_name(nodes)["gpu"].nodes == len(statuses)


def test_a_failure_tells_where_and_what() -> None:
    """The good nodes' evidence would only mislead."""
    bad = result(
        "gpu", "fail", "n2", code="GPU_COUNT", message="1 of 2", evidence={"driver": "580"}
    )
    found = by_name([result("gpu", evidence={"count": 2}), bad])["gpu"]
    assert (found.code, found.message) == ("GPU_COUNT", "1 of 2")
    assert found.evidence == {"node": "n2", "driver": "580"}


def test_a_check_that_nobody_has_made_has_failed() -> None:
    """Silence proves nothing, and neither does a task that is missing."""
    found = by_name([r for r in GOOD if r.id != "docker"], own=1)
    assert (found["docker"].verdict, found["docker"].code) == ("fail", "NOT_MADE")
    assert found["check-1"].verdict == "fail"


@pytest.mark.parametrize(
    ("gpus", "images", "left_out", "proved"),
    [
        (1, 2, "", True),
        (1, 2, "gpu", False),
        (0, 2, "gpu", True),
        (1, 2, "images", False),
        (1, 0, "images", True),
        (1, 2, "docker", False),
    ],
)
def test_only_what_a_pool_does_not_have_may_be_left_out(
    gpus: int, images: int, left_out: str, proved: bool
) -> None:
    """A GPU pool whose GPU was not looked at is not verified."""
    results = [r.model_copy(update={"status": "skip"}) if r.id == left_out else r for r in GOOD]
    assert (
        verification.is_proved(verification.verdicts(results), gpus=gpus, images=images) is proved
    )


def test_a_pool_clears_what_the_builder_left_open() -> None:
    """And only what it has really looked at."""
    seen = verification.verdicts(GOOD)
    unseen = verification.verdicts([result("gpu", "skip")])
    assert verification.still_pending(["gpu"], seen) == []
    assert verification.still_pending(["gpu"], unseen) == ["gpu"]


def test_a_record_keeps_the_worst_results() -> None:
    """A row has an end; what is well may be left out of it."""
    results = [result("gpu", "fail" if n == 999 else "pass", f"n{n}") for n in range(1000)]
    kept = verification.shown(results)
    assert len(kept) == verification.RESULTS_MAX
    assert (kept[0].node, kept[-1].node) == ("n0", "n999")


def test_the_pools_of_a_build_share_the_room_of_one_row() -> None:
    """Its outcome shows so many results of each that a row holds them all."""
    request = parsing.parse_build(pools_only("r", *(a_pool(f"p{n}") for n in range(4))), CONFIG)
    plan = planning.plan_build(request, CONFIG)
    results = [result("gpu", "pass", f"n{n}") for n in range(verification.RESULTS_MAX)]
    records = [replace(pool_records.ready(pool, "n"), checks=results) for pool in plan.pools]
    image = ImageRecord.model_construct(build_id="b")
    outcome = build_outcomes.with_pools(plan, image, records, [])
    assert [len(pool.checks) for pool in outcome.pools] == [verification.RESULTS_MAX // 4] * 4


def test_only_digests_that_differ_are_a_warning() -> None:
    """Those that the node has not reported, or the record has not kept, prove nothing."""
    names, recorded = ["a:1", "b:1", "c:1"], {"a:1": "sha256:a", "c:1": "sha256:c"}

    def told(*digests: str) -> CheckResult:
        seen = result("images", evidence={"count": 3, "digests": list(digests)})
        return verification.compared(seen, names, recorded)

    assert told("sha256:a", "sha256:x").status == "pass"
    assert told().status == "pass"
    moved = told("sha256:a", "sha256:x", "sha256:y")
    assert (moved.status, moved.code) == ("warn", "IMAGE_DIGEST")
    assert "c:1" in (moved.message or "")
    failed = result("images", "fail", code="IMAGE_MISSING", evidence={"digests": ["sha256:y"]})
    assert verification.compared(failed, names, recorded) == failed
