"""A module that does not compile: what the step says, and the older kernel that it tries."""

from __future__ import annotations

import os

import pytest
import step_machine
import vendors

KERNEL = step_machine.KERNEL
SERIES = "6.8.0-{}-azure"
COMPILER = "/tmp/nv-pci.c:271:9: error: too few arguments to function 'pci_resize_resource'"
LOG = "var/lib/dkms/nvidia/580.173.02/build/make.log"


APT = """
for name in "${names[@]}"; do
  [[ $name == *- ]] || continue
  forget "$name"
  forget "${name%-}"
  name=${name#linux-image-}
  rm -f "$ROOT/boot/vmlinuz-$name" "$ROOT/boot/vmlinuz-${name%-}"
done
[[ $verb == install ]] && grep -q "^nvidia-open " "$MACHINE/packages" || exit 0
failed=0
for kernel in "$ROOT"/boot/vmlinuz-*; do
  kernel=${kernel##*/vmlinuz-}
  if grep -qxF "$kernel" "$MACHINE/compiles"; then
    cat "$MACHINE/driver" >"$MACHINE/modules/$kernel"
  else
    failed=1
    mkdir -p "$ROOT/LOG_FOLDER"
    printf '%s\\n' 'make: nothing' "COMPILER" 'a second error: no' >"$ROOT/LOG_FOLDER/make.log"
  fi
done
[[ $failed == 0 ]] && exit 0
echo "Error! Bad return status for module build on kernel" >&2
echo "E: Sub-process /usr/bin/dpkg returned an error code (1)" >&2
exit 100
"""


def compiles_for(machine: step_machine.Machine, *kernels: str) -> None:
    """As with Debian's packages: an install asks DKMS, and apt-get fails where DKMS fails."""
    machine.write("compiles", "".join(f"{kernel}\n" for kernel in kernels))
    machine.write("driver", vendors.DRIVER_VERSION)
    body = APT.replace("COMPILER", COMPILER).replace("LOG_FOLDER", LOG.rpartition("/")[0])
    machine.fake("apt-get", (step_machine.HERE / "fakes/apt-get").read_text() + body)


def offers_kernels(machine: step_machine.Machine, *numbers: int) -> None:
    """What the archive still has of the series, and strangers."""
    kernels = [SERIES.format(number) for number in numbers]
    names = [f"linux-{kind}-{kernel}" for kernel in kernels for kind in ("image", "headers")]
    strangers = ["linux-image-6.8.0-1-generic", "linux-headers-6.8.0-1-generic"]
    no_headers = "linux-image-6.8.0-1066-azure"
    machine.write("archive", "".join(f"{name}\n" for name in [*names, *strangers, no_headers]))


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    """An Ubuntu machine that reaches NVIDIA, with kernel 1067."""
    vendors.serve_keys(machine)
    return machine


def test_a_module_that_does_not_compile_is_no_fault_of_the_mirror(
    world: step_machine.Machine,
) -> None:
    """Exit code 40 with the compiler's first words, though apt-get was what failed."""
    compiles_for(world)

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    assert outcome.exit_code == 40
    assert COMPILER in outcome.result["message"]
    assert "second error" not in outcome.result["message"]
    assert f"kernel {KERNEL}" in outcome.result["message"]
    assert "older kernels tried: none" in outcome.result["message"]


def test_an_older_kernel_takes_the_place_of_one_without_a_module(
    world: step_machine.Machine,
) -> None:
    """The newest of the same series for which it compiles; the result says which and why."""
    world.has_packages("linux-azure-lts-24.04 1")
    offers_kernels(world, 1060, 1064, 1065, 1067, 1070)
    compiles_for(world, SERIES.format(1064), SERIES.format(1060))

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["kernel"] == SERIES.format(1064)
    assert outcome.data["kernelInsteadOf"] == KERNEL
    assert outcome.data["moduleError"] == COMPILER
    assert outcome.result["rebootRequired"] is True
    boot = sorted(file.name for file in (world.root / "boot").iterdir())
    assert boot == [f"vmlinuz-{SERIES.format(1064)}"]
    held = [call[0] for call in world.calls("apt-mark") if "linux-azure-lts-24.04" in call]
    assert (held[0], held[-1]) == ("unhold", "hold")  # apt removes no held package


def test_the_older_kernel_stays_when_the_step_is_sent_again(world: step_machine.Machine) -> None:
    """Otherwise the package's kernel would come back and the search begin anew."""
    vendors.offer_long_term_kernel(world)
    offers_kernels(world, 1065)
    compiles_for(world, SERIES.format(1065))
    world.run_step("driver", DRIVER_KIND="datacenter-open")
    world.run_kernel(SERIES.format(1065))
    step_machine.boot_again(world)

    outcome = world.run_step(
        "install-gpu-driver",
        "prepare",
        "leave_rolling_kernel",
        "install_driver",
        BUILDER_USER="builder",
        DRIVER_KIND="datacenter-open",
    )

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["kernel"] == SERIES.format(1065)
    assert "linux-azure-lts" not in world.asked("apt-get")


def test_a_module_that_compiles_for_no_kernel_names_those_tried(
    world: step_machine.Machine,
) -> None:
    """Three at most: each costs minutes."""
    offers_kernels(world, 1060, 1061, 1062, 1063)
    compiles_for(world)

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    tried = " ".join(SERIES.format(number) for number in (1063, 1062, 1061))
    assert outcome.exit_code == 40
    assert f"older kernels tried: {tried}" in outcome.result["message"]


def test_the_kernel_of_the_last_image_is_tried_first(world: step_machine.Machine) -> None:
    """It is known to compile, and may be older than those that are tried otherwise."""
    offers_kernels(world, 1050, 1060, 1061, 1062, 1063)
    compiles_for(world, SERIES.format(1050), SERIES.format(1063))

    outcome = world.run_step(
        "driver", DRIVER_KIND="datacenter-open", LAST_GOOD_KERNEL=SERIES.format(1050)
    )

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["kernel"] == SERIES.format(1050)


@pytest.mark.parametrize("last", [SERIES.format(1049), KERNEL])
def test_a_last_kernel_that_cannot_help_is_left_out(world: step_machine.Machine, last: str) -> None:
    """The archive has it no longer, or it is the newest one."""
    offers_kernels(world, 1060, 1061, 1062, 1063)
    compiles_for(world, SERIES.format(1061))

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open", LAST_GOOD_KERNEL=last)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["kernel"] == SERIES.format(1061)


def test_a_mirror_that_fails_is_still_a_mirror_that_fails(world: step_machine.Machine) -> None:
    """An old log of DKMS proves nothing about this run."""
    stale = world.write(f"root/{LOG}", f"{COMPILER}\n")
    os.utime(stale, (1, 1))
    world.fails_first("apt-get", 9, "E: Unable to locate package nvidia-open", when="nvidia-open")

    outcome = world.run_step("driver", DRIVER_KIND="datacenter-open")

    assert outcome.exit_code == 23
