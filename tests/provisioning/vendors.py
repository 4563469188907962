"""What a machine of the tests finds outside: the vendors' keys as they are today, and kernels."""

from __future__ import annotations

import step_machine

DOCKER = "https://download.docker.com/linux"
DOCKER_APT_KEY = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
DOCKER_RPM_KEY = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
TOOLKIT = "https://nvidia.github.io/libnvidia-container"
TOOLKIT_KEY = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
CUDA = "https://developer.download.nvidia.com/compute/cuda/repos"
CUDA_APT_KEY = "EB693B3035CD5710E231E123A4B469963BF863CC"
CUDA_RPM_KEY = "610C7B14E068A878070DA4E99CD0A493D42D0685"
EPEL_KEYS = {
    8: "94E279EB8D8F25B21810ADF121EA45AB2F86D6A1",
    9: "FF8AD1344597106ECE813B918A3872BF3228467C",
}
DRIVER_VERSION = "580.173.02"
LONG_TERM_KERNEL = "6.8.0-1067-azure"
ROLLING_KERNEL = "7.0.0-1009-azure"


def serve_keys(machine: step_machine.Machine) -> None:
    """Docker's, NVIDIA's and Fedora's key files."""
    for system, key in {
        "ubuntu": DOCKER_APT_KEY,
        "debian": DOCKER_APT_KEY,
        "rhel": DOCKER_RPM_KEY,
    }.items():
        machine.serves(f"{DOCKER}/{system}/gpg", key)
    machine.serves(f"{TOOLKIT}/gpgkey", TOOLKIT_KEY)
    for system in ("ubuntu2204", "ubuntu2404"):
        machine.serves(f"{CUDA}/{system}/x86_64/3bf863cc.pub", CUDA_APT_KEY)
    for release, key in EPEL_KEYS.items():
        machine.serves(f"{CUDA}/rhel{release}/x86_64/D42D0685.pub", CUDA_RPM_KEY)
        address = f"https://dl.fedoraproject.org/pub/epel/RPM-GPG-KEY-EPEL-{release}"
        machine.serves(address, key)


def build_modules(
    machine: step_machine.Machine, command: str, version: str = DRIVER_VERSION
) -> None:
    """Installing the driver leaves a module for the kernel whose headers come along: so is DKMS."""
    machine.precede(
        command,
        'for argument in "$@"; do case $argument in linux-headers-* | kernel-devel-*)\n'
        "kernel=${argument#*-*-}; [[ $* != *nvidia-driver-cuda* && $* != *nvidia-open* &&"
        f' $* != *cuda-drivers* ]] || echo {version} >"$MACHINE/modules/$kernel" ;; esac; done',
    )


def offer_long_term_kernel(machine: step_machine.Machine) -> None:
    """Ubuntu's archive: the long-term meta package and what it brings."""
    machine.write(
        "depends",
        "linux-azure-lts-24.04 linux-image-azure-lts-24.04\n"
        f"linux-image-azure-lts-24.04 linux-image-{LONG_TERM_KERNEL}\n",
    )


def marketplace_ubuntu(machine: step_machine.Machine) -> step_machine.Machine:
    """Ubuntu's marketplace image, which reaches the vendors and builds modules."""
    serve_keys(machine)
    offer_long_term_kernel(machine)
    run_rolling_kernel(machine)
    build_modules(machine, "apt-get")
    return machine


def run_rolling_kernel(machine: step_machine.Machine) -> None:
    """Ubuntu's marketplace image: a kernel that is newer than the long-term one."""
    (machine.root / f"boot/vmlinuz-{step_machine.KERNEL}").unlink()
    machine.run_kernel(ROLLING_KERNEL)
    machine.has_packages(
        "linux-azure 7.0.0.1009.9",
        "linux-image-azure 7.0.0.1009.9",
        f"linux-image-{ROLLING_KERNEL} 7.0.0-1009.9",
        f"linux-modules-{ROLLING_KERNEL} 7.0.0-1009.9",
        "linux-base 4.5",
        "ca-certificates 1",
        "curl 8",
        "gnupg 2",
        "python3 3",
    )
