"""What comes before and after Docker: nothing upgrades by itself, and the kernel is final."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import step_assembler
import step_machine
import vendors

NEW_EL_KERNEL = "5.14.0-570.52.1.el9_6.x86_64"
OLD_EL_KERNEL = "5.14.0-570.12.1.el9_6.x86_64"


def prepare(machine: step_machine.Machine) -> step_machine.Outcome:
    """What `install` does besides Docker."""
    return machine.run_step("install", "prepare", "leave_rolling_kernel", BUILDER_USER="builder")


def test_ubuntu_moves_to_the_long_term_kernel(machine: step_machine.Machine) -> None:
    """The rolling kernel is purged: the boot loader would start it, being the newer one."""
    vendors.offer_long_term_kernel(machine)
    vendors.run_rolling_kernel(machine)

    outcome = prepare(machine)

    assert outcome.result["rebootRequired"] is True
    assert outcome.result["changed"] is True
    assert outcome.data == {"os": "ubuntu", "osVersion": "24.04", "kernel": "6.8.0-1067-azure"}
    [purge] = [call for call in machine.calls("apt-get") if "purge" in call]
    assert purge[purge.index("purge") + 1 :] == [
        "linux-azure",
        "linux-image-azure",
        "linux-image-7.0.0-1009-azure",
        "linux-modules-7.0.0-1009-azure",
    ]


def test_after_the_restart_nothing_is_left_to_do(machine: step_machine.Machine) -> None:
    """The same step again reports no change and asks for no restart."""
    vendors.offer_long_term_kernel(machine)
    vendors.run_rolling_kernel(machine)
    prepare(machine)
    machine.run_kernel("6.8.0-1067-azure")
    step_machine.boot_again(machine)

    outcome = prepare(machine)

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.result["rebootRequired"] is False


def test_el_updates_its_kernel_before_anything_is_built(
    make_machine: Callable[[str], step_machine.Machine],
) -> None:
    """The headers of an older point release are gone from the mirrors."""
    machine = make_machine("almalinux-9")
    (machine.root / f"boot/vmlinuz-{step_machine.KERNEL}").unlink()
    machine.run_kernel(OLD_EL_KERNEL)
    machine.has_packages("kernel-core 5.14.0-570.12.1.el9_6")
    machine.write("root/boot/vmlinuz-0-rescue-0123456789abcdef", "")
    machine.write("new_kernel", NEW_EL_KERNEL)

    outcome = prepare(machine)

    assert outcome.result["rebootRequired"] is True
    assert outcome.data == {"os": "almalinux", "osVersion": "9", "kernel": NEW_EL_KERNEL}
    assert "versionlock add kernel-core-5.14.0-570.12.1.el9_6" in machine.asked("dnf")
    assert all("--exclude=WALinuxAgent*" in call for call in machine.calls("dnf"))


def test_the_agent_and_the_kernel_are_held(machine: step_machine.Machine) -> None:
    """An upgrade of the agent restarts it and kills the step that it runs."""
    vendors.offer_long_term_kernel(machine)
    machine.has_packages("walinuxagent 2.11", "linux-image-6.8.0-1067-azure 1")

    prepare(machine)

    assert machine.calls("apt-mark")[0] == ["hold", "walinuxagent"]
    assert "linux-image-6.8.0-1067-azure" in machine.calls("apt-mark")[1]


def test_upgrades_are_stopped_waited_for_and_then_masked(machine: step_machine.Machine) -> None:
    """Killing a running upgrade leaves packages half installed."""
    vendors.offer_long_term_kernel(machine)
    machine.write("active/apt-daily.service", "")
    machine.fake("sleep", 'rm -f "$MACHINE/active/apt-daily.service"')

    outcome = prepare(machine)

    calls = machine.calls("systemctl")
    assert outcome.exit_code == 0
    assert machine.calls("sleep") == [["10"]]
    assert calls.index(["stop", "apt-daily.timer"]) < calls.index(
        ["is-active", "apt-daily.service"]
    )
    assert calls.index(["is-active", "apt-daily.service"]) < next(
        index for index, call in enumerate(calls) if call[0] == "mask"
    )


def test_an_upgrade_that_never_ends_is_not_killed(machine: step_machine.Machine) -> None:
    """The step gives up, for another attempt, and leaves the upgrade alone."""
    machine.write("active/apt-daily-upgrade.service", "")

    outcome = prepare(machine)

    assert outcome.exit_code == 75
    assert "apt-daily-upgrade.service" in outcome.result["message"]


def test_a_first_boot_with_small_failures_is_gone_past(machine: step_machine.Machine) -> None:
    """cloud-init counts harmless failures of single modules, too."""
    vendors.offer_long_term_kernel(machine)
    machine.fake("cloud-init", "echo 'status: error'; exit 1")

    outcome = prepare(machine)

    assert outcome.exit_code == 0
    assert "cloud-init status: 1" in outcome.log


def test_apt_waits_repairs_and_believes_no_empty_update(machine: step_machine.Machine) -> None:
    """An update that downloaded nothing exits 0 unless it is told not to."""
    vendors.offer_long_term_kernel(machine)
    machine.write("environments", "")
    machine.fails_first(
        "apt-get", 1, "E: Could not get lock /var/lib/apt/lists/lock", when="update"
    )

    outcome = prepare(machine)

    assert outcome.exit_code == 0
    assert all("APT::Update::Error-Mode=any" in call for call in machine.calls("apt-get"))
    assert all("DPkg::Lock::Timeout=300" in call for call in machine.calls("apt-get"))
    assert ["--configure", "-a"] in machine.calls("dpkg")
    assert 'DEBIAN_FRONTEND="noninteractive"' in (machine.home / "environments").read_text()


def test_a_module_that_does_not_compile_breaks_no_later_package(
    machine: step_machine.Machine,
) -> None:
    """Its package is configured while DKMS builds nothing; afterwards DKMS builds again."""
    vendors.offer_long_term_kernel(machine)
    flag = machine.root / "etc/dkms/no-autoinstall"
    flag.parent.mkdir(parents=True)
    machine.precede("dpkg", f"[[ -e {flag} ]] || exit 1; touch $MACHINE/configured")

    assert prepare(machine).exit_code == 0
    assert (machine.home / "configured").exists()
    assert not flag.exists()


@pytest.mark.parametrize("system", ["ubuntu-20.04", "fedora-43"])
def test_other_systems_are_refused(
    make_machine: Callable[[str], step_machine.Machine], system: str
) -> None:
    """At once, not after half the work, and with the list of those that are supported."""
    outcome = prepare(make_machine(system))

    assert outcome.exit_code == 10
    assert "ubuntu 22.04, 24.04" in outcome.result["message"]


def test_another_architecture_is_refused(machine: step_machine.Machine) -> None:
    """Every pinned package is for x86_64."""
    machine.fake("uname", "echo aarch64")

    assert prepare(machine).exit_code == 10


@pytest.mark.parametrize(
    ("system", "told"),
    [
        ("ubuntu-22.04", "ubuntu 22.04 jammy debian"),
        ("ubuntu-24.04", "ubuntu 24.04 noble debian"),
        ("debian-12", "debian 12 bookworm debian"),
        ("almalinux-8", "almalinux 8  el"),
        ("almalinux-9", "almalinux 9  el"),
        ("rocky-8", "rocky 8  el"),
        ("rocky-9", "rocky 9  el"),
        ("rhel-8", "rhel 8  el"),
        ("rhel-9", "rhel 9  el"),
    ],
)
def test_every_system_is_known_by_its_own_description(
    make_machine: Callable[[str], step_machine.Machine], system: str, told: str
) -> None:
    """As the marketplace images have it: a repository's address is made of these words."""
    files = ["lib.sh", "exit_codes.sh", "helpers/outcome.sh", "helpers/result.sh"]
    look = 'look() { read_os; echo "$OS_ID $OS_VERSION $OS_CODENAME $OS_FAMILY" >"$MACHINE/told"; }'
    machine = make_machine(system)

    machine.run_text(
        step_assembler.assemble_files("prepare", [*files, "helpers/host.sh"], ["look"], look)
    )

    assert (machine.home / "told").read_text() == f"{told}\n"
