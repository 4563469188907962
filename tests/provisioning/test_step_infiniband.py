"""InfiniBand: the stack before the driver, its settings, what a builder and a node prove."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import step_assembler
import step_machine
import vendors

DOCA = "https://www.mellanox.com/downloads/DOCA/DOCA_v3.2.3/host/doca-host_3.2.3-019000-25.10-ubuntu2404_amd64.deb"
PINNED = "762a3dbc1c8c1e4b03867b022ccafcfafa95bffe461a58a5b6e38fc678263614"
PACKAGE = "the package of the repository"
SIZE = "http://169.254.169.254/metadata/instance/compute/vmSize"
DRIVER = {"GPU": "true", "DRIVER_KIND": "datacenter-open", "BUILDER_USER": "builder"}
# DKMS has built the stack's module where a file says so; the driver's module is another file.
MODINFO = """
if [[ $* == *mlx5_ib* ]]; then
  [[ -e $MACHINE/modules/ofed-$2 ]] && echo "/lib/modules/$2/updates/dkms/mlx5_ib.ko" && exit
  echo "/lib/modules/$2/kernel/drivers/infiniband/hw/mlx5/mlx5_ib.ko"; exit
fi"""


@pytest.fixture
def world(machine: step_machine.Machine) -> step_machine.Machine:
    vendors.marketplace_ubuntu(machine)
    machine.serves(DOCA, PACKAGE)
    machine.write("root/etc/waagent.conf", "# OS.EnableRDMA=y\nProvisioning.Agent=auto\n")
    machine.precede("modinfo", MODINFO)
    machine.fake("dkms", '[[ -e $MACHINE/breaks ]] || touch "$MACHINE/modules/ofed-${*: -1}"')
    machine.fake(
        "dpkg", '[[ $1 != -i ]] || echo doca-host 3.2.3-019000-25.10 >>"$MACHINE/packages"'
    )
    return machine


def install(
    machine: step_machine.Machine, variant: str = "install-gpu-driver", **parameters: str
) -> step_machine.Outcome:
    return machine.run_text(
        step_text(machine, variant), **{**DRIVER, "INFINIBAND": "true", **parameters}
    )


def step_text(machine: step_machine.Machine, variant: str) -> str:
    """The step, pinned to the file that this world serves."""
    text = step_assembler.assemble(variant)
    assert PINNED in text
    return text.replace(PINNED, hashlib.sha256(PACKAGE.encode()).hexdigest())


def test_the_stack_comes_before_the_driver(world: step_machine.Machine) -> None:
    """nvidia_peermem is built against it, for the kernel that will boot."""
    outcome = install(world)

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data["infinibandVersion"] == "3.2.3"
    asked = world.asked("apt-get").splitlines()
    stack = next(i for i, call in enumerate(asked) if call.endswith("doca-ofed"))
    driver = next(i for i, call in enumerate(asked) if "nvidia-open" in call)
    assert stack < driver
    assert f"linux-headers-{vendors.LONG_TERM_KERNEL} doca-ofed" in asked[stack]
    assert ["autoinstall", "-k", vendors.LONG_TERM_KERNEL] in world.calls("dkms")
    assert "Pin-Priority: -1" in (world.root / "etc/apt/preferences.d/batch-prep-doca").read_text()


def test_an_image_without_it_gets_nothing_of_it(world: step_machine.Machine) -> None:
    """It is asked for, or not there."""
    outcome = install(world, "install", INFINIBAND="")

    assert outcome.exit_code == 0
    assert "doca" not in world.asked("apt-get") + world.asked("dpkg")
    assert not (world.root / "etc/security/limits.d").exists()


def test_the_agent_configures_rdma(world: step_machine.Machine) -> None:
    """Its other settings stay; it is not restarted, because it runs this step."""
    install(world)

    conf = (world.root / "etc/waagent.conf").read_text()
    assert conf == "Provisioning.Agent=auto\nOS.EnableRDMA=y\n"
    assert "waagent" not in world.asked("systemctl")


def test_nothing_limits_locked_memory(world: step_machine.Machine) -> None:
    """For people, services and containers; Docker restarts with the machine, not while it pulls."""
    install(world)

    limits = (world.root / "etc/security/limits.d/90-batch-prep-infiniband.conf").read_text()
    manager = world.root / "etc/systemd/system.conf.d/90-batch-prep-infiniband.conf"
    docker = json.loads((world.root / "etc/docker/daemon.json").read_text())
    assert limits == "* - memlock unlimited\nroot - memlock unlimited\n"
    assert "DefaultLimitMEMLOCK=infinity" in manager.read_text()
    assert docker["default-ulimits"]["memlock"] == {"Name": "memlock", "Hard": -1, "Soft": -1}
    assert world.asked("systemctl").count("restart") == 2


def test_again_it_changes_nothing(world: step_machine.Machine) -> None:
    """After the restart, in another attempt."""
    install(world)
    world.run_kernel(vendors.LONG_TERM_KERNEL)
    step_machine.boot_again(world)

    outcome = install(world)

    assert (outcome.exit_code, outcome.result["changed"]) == (0, False)
    assert outcome.result["rebootRequired"] is False


def test_a_module_that_does_not_compile_ends_the_step(world: step_machine.Machine) -> None:
    """The distribution's module would be found instead, which peer memory cannot use."""
    world.write("breaks", "")

    outcome = install(world)

    assert outcome.exit_code == 42
    assert vendors.LONG_TERM_KERNEL in outcome.result["message"]


