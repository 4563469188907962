"""Durations: plausible, repeatable, independent of the order of calls."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_world import GROUP, World, step_script

from local.azure_simulator import durations

OPERATIONS = sorted(durations.TABLE)


@given(
    seed=st.integers(0, 10**6),
    operation=st.sampled_from(OPERATIONS),
    subject=st.text(max_size=20),
    occasion=st.integers(1, 50),
)
def test_a_duration_lies_in_its_band(
    seed: int, operation: str, subject: str, occasion: int
) -> None:
    """And is the same whenever it is asked for."""
    row = durations.TABLE[operation]

    first = durations.Durations(seed).sample(operation, subject, occasion)
    second = durations.Durations(seed).sample(operation, subject, occasion)

    assert first == second
    assert row.typical * row.band[0] <= first <= row.typical * row.band[1]


def test_typical_is_the_middle() -> None:
    """Over many subjects the mean is near the table's figure."""
    table = durations.Durations(1)
    found = [table.sample("virtualMachines.create", str(n), 1) for n in range(2000)]

    assert sum(found) / len(found) == pytest.approx(150, rel=0.1)
    assert min(found) < 115
    assert max(found) > 200


def test_seed_subject_and_occasion_all_matter() -> None:
    """No two share a duration by accident."""
    found = {
        durations.Durations(seed).sample("virtualMachines.create", subject, occasion)
        for seed in (1, 2)
        for subject in ("a", "b")
        for occasion in (1, 2)
    }

    assert len(found) == 8


def test_all_durations_can_be_made_typical() -> None:
    """For tests that count seconds."""
    table = durations.Durations(1, band=(1, 1))

    assert table.sample("galleryVersions.create", "x", 1) == 450


def test_every_figure_has_a_source() -> None:
    """Estimates say that they are estimates."""
    assert all(row.source for row in durations.TABLE.values())


def test_a_build_takes_as_long_as_the_old_script_said(make_world) -> None:
    """A GPU image in 20 to 25 minutes when every duration is typical and nobody waits idly."""
    world = make_world(duration_band=(1, 1), retry_after=False, throttled=False)

    assert 20 * 60 <= gpu_build_seconds(world) <= 25 * 60


def gpu_build_seconds(world: World) -> float:
    """One build whose every wait ends within a second: preloading runs beside the driver."""
    machines, begun = world.compute.virtual_machines, world.now()
    world.make_network()
    body = world.vm_body(size="Standard_NC4as_T4_v3")
    finish(world, machines.begin_create_or_update, GROUP, "builder", body)
    await_agent(world)
    step(world, "prepare", BUILDER_USER="builder")
    finish(world, machines.begin_restart, GROUP, "builder")
    await_agent(world)
    step(world, "docker", GPU="true")
    start_step(world, "preload", IMAGES="busybox:1.36")
    step(world, "driver", DRIVER_KIND="datacenter-open")
    finish(world, machines.begin_restart, GROUP, "builder")
    await_agent(world)
    step(world, "check", EXPECT_GPU="1", EXPECT_IMAGES="busybox:1.36")
    step(world, "seal", BUILDER_USER="builder", SEAL_DELAY_SECONDS="20")
    while world.codes()[-1] != "PowerState/stopped":
        world.wait(1)
    finish(world, machines.begin_deallocate, GROUP, "builder")
    machines.generalize(GROUP, "builder")
    world.make_definition()
    versions = world.compute.gallery_image_versions
    version = world.version_body()
    finish(world, versions.begin_create_or_update, GROUP, "gallery", "image", "1.0.0", version)
    return world.now() - begun


def finish(world: World, begin, *arguments) -> None:
    begin(*arguments, polling_interval=1).result()


def await_agent(world: World) -> None:
    while world.agent() != "Ready":
        world.wait(1)


def start_step(world: World, name: str, **parameters: str) -> None:
    from simulated_world import run_body

    body = run_body(step_script(name), NONCE="n1", BUILD_ID="b1", **parameters)
    commands = world.compute.virtual_machine_run_commands
    commands.begin_create_or_update(GROUP, "builder", name, body, polling=False)


def step(world: World, name: str, **parameters: str) -> None:
    start_step(world, name, **parameters)
    while (view := world.run_view(name)).execution_state in {"Pending", "Running"}:
        world.wait(1)
    assert view.exit_code == 0, view.output


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
