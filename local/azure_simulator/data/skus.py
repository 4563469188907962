"""Virtual machine sizes: what Resource SKUs lists, with plausible figures and prices.

Original NC, NCv2 and NV sizes (NC6, NC12, …) are retired and therefore absent. Family names are
irregular in Azure, and so they are here. A fraction of a GPU is listed as one GPU.
"""

from __future__ import annotations

import dataclasses
import re

from local.azure_simulator.data import locations

EVERYWHERE = tuple(locations.NAMES)
_T4 = ("swedencentral", "westeurope", "northeurope", "uksouth", "eastus", "eastus2",
       "southcentralus", "westus2", "australiaeast", "japaneast")  # fmt: skip
_A100 = ("swedencentral", "westeurope", "eastus", "eastus2", "southcentralus", "westus2")
_H100 = ("swedencentral", "westeurope", "eastus2", "southcentralus", "westus3")
_ND = ("swedencentral", "eastus", "southcentralus", "westus3")
_INFINIBAND = re.compile(r"^N[CD]\d+[a-z]*r")
"""An r in the name: https://learn.microsoft.com/azure/virtual-machines/vm-naming-conventions"""
_A10 = ("swedencentral", "westeurope", "eastus", "southcentralus", "westus3")


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Size:
    name: str
    family: str
    cores: int
    memory_gb: float
    price_per_hour: float
    """US dollars, Linux, pay as you go."""
    gpus: int = 0
    temp_disk_gb: int = 0
    nvme_disks: int = 0
    """Local ones, which Azure hands over raw."""
    nvme_disk_gib: int = 0
    generations: str = "V1,V2"
    architecture: str = "x64"
    disk_controllers: str = "SCSI"
    is_trusted_launch_capable: bool = True
    has_infiniband: bool = False
    regions: tuple[str, ...] = EVERYWHERE
    restricted_regions: tuple[str, ...] = ()
    """Listed, but with a restriction: NotAvailableForSubscription."""
    restricted_zones: tuple[str, ...] = ()

    def capabilities(self) -> dict[str, str]:
        """As Resource SKUs lists them: every value a string."""
        found = {
            "MaxResourceVolumeMB": str(self.temp_disk_gb * 1024),
            "OSVhdSizeMB": "1047552",
            "vCPUs": str(self.cores),
            "MemoryPreservingMaintenanceSupported": str(self.gpus == 0),
            "HyperVGenerations": self.generations,
            "DiskControllerTypes": self.disk_controllers,
            "MemoryGB": f"{self.memory_gb:g}",
            "MaxDataDiskCount": str(min(32, 2 * self.cores)),
            "CpuArchitectureType": self.architecture,
            "LowPriorityCapable": "True",
            "PremiumIO": "True",
            "VMDeploymentTypes": "IaaS",
            "vCPUsAvailable": str(self.cores),
            "EphemeralOSDiskSupported": str(self.temp_disk_gb > 0),
            "EncryptionAtHostSupported": "True",
            "AcceleratedNetworkingEnabled": "True",
            "MaxNetworkInterfaces": "2",
        }
        if self.nvme_disks:
            found["NvmeDiskSizeInMiB"] = str(self.nvme_disks * self.nvme_disk_gib * 1024)
            found["NvmeSizePerDiskInMiB"] = str(self.nvme_disk_gib * 1024)
        if self.gpus:
            found["GPUs"] = str(self.gpus)
        if self.has_infiniband:
            found["RdmaEnabled"] = "True"
        if not self.is_trusted_launch_capable:
            found["TrustedLaunchDisabled"] = "True"
        # Ddsv5 and Edsv5 have a temporary disk and no cache: https://github.com/Azure/AKS/issues/2699
        if self.temp_disk_gb and not self.name.endswith("ds_v5"):
            found["CachedDiskBytes"] = str(self.temp_disk_gb * 2**30)
        return found


def _general_purpose() -> list[Size]:
    """D, E and F sizes: (pattern, family, memory per core, price per core, temp disk per core)."""
    series = (
        ("Standard_D{}s_v5", "standardDSv5Family", 4, 0.048, 0),
        ("Standard_D{}ds_v5", "standardDDSv5Family", 4, 0.0565, 37),
        ("Standard_D{}as_v5", "standardDASv5Family", 4, 0.043, 0),
        ("Standard_D{}s_v3", "standardDSv3Family", 4, 0.048, 8),
        ("Standard_E{}s_v5", "standardESv5Family", 8, 0.063, 0),
        ("Standard_E{}ds_v5", "standardEDSv5Family", 8, 0.072, 37),
        ("Standard_F{}s_v2", "standardFSv2Family", 2, 0.0425, 8),
    )
    return [
        Size(
            name=pattern.format(cores),
            family=family,
            cores=cores,
            memory_gb=cores * memory,
            price_per_hour=cores * price,
            temp_disk_gb=cores * temp_disk,
            restricted_zones=("3",) if family == "standardDDSv5Family" and cores == 16 else (),
        )
        for pattern, family, memory, price, temp_disk in series
        for cores in (2, 4, 8, 16)
    ]