def test_another_file_is_not_installed(world: step_machine.Machine) -> None:
    """Its checksum is pinned."""
    outcome = world.run_step("install-gpu-driver", **DRIVER, INFINIBAND="true")

    assert outcome.exit_code == 24
    assert not any("-i" in call for call in world.calls("dpkg"))


def test_a_machine_without_the_agents_configuration_ends_the_step(
    world: step_machine.Machine,
) -> None:
    """The nodes' devices would have no address."""
    (world.root / "etc/waagent.conf").unlink()

    assert install(world).exit_code == 42


def test_other_systems_are_refused(
    make_machine: Callable[[str], step_machine.Machine],
) -> None:
    """The catalogue has no stack for them."""
    machine = make_machine("debian-12")
    machine.has_docker()

    outcome = machine.run_step("install", "install_infiniband", INFINIBAND="true")

    assert outcome.exit_code == 10


# What NCCL reads


@pytest.mark.parametrize(("name", "groups", "devices"), [("ndv4", 4, 2), ("ndv5", 8, 1)])
def test_each_gpu_has_infiniband_beside_it(
    world: step_machine.Machine, name: str, groups: int, devices: int
) -> None:
    """Eight GPUs and eight devices, no address twice."""
    install(world)

    system = ET.fromstring((world.root / f"opt/microsoft/{name}-topo.xml").read_text())
    switches = system.findall("cpu/pci")
    below = [[pci.get("class") for pci in switch] for switch in switches]
    assert below == [["0x030200"] * devices + ["0x020700"] * devices] * groups
    addresses = [pci.get("busid") for pci in system.iter("pci")]
    assert len(addresses) == len(set(addresses)) == groups + 16


