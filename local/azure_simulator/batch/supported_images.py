"""What `list_supported_images` of the Batch service answers, and which agent runs on which system.

Entries follow the listing of late 2026: Ubuntu 20.04, Debian 8 to 10 and CentOS have left it, and
no agent exists for Debian 11 or later. Announcements: https://github.com/Azure/Batch/issues
(#174 Ubuntu 20.04, #200 Ubuntu 22.04, #181 AlmaLinux, #185 Arm64). #185 says that there are agents
for Arm64 also for Windows, Ubuntu HPC and RHEL; public are only uses of Ubuntu's.
"""

from collections.abc import Mapping
from dataclasses import dataclass

UBUNTU_22_04_ENDS = "2027-06-30T00:00:00Z"

# (distribution, major.minor or major version) of the operating system that each agent is made for.
NODE_AGENT_SYSTEMS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "batch.node.ubuntu 22.04": (("ubuntu", "22.04"),),
    "batch.node.ubuntu 24.04": (("ubuntu", "24.04"),),
    "batch.node.ubuntu 24.04-arm64": (("ubuntu", "24.04"),),
    "batch.node.el 8": (("almalinux", "8"), ("rocky", "8"), ("rhel", "8")),
    "batch.node.el 9": (("almalinux", "9"), ("rocky", "9"), ("rhel", "9")),
    "batch.node.windows amd64": (("windows", ""),),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class SupportedImage:
    """One line of the listing."""

    agent: str
    publisher: str
    offer: str
    sku: str
    os_type: str = "linux"
    capabilities: tuple[str, ...] = ()
    ends: str = ""  # batchSupportEndOfLife as announced; empty where no end is
    verification: str = "verified"

    def to_wire(self, ends: str) -> dict[str, object]:
        """The entry as the data plane writes it: enumerations in lower case."""
        entry: dict[str, object] = {
            "nodeAgentSKUId": self.agent,
            "imageReference": {
                "publisher": self.publisher,
                "offer": self.offer,
                "sku": self.sku,
                "version": "latest",
            },
            "osType": self.os_type,
            "verificationType": self.verification,
        }
        if self.capabilities:
            entry["capabilities"] = list(self.capabilities)
        if ends:
            entry["batchSupportEndOfLife"] = ends
        return entry


def agent_runs_on(agent: str, distribution: str, version: str, architecture: str) -> bool:
    """Whether the node agent starts on this operating system; unknown agents run on nothing."""
    if agent.endswith("-arm64") != (architecture == "Arm64"):
        return False
    for name, release in NODE_AGENT_SYSTEMS.get(agent, ()):
        if name == distribution.lower() and _same_release(release, version):
            return True
    return False


def _same_release(release: str, version: str) -> bool:
    """Ubuntu's agents serve one release, the others every minor release of a major one."""
    return not release or version == release or version.startswith(f"{release}.")


_GEN2_TRUSTED = ("SecurityTypeTrustedLaunch",)
_HPC = ("DockerCompatible", "NvidiaTeslaDriverInstalled", "SupportsRDMAOnly")

SUPPORTED_IMAGES: tuple[SupportedImage, ...] = (
    SupportedImage(
        agent="batch.node.ubuntu 22.04",
        publisher="canonical",
        offer="0001-com-ubuntu-server-jammy",
        sku="22_04-lts",
        ends=UBUNTU_22_04_ENDS,
    ),
    SupportedImage(
        agent="batch.node.ubuntu 22.04",
        publisher="canonical",
        offer="0001-com-ubuntu-server-jammy",
        sku="22_04-lts-gen2",
        capabilities=_GEN2_TRUSTED,
        ends=UBUNTU_22_04_ENDS,
    ),
    SupportedImage(
        agent="batch.node.ubuntu 24.04",
        publisher="canonical",
        offer="ubuntu-24_04-lts",
        sku="server",
        capabilities=_GEN2_TRUSTED,
    ),
    SupportedImage(
        agent="batch.node.ubuntu 24.04-arm64",
        publisher="canonical",
        offer="ubuntu-24_04-lts",
        sku="server-arm64",
    ),
    SupportedImage(
        agent="batch.node.ubuntu 24.04",
        publisher="canonical",
        offer="ubuntu-24_04-lts",
        sku="server-gen1",
        verification="unverified",
    ),
    SupportedImage(
        agent="batch.node.ubuntu 22.04",
        publisher="microsoft-dsvm",
        offer="ubuntu-hpc",
        sku="2204",
        capabilities=_HPC,
        ends=UBUNTU_22_04_ENDS,
    ),
    SupportedImage(
        agent="batch.node.ubuntu 24.04",
        publisher="microsoft-dsvm",
        offer="ubuntu-hpc",
        sku="2404",
        capabilities=_HPC,
    ),
    SupportedImage(
        agent="batch.node.el 8",
        publisher="almalinux",
        offer="almalinux-x86_64",
        sku="8-gen2",
        capabilities=_GEN2_TRUSTED,
    ),
    SupportedImage(
        agent="batch.node.el 9",
        publisher="almalinux",
        offer="almalinux-x86_64",
        sku="9-gen2",
        capabilities=_GEN2_TRUSTED,
    ),
    SupportedImage(
        agent="batch.node.el 8",
        publisher="almalinux",
        offer="almalinux-hpc",
        sku="8_10-hpc-gen2",
        capabilities=_HPC,
        verification="unverified",
    ),
    SupportedImage(
        agent="batch.node.windows amd64",
        publisher="microsoftwindowsserver",
        offer="windowsserver",
        sku="2022-datacenter",
        os_type="windows",
    ),
    SupportedImage(
        agent="batch.node.windows amd64",
        publisher="microsoftwindowsserver",
        offer="windowsserver",
        sku="2022-datacenter-g2",
        os_type="windows",
        capabilities=_GEN2_TRUSTED,
    ),
)