def _special() -> list[Size]:
    return [
        Size(
            name="Standard_D4s_v6", family="StandardDsv6Family", cores=4, memory_gb=16,
            price_per_hour=0.202, generations="V2", disk_controllers="NVMe",
        ),
        Size(
            name="Standard_D4ds_v6", family="StandardDdsv6Family", cores=4, memory_gb=16,
            price_per_hour=0.248, generations="V2", disk_controllers="NVMe", nvme_disks=1,
            nvme_disk_gib=220,
        ),
        Size(
            name="Standard_D4ps_v5", family="standardDPSv5Family", cores=4, memory_gb=16,
            price_per_hour=0.154, generations="V2", architecture="Arm64",
        ),
    ]  # fmt: skip


def _cobalt() -> list[Size]:
    """Arm64, without a temporary disk: (pattern, family, memory per core, price per core).

    https://learn.microsoft.com/azure/virtual-machines/sizes/general-purpose/dpsv6-series
    """
    series = (
        ("Standard_D{}pls_v6", "standardDplsv6Family", 2, 0.031),
        ("Standard_D{}ps_v6", "standardDpsv6Family", 4, 0.0358),
        ("Standard_E{}ps_v6", "standardEpsv6Family", 8, 0.047),
    )
    return [
        Size(
            name=pattern.format(cores), family=family, cores=cores, memory_gb=cores * memory,
            price_per_hour=cores * price, generations="V2", architecture="Arm64",
            disk_controllers="NVMe",
        )
        for pattern, family, memory, price in series
        for cores in (2, 4, 8, 16)
    ]  # fmt: skip


def _gpu() -> list[Size]:
    t4 = (("4", 4, 28, 1, 0.526), ("8", 8, 56, 1, 0.752), ("16", 16, 110, 1, 1.204),
          ("64", 64, 440, 4, 4.352))  # fmt: skip
    found = [
        Size(
            name=f"Standard_NC{label}as_T4_v3", family="Standard NCASv3_T4 Family", cores=cores,
            memory_gb=memory, gpus=gpus, price_per_hour=price, temp_disk_gb=cores * 44, regions=_T4,
        )
        for label, cores, memory, gpus, price in t4
    ]  # fmt: skip
    found += [
        Size(
            name=f"Standard_NC{24 * gpus}ads_A100_v4", family="standardNCADSA100v4Family",
            cores=24 * gpus, memory_gb=220 * gpus, gpus=gpus, price_per_hour=3.673 * gpus,
            temp_disk_gb=64 * gpus, nvme_disks=gpus, nvme_disk_gib=894, regions=_A100,
        )
        for gpus in (1, 2, 4)
    ]  # fmt: skip
    found += [
        Size(
            name=name, family="StandardNCadsH100v5Family", cores=40 * gpus, memory_gb=320 * gpus,
            gpus=gpus, price_per_hour=6.98 * gpus, generations="V2", temp_disk_gb=3576 * gpus,
            nvme_disks=gpus, nvme_disk_gib=3576, regions=_H100,
        )
        for name, gpus in (("Standard_NC40ads_H100_v5", 1), ("Standard_NC80adis_H100_v5", 2))
    ]  # fmt: skip
    found += [
        Size(
            name="Standard_ND96isr_H100_v5", family="standardNDSH100v5Family", cores=96, gpus=8,
            memory_gb=1900, price_per_hour=98.32, generations="V2", temp_disk_gb=1000,
            nvme_disks=8, nvme_disk_gib=3576, is_trusted_launch_capable=False, regions=_ND,
            has_infiniband=True,
            restricted_regions=("swedencentral",),
        ),
        Size(
            name="Standard_ND96asr_v4", family="standardNDASv4_A100Family", cores=96, gpus=8,
            memory_gb=900, price_per_hour=27.2, generations="V2", temp_disk_gb=6000,
            is_trusted_launch_capable=False, regions=_ND, has_infiniband=True,
        ),
    ]  # fmt: skip
    found += [
        Size(
            name=f"Standard_NV{cores}ads_A10_v5", family="StandardNVADSA10v5Family", cores=cores,
            memory_gb=cores * 55 / 6, gpus=1, price_per_hour=0.0756 * cores,
            temp_disk_gb=cores * 30, regions=_A10,
        )
        for cores in (6, 12, 18, 36)
    ]  # fmt: skip
    return [*found, *_rtx_pro_6000(), *_rare_gpu()]


