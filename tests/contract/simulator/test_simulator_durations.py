"""Durations: plausible, repeatable, independent of the order of calls."""

import pytest
from azure_sandbox import GROUP
from hypothesis import given
from hypothesis import strategies as st

from local import clock
from local.azure_simulator import core, durations

KNOWN = core.Simulator(clock=clock.VirtualClock(0)).durations.table()
"""What the resource types and the scripted machine have registered."""


def durations_of(seed: int, **options: tuple[float, float]) -> durations.Durations:
    """The durations of a simulator with this seed."""
    made = durations.Durations(seed, **options)
    made.add(KNOWN)
    return made


@given(
    seed=st.integers(0, 10**6),
    operation=st.sampled_from(sorted(KNOWN)),
    subject=st.text(max_size=20),
    occasion=st.integers(1, 50),
)
def test_a_duration_lies_in_its_band(
    seed: int, operation: str, subject: str, occasion: int
) -> None:
    """And is the same whenever it is asked for."""
    row = KNOWN[operation]

    first = durations_of(seed).sample(operation, subject, occasion)
    second = durations_of(seed).sample(operation, subject, occasion)

    assert first == second
    assert row.typical * row.band[0] <= first <= row.typical * row.band[1]


def test_typical_is_the_middle() -> None:
    """Over many subjects the mean is near the typical value."""
    table = durations_of(1)
    found = [table.sample("virtualMachines.create", str(n), 1) for n in range(2000)]

    assert sum(found) / len(found) == pytest.approx(150, rel=0.1)
    assert min(found) < 115
    assert max(found) > 200


def test_seed_subject_and_occasion_all_matter() -> None:
    """No two share a duration by accident."""
    found = {
        durations_of(seed).sample("virtualMachines.create", subject, occasion)
        for seed in (1, 2)
        for subject in ("a", "b")
        for occasion in (1, 2)
    }

    assert len(found) == 8


def test_all_durations_can_be_made_typical() -> None:
    """For tests that count seconds."""
    table = durations_of(1, band=(1, 1))

    assert table.sample("galleryVersions.create", "x", 1) == 450


def test_every_figure_has_a_source() -> None:
    """Estimates say that they are estimates."""
    assert all(row.source for row in KNOWN.values())


def test_an_unknown_duration_is_named() -> None:
    """The message helps whoever forgot to register an operation."""
    with pytest.raises(LookupError, match=r"kettles\.boil"):
        durations.Durations(1).sample("kettles.boil", "x", 1)


def test_the_order_of_calls_changes_no_duration(make_world) -> None:
    """Other resources do not matter."""

    def creation_ends(*before: str) -> str:
        world = make_world(retry_after=False)
        world.make_network()
        machines = world.compute.virtual_machines
        for name in (*before, "builder"):
            machines.begin_create_or_update(GROUP, name, world.vm_body(), polling=False)
        world.wait(600)
        world.azure.settle()
        (operation,) = (
            item
            for item in world.azure.store.of_type("simulator.operation")
            if item.state["resource"].endswith("/builder")
        )
        return operation.document["endTime"]

    assert creation_ends() == creation_ends("first", "second")
