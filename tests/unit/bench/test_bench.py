"""The measurements themselves: they repeat, they are complete, and they judge what they say."""

from __future__ import annotations

import json
import math
import re
from urllib.parse import urlsplit

import pytest

from bench import lists, page, rounds, running, scenarios, startup, table, targets
from bench.measured_world import NOT_AZURE, Asked, Happening, Look
from bench.scenarios import Measured
from bench.startup import Start
from tests.world import an_image

FIGURES = {
    "makespan_minutes",
    "sequential_minutes",
    "critical_path_minutes",
    "azure_requests",
    "azure_writes",
    "cpu_seconds",
    "events_replayed",
    "peak_rss_mib",
    "history_events_max",
}
NAMES = {
    "full_1_pools",
    "full_3_pools",
    "full_5_pools",
    "full_10_pools",
    "image_only",
    "pool_update",
    "pool_iterations_10",
    "unchanged_rebuild",
    "refresh",
    "registry_preload_10",
    "pools_100",
    "queue_100_pools",
    "queue_1000_pools",
    "queue_1000_pools_half_quota",
    "recipes_50",
    "slow_replication_6h",
}
RESULTS = json.loads(running.RESULTS.read_text())
NO_START = Start(seconds=0.4, bare_seconds=0.2, later_seconds=0.3, mib=50.0)


@pytest.fixture(scope="module")
def tiny() -> tuple[Measured, Measured]:
    """One small image, built twice in worlds of one seed."""
    request = scenarios.image_request(an_image())
    return scenarios.build(5, request), scenarios.build(5, request)


def test_what_ended_before_the_measurement_is_no_part_of_it() -> None:
    """The simulator tells of an end when it is next asked, which may be later."""
    stretch = scenarios.queue(1, 1).stretch  # its account was made a minute before
    assert min(one.ended for one in stretch.happenings) > stretch.looks[0].at
    assert stretch.critical <= stretch.makespan


def test_the_end_of_what_batch_does_is_known() -> None:
    """The app asks for nodes and tasks in the account's data plane, whose host has a region."""
    stretch = scenarios.queue(1, 1).stretch
    found = {one.step: one for one in rounds.rounds(stretch.looks, stretch.happenings)}
    for step in ("nodes", "verify"):
        ended = found[step].ended
        assert ended is not None, step
        assert found[step].began < ended <= found[step].seen


def a_look(at: float, state: str, method: str = "GET") -> Look:
    """One look at a machine."""
    asked = Asked(method=method, path="/providers/microsoft.compute/virtualmachines/a", status=200)
    return Look(at=at, build="b", pool="", step="vm", began="t", state=state, asked=(asked,))


def test_a_scenario_repeats_exactly(tiny: tuple[Measured, Measured]) -> None:
    """Otherwise nobody could tell an improvement from luck."""
    first, second = (measured.stretch for measured in tiny)
    assert first.makespan == second.makespan
    assert first.looks == second.looks
    assert first.happenings == second.happenings


def test_nobody_is_faster_than_the_critical_path(tiny: tuple[Measured, Measured]) -> None:
    """The graph has the right edges: Azure's own order is never beaten, nor far away."""
    stretch = tiny[0].stretch
    assert stretch.critical < stretch.makespan < 1.3 * stretch.critical


def test_every_request_belongs_to_a_look(tiny: tuple[Measured, Measured]) -> None:
    """What is counted is what Azure got, no more and no less: public registries are not Azure's."""
    hosts = [urlsplit(each["url"]).netloc for each in tiny[0].world.ledger()]
    azures = [host for host in hosts if not host.endswith(NOT_AZURE)]
    assert len(tiny[0].stretch.asked) == len(azures)


def test_the_stored_results_are_complete() -> None:
    """Every scenario with every figure; a missing one is null and says why."""
    assert set(RESULTS["scenarios"]) == NAMES == set(scenarios.SCENARIOS)
    for name, figures in RESULTS["scenarios"].items():
        assert set(figures) == FIGURES == set(table.COLUMNS), name
        missing = {key for key, value in figures.items() if value is None}
        assert missing <= {"critical_path_minutes"}, name
        assert all(value is None or math.isfinite(value) for value in figures.values()), name


def test_the_page_shows_every_scenario_and_says_where_it_was_measured() -> None:
    """And nothing of the machine but its Python and its cores."""
    found = running.known()
    text = page.render(
        found, targets.judge(found, NO_START), NO_START, "Python 3.13.0, 2 cores, Linux"
    )
    assert all(f"| `{name}` |" in text for name in NAMES)
    assert "Python 3.13.0, 2 cores" in text
    assert "gantt" in text
    assert not re.search(r"/(home|root|tmp|work)/", running.PAGE.read_text())


def test_lateness_is_from_the_end_to_the_look_that_saw_it() -> None:
    """Only what ended between the last two looks, on what these looked at."""
    machine = "/providers/microsoft.compute/virtualmachines/a"
    happenings = [
        Happening(kind="create", resource=machine, began=0, ended=42),
        Happening(kind="other", resource="/elsewhere", began=0, ended=49),
        Happening(kind="create", resource=machine, began=0, ended=12),
    ]
    looks = [a_look(0, "wait", "PUT"), a_look(30, "wait"), a_look(50, "done")]

    [found] = rounds.rounds(looks, happenings)

    assert found.ended == 42
    assert found.late == 8
    assert rounds.by_operation(found.asked) == {
        "PUT compute/virtualmachines": 1,
        "GET compute/virtualmachines": 2,
    }


@pytest.mark.parametrize(("value", "reached"), [(1.1, True), (1.11, False), (None, None)])
def test_a_target_is_reached_missed_or_open(value: float | None, reached: bool | None) -> None:
    """What was not measured is neither."""
    assert targets.at_most("x", value, 1.1).reached is reached


@pytest.mark.parametrize(("small", "reached"), [(1.0, True), (0.9, False), (None, None)])
def test_cpu_is_compared_at_one_speed_of_the_machine(
    small: float | None, reached: bool | None
) -> None:
    """110 s for 1,000 pools against what ten took in the same process."""
    many = {"figures": {**dict.fromkeys(FIGURES), "cpu_seconds": 110.0}, "small_cpu": small}
    verdicts = targets.judge({"queue_1000_pools": many}, NO_START)
    [growth] = [v for v in verdicts if "CPU seconds per pool" in v.target]
    assert growth.reached is reached


def test_a_rebuild_that_makes_everything_anew_is_not_reached() -> None:
    """It does not pass for one that recognised the image."""
    anew = {"figures": {**dict.fromkeys(FIGURES), "azure_writes": 22.0}, "reads": 90.0}
    verdicts = targets.judge({"unchanged_rebuild": anew}, NO_START)
    [rebuild] = [v for v in verdicts if "unchanged" in v.target]
    assert rebuild.reached is False


def test_the_start_of_the_app_is_measured_in_real_processes() -> None:
    """A module that was renamed fails here, not at the next measurement."""
    assert startup.measure(times=1).seconds > 0


def test_a_list_has_limits() -> None:
    """Those of the local stack, each of which fails alone."""
    figures = {"page_seconds": 0.31, "clients_seconds": 1.0, "host_mib": 300}
    verdicts = targets.judge({lists.NAME: {"figures": figures}}, NO_START)
    found = {v.target: v.reached for v in verdicts if "5,000" in v.target}
    assert list(found.values()) == [False, True, False]
    assert [v.reached for v in targets.judge({}, NO_START) if "5,000" in v.target] == [None] * 3