def _rtx_pro_6000() -> list[Size]:
    """NCv6: (cores, memory with and without the `l`). From 36 cores on a quarter of a GPU, 72 a
    half, 144 one; each is one device.
    """
    rows = ((24, 72, None), (36, 72, 132), (72, 132, 264), (144, 264, 516), (288, 516, 1032))
    return [
        Size(
            name=f"Standard_NC{cores}{kind}ds_xl_RTXPRO6000BSE_v6", cores=cores, memory_gb=memory,
            family="StandardNCdsRTXPRO6000BSEv6XLFamily", gpus=2 if cores > 144 else 1,
            price_per_hour=0.0345 * cores, generations="V2", disk_controllers="NVMe",
            nvme_disks=1, nvme_disk_gib=max(256, cores * 64 // 9), regions=_A10,
        )
        for cores, lean, full in rows
        for kind, memory in (("l", lean), ("", full))
        if memory is not None
    ]  # fmt: skip


def _rare_gpu() -> list[Size]:
    """(name, family, cores, memory, GPUs, generations, architecture, disk controllers)."""
    rows = (
        ("NV36adms_A10_v5", "StandardNVADSA10v5Family", 36, 880, 1, "V1,V2", "x64", "SCSI"),
        ("NV72ads_A10_v5", "StandardNVADSA10v5Family", 72, 880, 2, "V1,V2", "x64", "SCSI"),
        ("NV12s_v3", "standardNVSv3Family", 12, 112, 1, "V1,V2", "x64", "SCSI"),
        ("NV24s_v3", "standardNVSv3Family", 24, 224, 2, "V1,V2", "x64", "SCSI"),
        ("NV48s_v3", "standardNVSv3Family", 48, 448, 4, "V1,V2", "x64", "SCSI"),
        ("NV4as_v4", "standardNVSv4Family", 4, 14, 1, "V1,V2", "x64", "SCSI"),
        ("NV32as_v4", "standardNVSv4Family", 32, 112, 1, "V1,V2", "x64", "SCSI"),
        ("NG8ads_V620_v1", "StandardNGADSV620v1Family", 8, 16, 1, "V2", "x64", "SCSI"),
        ("NG32adms_V620_v1", "StandardNGADSV620v1Family", 32, 176, 1, "V2", "x64", "SCSI"),
        ("NC6s_v3", "standardNCSv3Family", 6, 112, 1, "V1,V2", "x64", "SCSI"),
        ("NC24rs_v3", "standardNCSv3Family", 24, 448, 4, "V1,V2", "x64", "SCSI"),
        ("ND40rs_v2", "standardNDSv2Family", 40, 672, 8, "V2", "x64", "SCSI"),
        ("NCC40ads_H100_v5", "standardNCCadsH100v5Family", 40, 320, 1, "V2", "x64", "SCSI"),
        ("ND96amsr_A100_v4", "standardNDAMSv4_A100Family", 96, 1900, 8, "V2", "x64", "SCSI"),
        ("ND96is_H100_v5", "standardNDSH100v5Family", 96, 1900, 8, "V2", "x64", "SCSI"),
        ("ND96isr_H200_v5", "standardNDISRH200V5Family", 96, 1850, 8, "V2", "x64", "SCSI"),
        ("ND96is_H200_v5", "standardNDISRH200V5Family", 96, 1850, 8, "V2", "x64", "SCSI"),
        ("ND96isr_MI300X_v5", "standardNDISv5MI300XFamily", 96, 1850, 8, "V2", "x64", "SCSI"),
        ("ND96is_MI300X_v5", "standardNDISv5MI300XFamily", 96, 1850, 8, "V2", "x64", "SCSI"),
        ("ND128isr_NDR_GB200_v6", "standardNDISRGB200v6Family", 128, 900, 4,
         "V2", "Arm64", "NVMe"),
        ("ND128isr_GB300_v6", "standardNDISRGB300v6Family", 128, 900, 4, "V2", "Arm64", "NVMe"),
        # Invented: a series that Azure adds after this list was made.
        ("NC4ads_X900_v9", "StandardNCadsX900v9Family", 4, 40, 2, "V2", "x64", "SCSI"),
    )  # fmt: skip
    return [
        Size(
            name=f"Standard_{name}", family=family, cores=cores, memory_gb=memory, gpus=gpus,
            price_per_hour=4.0 * gpus, generations=generations, architecture=architecture,
            disk_controllers=controllers, temp_disk_gb=180, regions=_A10,
            has_infiniband=_INFINIBAND.search(name) is not None,
        )
        for name, family, cores, memory, gpus, generations, architecture, controllers in rows
    ]  # fmt: skip


def _hpc() -> list[Size]:
    """(name, family, cores, memory, generations, price): MPI between CPUs over InfiniBand.
    https://learn.microsoft.com/azure/virtual-machines/overview-hb-hc
    """
    rows = (
        ("HB120rs_v3", "standardHBrsv3Family", 120, 448, "V1,V2", 3.6),
        ("HB176rs_v4", "standardHBv4Family", 176, 704, "V2", 7.2),
        ("HX176rs", "standardHXFamily", 176, 1408, "V2", 8.64),
    )
    return [
        Size(
            name=f"Standard_{name}", family=family, cores=cores, memory_gb=memory,
            price_per_hour=price, generations=generations, temp_disk_gb=480, regions=_ND,
            is_trusted_launch_capable=False, has_infiniband=True,
        )
        for name, family, cores, memory, generations, price in rows
    ]  # fmt: skip


SIZES = {
    size.name.lower(): size
    for size in (*_general_purpose(), *_special(), *_cobalt(), *_gpu(), *_hpc())
}


def find(name: str) -> Size | None:
    """Sizes compare without case."""
    return SIZES.get(name.lower())
