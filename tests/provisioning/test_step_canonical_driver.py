"""The driver of Ubuntu's archive: modules that Canonical has signed, for the kernel that boots."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import step_machine
import vendors

VERSION = vendors.DRIVER_VERSION
KERNEL = step_machine.KERNEL
OLDER = "6.8.0-1064-azure"
OPEN = "linux-modules-nvidia-580-server-open-"
ASKED = {"DRIVER_KIND": "datacenter-open", "DRIVER_SOURCE": "canonical"}


def archive_has(machine: step_machine.Machine, *kernels: str, version: str = VERSION) -> None:
    """Signed modules of these kernels, and the programs in this version."""
    modules = [
        f"{kind}{kernel}" for kernel in kernels for kind in (OPEN, OPEN.replace("-open", ""))
    ]
    images = [f"linux-{kind}-{kernel}" for kernel in kernels for kind in ("image", "headers")]
    machine.write("archive", "".join(f"{name}\n" for name in [*modules, *images]))
    machine.write("candidates", f"nvidia-utils-580-server {version}-0ubuntu0.24.04.1\n")
    body = f"""
for name in "${{names[@]}}"; do
  case $name in
    linux-modules-nvidia-580-server-*azure)
      kernel=${{name#linux-modules-nvidia-580-server-}}
      echo {version} >"$MACHINE/modules/${{kernel#open-}}" ;;
    linux-image-*-) rm -f "$ROOT/boot/vmlinuz-$(sed 's/^linux-image-//; s/-$//' <<<"$name")" \
      "$ROOT/boot/vmlinuz-${{name#linux-image-}}" ;;
  esac
done
"""
    machine.fake("apt-get", (step_machine.HERE / "fakes/apt-get").read_text() + body)


def test_modules_and_programs_come_from_ubuntu(machine: step_machine.Machine) -> None:
    """No repository of NVIDIA's, no headers and no compiler. All of it is held."""
    archive_has(machine, KERNEL)

    outcome = machine.run_step("driver", **ASKED)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data == {"driverVersion": VERSION, "driverKind": "datacenter-open"}
    assert outcome.result["rebootRequired"] is True
    (install,) = [c for c in machine.calls("apt-get") if any(OPEN in word for word in c)]
    assert f"{OPEN}{KERNEL}" in install
    assert {"nvidia-utils-580-server", "nvidia-compute-utils-580-server"} <= {*install}
    assert machine.calls("curl") == []
    assert machine.calls("dkms") == []
    assert "linux-headers" not in machine.asked("apt-get")
    held = machine.asked("apt-mark")
    assert f"{OPEN}{KERNEL}" in held
    assert "nvidia-utils-580-server" in held


def test_a_second_run_changes_nothing(machine: step_machine.Machine) -> None:
    """Also where the archive has gone on to a newer version."""
    archive_has(machine, KERNEL, version="580.178.04")
    first = machine.run_step("driver", **ASKED)
    step_machine.boot_again(machine)

    again = machine.run_step("driver", **ASKED)

    assert first.data["driverVersion"] == again.data["driverVersion"] == "580.178.04"
    assert again.result["changed"] is False


def test_proprietary_modules_have_another_package(machine: step_machine.Machine) -> None:
    """V100 needs them."""
    archive_has(machine, KERNEL)

    machine.run_step("driver", **{**ASKED, "DRIVER_KIND": "datacenter-proprietary"})

    assert f"linux-modules-nvidia-580-server-{KERNEL}" in machine.asked("apt-get")


def test_an_older_version_than_the_wanted_one_is_refused(machine: step_machine.Machine) -> None:
    """It may have a known vulnerability."""
    archive_has(machine, KERNEL, version="580.95.05")

    outcome = machine.run_step("driver", **ASKED)

    assert outcome.exit_code == 40
    assert "has driver 580.95.05, wanted is" in outcome.result["message"]


def test_a_kernel_without_modules_gives_way_to_an_older_one(machine: step_machine.Machine) -> None:
    """The image keeps the kernel that its modules are for."""
    archive_has(machine, OLDER)

    outcome = machine.run_step("driver", **ASKED)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["kernel"] == OLDER
    assert outcome.data["kernelInsteadOf"] == KERNEL
    assert [file.name for file in (machine.root / "boot").iterdir()] == [f"vmlinuz-{OLDER}"]


def test_without_any_modules_the_step_says_so(machine: step_machine.Machine) -> None:
    """A branch that Canonical does not build for this series."""
    archive_has(machine)

    outcome = machine.run_step("driver", **ASKED)

    assert outcome.exit_code == 40
    assert f"no package {OPEN}{KERNEL}" in outcome.result["message"]


def test_nvswitches_need_the_fabric_manager_of_the_same_branch(
    machine: step_machine.Machine,
) -> None:
    """Both come from Ubuntu's archive."""
    archive_has(machine, KERNEL)

    machine.run_step("driver", **ASKED, FABRIC_MANAGER="true")

    assert "nvidia-fabricmanager-580 libnvidia-nscq-580" in machine.asked("apt-get")
    assert ["enable", "nvidia-fabricmanager.service"] in machine.calls("systemctl")


@pytest.mark.parametrize(
    ("system", "kind", "code"),
    [("almalinux-9", "datacenter-open", 10), ("ubuntu-24.04", "grid", 11)],
)
def test_other_systems_and_grid_have_none(
    make_machine: Callable[[str], step_machine.Machine], system: str, kind: str, code: int
) -> None:
    """Refused before anything is installed."""
    machine = make_machine(system)

    assert machine.run_step("driver", DRIVER_KIND=kind, DRIVER_SOURCE="canonical").exit_code == code
