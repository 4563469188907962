"""Nothing is lost, whatever fails: a sample of the seeds that `tests.simulation` tries."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

from local.azure_simulator import store
from shared.model.outcomes import BuildOutcome
from tests.simulation import invariants, running, stories, telling
from tests.simulation.command import simulate
from tests.simulation.simulated_world import SimulatedWorld, Write
from tests.simulation.stories import ACCOUNT, Act, Arrival, Climate, Story
from tests.world import a_pool, a_request


@pytest.fixture(scope="module")
def fifty() -> subprocess.CompletedProcess[str]:
    """Requests, crashes and faults in fifty mixtures, with a digest of each."""
    return simulate("--seeds", "50", "--digests", PYTHONHASHSEED="1")


def test_fifty_stories_hold(fifty: subprocess.CompletedProcess[str]) -> None:
    """A failure names its seed."""
    assert fifty.returncode == 0, fifty.stdout + fifty.stderr
    assert [line.split()[0] for line in fifty.stdout.splitlines()] == [str(n) for n in range(50)]


def test_a_seed_repeats_exactly() -> None:
    """Else a failure could not be looked at: the same requests, records and outcomes."""
    first, second = running.run_seed(1), running.run_seed(1)
    assert first.crashes > 0
    assert first.digest == second.digest


def test_a_seed_repeats_in_another_process(fifty: subprocess.CompletedProcess[str]) -> None:
    """Where texts hash differently, so that no order of a set may decide anything."""
    again = simulate("--seeds", "3", "--digests", PYTHONHASHSEED="2").stdout
    assert again.splitlines() == fifty.stdout.splitlines()[:3]


def test_a_failure_tells_how_to_repeat_it() -> None:
    """The one command, the story, what broke, the last requests."""
    world = running.finished(SHORT)
    told = telling.trace(world, ["6 foreign: it is gone"])
    assert "python -m tests.simulation --from 3 --seeds 1" in told
    assert "6 foreign: it is gone" in told
    assert '"requestId": "r1"' in told
    assert "200 GET" in told


# -- the checks themselves ------------------------------------------------------------------------

SHORT = Story(
    seed=3,
    climate=Climate.CALM,
    arrivals=(Arrival(at=0, act=Act.BUILD, body=a_request(pools=[a_pool("dev", verify=True)])),),
)


@pytest.fixture(scope="module")
def world() -> SimulatedWorld:
    """A build of an image and a pool, finished and whole."""
    world = running.finished(SHORT)
    assert invariants.broken(world) == []
    return world


def lose_the_outcome(world: SimulatedWorld) -> None:
    world.records.begin_build(next(iter(world.accepted)), "2026-01-01T00:00:00Z")


def kill_an_orchestration(world: SimulatedWorld) -> None:
    world.engine.start("build", {"not": "a plan"}, "dead")
    world.engine.run_until_idle()


def leave_a_machine(world: SimulatedWorld) -> None:
    kind = "Microsoft.Compute/virtualMachines"
    path = f"/subscriptions/x/resourceGroups/images/providers/{kind}/left"
    world.azure.store.add(store.Resource(id=path, type=kind, document={"id": path}))


def break_the_seal(world: SimulatedWorld) -> None:
    for version in world.azure.store.of_type("Microsoft.Compute/galleries/images/versions"):
        version.state["contents"]["sealed"] = False


def publish_twice(world: SimulatedWorld) -> None:
    put = next(w for w in world.writes if w.method == "PUT" and "/versions/" in w.path)
    path = put.path.replace("1.0.0", "1.0.1")
    world.writes.append(Write(method="PUT", path=path, build=put.build, status=201))


def make_a_pool_twice(world: SimulatedWorld) -> None:
    put = next(w for w in world.writes if w.method == "PUT" and "/pools/" in w.path)
    world.writes.append(put)


def busy_a_node(world: SimulatedWorld) -> None:
    for node in world.azure.store.of_type("simulator.batchNode"):
        node.document["state"] = "rebooting"


def lose_a_node(world: SimulatedWorld) -> None:
    for node in world.azure.store.of_type("simulator.batchNode"):
        node.document["state"] = "unusable"


def reboot_twice(world: SimulatedWorld) -> None:
    node = world.azure.store.of_type("simulator.batchNode")[0]
    again = Write(method="POST", path=f"{node.id.lower()}/reboot", build=None, status=202)
    world.writes += [again, again]


def touch_what_is_foreign(world: SimulatedWorld) -> None:
    for network in world.azure.store.of_type("Microsoft.Network/virtualNetworks"):
        network.document["tags"] = {"batch-prep-build": "ours"}


def forget_a_pool(world: SimulatedWorld) -> None:
    world.records.remove_pool(ACCOUNT, "dev")


def list_what_is_gone(world: SimulatedWorld) -> None:
    row = next(iter(world.build_rows()))
    outcome = BuildOutcome.from_wire(row["Outcome"])
    world.records.correct_outcome(row, outcome.model_copy(update={"leftovers": ["/gone"]}))


@pytest.mark.parametrize(
    ("check", "spoil"),
    [
        ("1 outcome", lose_the_outcome),
        ("1 orchestration", kill_an_orchestration),
        ("2 swept", leave_a_machine),
        ("3 sealed", break_the_seal),
        ("3 one version", publish_twice),
        ("4 one pool", make_a_pool_twice),
        ("4 remedy", reboot_twice),
        ("4 ready pool", busy_a_node),
        ("4 dead nodes", lose_a_node),
        ("6 foreign", touch_what_is_foreign),
        ("7 records", forget_a_pool),
        ("7 promises", list_what_is_gone),
    ],
)
def test_a_check_sees_what_it_is_for(
    world: SimulatedWorld, check: str, spoil: Callable[[SimulatedWorld], None]
) -> None:
    """A check that cannot fail proves nothing."""
    assert not any(told.startswith(check) for told in invariants.broken(world))
    spoil(world)
    assert any(told.startswith(check) for told in invariants.broken(world))


def test_every_climate_and_act_is_drawn() -> None:
    """A generator that never draws something never tests it."""
    drawn = [stories.draw(seed) for seed in range(200)]
    assert {s.climate for s in drawn} == set(Climate)
    assert {a.act for s in drawn for a in s.arrivals} == set(Act)
