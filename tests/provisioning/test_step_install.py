"""Install as a whole: the order of its parts, what it says, and who may rely on what meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import step_assembler
import step_machine
import vendors

READY = "var/lib/batch-prep/docker.ready"
DRIVER = {"GPU": "true", "DRIVER_KIND": "datacenter-open"}


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    return vendors.marketplace_ubuntu(machine)


def install(
    machine: step_machine.Machine, variant: str = "install", **parameters: str
) -> step_machine.Outcome:
    return machine.run_step(variant, **{"BUILDER_USER": "builder", **parameters})


def restarted(machine: step_machine.Machine) -> None:
    """It runs the kernel that was to boot."""
    machine.run_kernel(vendors.LONG_TERM_KERNEL)
    step_machine.boot_again(machine)


def first(calls: list[str], words: str) -> int:
    """Where the first call stands that holds the words."""
    return next(index for index, call in enumerate(calls) if words in call)


@pytest.mark.parametrize(
    ("variant", "parameters", "more"),
    [
        ("install", {}, {}),
        ("install-gpu", {"GPU": "true"}, {"toolkitVersion": "1.20.0"}),
        (
            "install-gpu-driver",
            DRIVER,
            {
                "toolkitVersion": "1.20.0",
                "driverVersion": vendors.DRIVER_VERSION,
                "driverKind": "datacenter-open",
            },
        ),
    ],
)
def test_one_step_says_it_all(
    world: step_machine.Machine, variant: str, parameters: dict[str, str], more: dict[str, str]
) -> None:
    """Each fact once, though several parts look at kernels: the kernel is the one that boots."""
    outcome = install(world, variant, **parameters)

    assert outcome.exit_code == 0
    assert outcome.result["step"] == "install"
    assert outcome.result["changed"] is True
    assert outcome.result["rebootRequired"] is True
    assert outcome.stdout.count('"kernel"') == 1
    assert outcome.data == {
        "os": "ubuntu",
        "osVersion": "24.04",
        "dockerVersion": "29.7.2",
        "kernel": vendors.LONG_TERM_KERNEL,
        **more,
    }


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("install", {}), ("install-gpu", {"GPU": "true"}), ("install-gpu-driver", DRIVER)],
)
def test_after_the_restart_nothing_is_left_to_do(
    world: step_machine.Machine, variant: str, parameters: dict[str, str]
) -> None:
    """The same step again reports no change and asks for no restart: it would never end."""
    install(world, variant, **parameters)
    restarted(world)

    outcome = install(world, variant, **parameters)

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.result["rebootRequired"] is False
    assert world.asked("systemctl").count("restart") == 1 + ("GPU" in parameters)


def test_a_restart_that_did_not_come_is_asked_for_again(world: step_machine.Machine) -> None:
    """Another attempt finds everything done, yet the kernel that runs is not the one that boots."""
    install(world)
    other_attempt = step_assembler.assemble("install", keep_comments=True)

    outcome = world.run_text(other_attempt, BUILDER_USER="builder")

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.result["rebootRequired"] is True


def test_the_rolling_kernel_goes_after_docker(world: step_machine.Machine) -> None:
    """Its modules go with it, and Docker's daemon needs some at its start."""
    install(world)

    calls = world.everything_asked()
    assert first(calls, "restart docker.service") < first(calls, " purge linux-azure")


def test_kernel_packages_are_held_after_the_purge(world: step_machine.Machine) -> None:
    """What stays is what the driver is built for and what nodes boot."""
    install(world)

    calls = world.everything_asked()
    purge = first(calls, " purge linux-azure")
    [holds] = [call for call in calls[purge:] if call.startswith("apt-mark hold")]
    assert f"linux-image-{vendors.LONG_TERM_KERNEL}" in holds
    assert vendors.ROLLING_KERNEL not in holds


def test_docker_is_announced_when_nothing_restarts_it_any_more(
    world: step_machine.Machine,
) -> None:
    """Whoever pulls from then on is not disturbed, while the driver is still being built."""
    world.precede("systemctl", f'[[ ! -e $ROOT/{READY} ]] || echo "$*" >>"$MACHINE/disturbed"')
    world.precede("apt-get", f'[[ $* != *purge* ]] || ls "$ROOT/{READY}" >>"$MACHINE/announced"')

    outcome = install(world, "install-gpu-driver", **DRIVER)

    assert outcome.exit_code == 0
    assert (world.home / "announced").read_text() == f"{world.root}/{READY}\n"
    assert (world.home / "disturbed").read_text() == "enable nvidia-persistenced.service\n"


def test_docker_is_announced_where_the_toolkit_is_left_out(world: step_machine.Machine) -> None:
    """A machine that imitates has none of NVIDIA's software."""
    functions = ("prepare", "install_docker", "announce_docker", "leave_rolling_kernel")

    world.run_step("install-gpu-driver", *functions, BUILDER_USER="builder", **DRIVER)

    assert (world.root / READY).exists()