def boot(machine: step_machine.Machine, size: str) -> str:
    """Runs the script of the boot on a VM of this size; what NCCL reads then."""
    machine.serves(SIZE, size)
    script = machine.root / "usr/local/sbin/batch-prep-rdma"
    done = subprocess.run(
        ["/bin/bash", str(script)],
        env=machine.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    conf = machine.root / "etc/nccl.conf"
    return conf.read_text() if conf.exists() else ""


@pytest.mark.parametrize(
    ("size", "topology"),
    [
        ("Standard_ND96asr_v4", "ndv4"),
        ("Standard_ND96amsr_A100_v4", "ndv4"),
        ("Standard_ND96isr_H100_v5", "ndv5"),
        ("Standard_ND96isr_H200_v5", "ndv5"),
        ("Standard_ND96isr_MI300X_v5", None),
        ("Standard_HB176rs_v4", None),
        ("Standard_NC96ads_A100_v4", None),
    ],
)
def test_nccl_gets_the_topology_of_the_size(
    world: step_machine.Machine, size: str, topology: str | None
) -> None:
    """At boot, because one image serves many sizes."""
    install(world)
    boot(world, "Standard_ND96asr_v4")  # the builder's own size

    conf = boot(world, size)

    assert ["enable", "batch-prep-rdma.service"] in world.calls("systemctl")
    assert (f"NCCL_TOPO_FILE=/opt/microsoft/{topology}-topo.xml" in conf) is bool(topology)
    assert bool(conf) is bool(topology)


def test_an_owners_settings_of_nccl_stay(world: step_machine.Machine) -> None:
    """Only what batch-prep wrote is replaced."""
    install(world)
    world.write("root/etc/nccl.conf", "NCCL_DEBUG=INFO\n")

    assert boot(world, "Standard_ND96asr_v4") == "NCCL_DEBUG=INFO\n"


@pytest.mark.parametrize("has_gpu", [True, False])
def test_peer_memory_is_loaded_where_both_ends_are(
    world: step_machine.Machine, *, has_gpu: bool
) -> None:
    """Elsewhere a unit that loads it would fail at every boot."""
    install(world)
    infiniband(world, ["4: ACTIVE"])
    if has_gpu:
        world.write("root/proc/driver/nvidia/version", "580")

    boot(world, "Standard_ND96asr_v4")

    assert (["nvidia_peermem"] in world.calls("modprobe")) is has_gpu


# What the builder and a node prove


def infiniband(machine: step_machine.Machine, states: list[str]) -> None:
    """A device with a port for each state, beside that of accelerated networking."""
    ports = {f"mlx5_ib{i}": ("InfiniBand", state) for i, state in enumerate(states)}
    for device, (layer, state) in {**ports, "mlx5_an0": ("Ethernet", "1: DOWN")}.items():
        machine.write(f"root/sys/class/infiniband/{device}/ports/1/link_layer", f"{layer}\n")
        machine.write(f"root/sys/class/infiniband/{device}/ports/1/state", f"{state}\n")


@pytest.fixture
def finished(world: step_machine.Machine) -> step_machine.Machine:
    """A machine with the stack, after its restart."""
    install(world)
    world.run_kernel(vendors.LONG_TERM_KERNEL)
    world.has_docker()
    world.fake("ibstat", "")
    world.precede("systemctl", '[[ $1 != show ]] || { cat "$MACHINE/memlock"; exit; }')
    world.write("memlock", "infinity\n")
    world.serves(SIZE, "Standard_ND96asr_v4")
    return world


def check(machine: step_machine.Machine, step: str, function: str) -> step_machine.Outcome:
    return machine.run_step(step, function, EXPECT_INFINIBAND="true")


def test_a_builder_without_infiniband_proves_the_stack(finished: step_machine.Machine) -> None:
    """Its size needs no RDMA."""
    outcome = check(finished, "seal", "check_image")

    assert outcome.check("infiniband")["status"] == "pass"


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda m: m.write("root/boot/vmlinuz-6.8.0-9999-azure", ""), "IB_MODULE_MISSING"),
        (lambda m: (m.bin / "ibstat").unlink(), "IB_TOOLS_MISSING"),
        (lambda m: m.write("root/etc/waagent.conf", "OS.EnableRDMA=n\n"), "IB_AGENT"),
        (lambda m: m.write("memlock", "8388608\n"), "IB_MEMLOCK"),
    ],
)
def test_what_the_image_lacks_stops_the_sealing(
    finished: step_machine.Machine, spoil: Callable[[step_machine.Machine], object], code: str
) -> None:
    """Found on the builder, before the image is paid for."""
    spoil(finished)

    outcome = check(finished, "seal", "check_image")

    assert outcome.exit_code == 30
    assert outcome.check("infiniband")["code"] == code


@pytest.mark.parametrize(
    ("states", "memlock", "code"),
    [
        (["4: ACTIVE", "4: ACTIVE"], "infinity", ""),
        ([], "infinity", "IB_ABSENT"),
        (["4: ACTIVE", "2: INIT"], "infinity", "IB_PORT_DOWN"),
        (["4: ACTIVE"], "65536", "IB_MEMLOCK"),
    ],
)
def test_a_node_shows_its_ports(
    finished: step_machine.Machine, states: list[str], memlock: str, code: str
) -> None:
    """The device of accelerated networking is not InfiniBand."""
    finished.write("memlock", f"{memlock}\n")
    infiniband(finished, states)

    found = check(finished, "verify", "verify_node").check("infiniband")

    assert (found["status"], found["code"]) == ("fail" if code else "pass", code)
    assert found["data"]["ports"] == len(states)


def test_a_node_of_another_size_is_not_asked(finished: step_machine.Machine) -> None:
    """The image also serves sizes without RDMA."""
    outcome = finished.run_step("verify", "verify_node")

    assert "infiniband" not in {check["id"] for check in outcome.data["checks"]}


def test_the_topologies_are_files_of_the_image(world: step_machine.Machine) -> None:
    """Containers mount them; the names are those of Azure's own images."""
    install(world)

    found = sorted(Path(file).name for file in (world.root / "opt/microsoft").iterdir())
    assert found == ["ndv4-topo.xml", "ndv5-topo.xml"]