def test_a_docker_that_is_restarted_is_not_ready(world: step_machine.Machine) -> None:
    """Another version, or other settings, in a later attempt: nobody is to pull meanwhile."""
    install(world)
    world.write("root/etc/docker/daemon.json", "{}")
    world.fails_first("docker", 99, "Cannot connect to the Docker daemon", when="info")

    outcome = install(world, BUILD_ID="b-2")

    assert outcome.result["ok"] is False
    assert not (world.root / READY).exists()


def test_an_install_that_fails_leaves_word(world: step_machine.Machine) -> None:
    """For the step that waits for Docker; the next attempt takes it back when it begins."""
    failed = world.root / "run/batch-prep/install.failed"
    world.fails_first("apt-get", 1, "E: Version 5:29.7.2-1 was not found", when="docker-ce=")

    assert install(world).exit_code == 23
    assert failed.exists()
    assert not (world.root / READY).exists()

    assert install(world).exit_code == 0
    assert not failed.exists()


# The driver, in the same step


def test_the_driver_is_built_for_the_kernel_that_will_boot(world: step_machine.Machine) -> None:
    """Another kernel still runs; no restart is needed before building."""
    outcome = install(world, "install-gpu-driver", **DRIVER)

    asked = world.asked("apt-get")
    assert outcome.exit_code == 0
    assert f"linux-headers-{vendors.LONG_TERM_KERNEL} nvidia-open" in asked
    assert f"linux-headers-{vendors.ROLLING_KERNEL}" not in asked


def test_dkms_is_told_of_a_kernel_that_it_forgot(world: step_machine.Machine) -> None:
    """By itself it builds for the kernel that runs, which is gone by then."""
    world.fake("apt-get", (step_machine.HERE / "fakes/apt-get").read_text())
    world.fake("dkms", f'echo {vendors.DRIVER_VERSION} >"$MACHINE/modules/$3"')

    outcome = install(world, "install-gpu-driver", **DRIVER)

    assert outcome.exit_code == 0
    assert world.calls("dkms") == [["autoinstall", "-k", vendors.LONG_TERM_KERNEL]]


def test_a_kernel_for_which_dkms_fails_fails_the_step(world: step_machine.Machine) -> None:
    """What counts are modules, not what a tool says of them."""
    world.fake("apt-get", (step_machine.HERE / "fakes/apt-get").read_text())
    world.fake("dkms", "echo 'Error! Bad return status for module build' >&2; exit 10")

    outcome = install(world, "install-gpu-driver", **DRIVER)

    assert outcome.exit_code == 40
    assert vendors.LONG_TERM_KERNEL in outcome.result["message"]


def test_grid_waits_for_the_restart(world: step_machine.Machine) -> None:
    """Its installer builds for the kernel that runs, which no node will boot."""
    grid = {"DRIVER_KIND": "grid", "DRIVER_SHA256": "0" * 64}

    outcome = install(world, "install-gpu-driver", GPU="true", **grid)

    assert outcome.exit_code == 40
    assert f"{vendors.LONG_TERM_KERNEL} will boot" in outcome.result["message"]
    assert "gridd" not in outcome.log


# Other systems


@pytest.mark.parametrize("system", ["debian-12", "almalinux-9"])
def test_other_systems_have_no_rolling_kernel(
    make_machine: Callable[[str], step_machine.Machine], system: str
) -> None:
    """Nothing is purged, and the kernel is told all the same."""
    machine = make_machine(system)
    vendors.serve_keys(machine)

    outcome = install(machine)

    assert outcome.exit_code == 0
    assert outcome.data["kernel"] == step_machine.KERNEL
    assert outcome.result["rebootRequired"] is False
    assert "purge" not in machine.asked("apt-get")
    assert (machine.root / READY).exists()


def test_a_machine_without_kernels_runs_the_one_that_boots(
    make_machine: Callable[[str], step_machine.Machine],
) -> None:
    """A container boots none; its host's kernel is final."""
    machine = make_machine("debian-12")
    vendors.serve_keys(machine)
    (machine.root / f"boot/vmlinuz-{step_machine.KERNEL}").unlink()

    outcome = install(machine)

    assert outcome.data["kernel"] == step_machine.KERNEL
    assert outcome.result["rebootRequired"] is False


@pytest.mark.parametrize(
    "parameters",
    [{"DOCKER_VERSION": "29.0.1"}, {"DRIVER_KIND": "newest"}, {"FABRIC_MANAGER": "maybe"}],
    ids=str,
)
def test_parameters_of_every_part_are_looked_at_first(
    world: step_machine.Machine, parameters: dict[str, str]
) -> None:
    """A mistake that only the last part would notice costs no minutes."""
    outcome = install(world, "install-gpu-driver", **{**DRIVER, **parameters})

    assert outcome.exit_code == 11
    assert world.calls("apt-get") == []
