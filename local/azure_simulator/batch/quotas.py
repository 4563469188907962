"""Quotas of Batch accounts and regions, and the families of sizes Batch knows.

Recorded accounts list 64 families, nearly all with quota 0; new accounts in some subscriptions have
no cores at all. The numbers below stand for an account whose owner asked for a working quota.
Defaults and ceilings: https://learn.microsoft.com/azure/batch/batch-quota-limit

`/_simulator/settings` changes them: `batchQuota:accounts`, `:pools`, `:activeJobs`,
`:dedicatedCores`, `:lowPriorityCores`, and `batchQuota:FAMILY` for the cores of one family.
"""

from __future__ import annotations

from collections.abc import Mapping

from local.azure_simulator import context, model, store

ACCOUNTS_PER_REGION = 3  # recorded: {"accountQuota": 3}
POOLS = 100
ACTIVE_JOBS_AND_SCHEDULES = 300
DEDICATED_CORES = 500
LOW_PRIORITY_CORES = 100

# Families with quota. Batch spells some of them otherwise than compute does; compare ignoring case.
_GRANTED: Mapping[str, int] = {
    "standardDSv5Family": 100,
    "standardDDSv5Family": 100,
    "standardDADSv5Family": 100,
    "standardDASv5Family": 100,
    "standardDSv3Family": 100,
    "standardESv5Family": 64,
    "standardFSv2Family": 64,
    "Standard NCASv3_T4 Family": 64,
    "StandardNCADSA100v4Family": 96,
    "StandardNCadsH100v5Family": 80,
    "standardNDSv2Family": 40,
    "StandardNVADSA10v5Family": 72,
    "StandardNCdsRTXPRO6000BSEv6XLFamily": 144,
    "StandardNCadsX900v9Family": 16,
    "StandardDsv6Family": 100,
    "standardDplsv6Family": 32,
    "standardDpsv6Family": 64,
    "standardEpsv6Family": 32,
    "StandardDdsv6Family": 100,
}

_REFUSED = (
    "standardA8_A11Family",
    "standardAv2Family",
    "standardBSFamily",
    "standardDFamily",
    "standardDv2Family",
    "standardDv3Family",
    "standardDv4Family",
    "standardDv5Family",
    "standardDSFamily",
    "standardDSv2Family",
    "standardDSv2PromoFamily",
    "standardDSv4Family",
    "standardDDv4Family",
    "standardDDv5Family",
    "standardDDSv4Family",
    "standardDAv4Family",
    "standardDASv4Family",
    "standardDCSv2Family",
    "standardDCADSv5Family",
    "standardDLSv5Family",
    "standardDLDSv5Family",
    "standardEv3Family",
    "standardEv4Family",
    "standardEv5Family",
    "standardESv3Family",
    "standardESv4Family",
    "standardEDv4Family",
    "standardEDv5Family",
    "standardEDSv4Family",
    "standardEDSv5Family",
    "standardEAv4Family",
    "standardEASv4Family",
    "standardEASv5Family",
    "standardEADSv5Family",
    "standardFFamily",
    "standardFSFamily",
    "standardGFamily",
    "standardGSFamily",
    "standardHFamily",
    "standardHBSFamily",
    "standardHBrsv2Family",
    "standardHBv3Family",
    "standardHCSFamily",
    "standardLSv2Family",
    "standardMSFamily",
    "standardNCSv3Family",
    "standardNDAMSv4_A100Family",
    "standardNDASv4_A100 Family",
    "standardNDSH100v5Family",
    "standardNVSv3Family",
)

FAMILY_CORES: Mapping[str, int] = {**_GRANTED, **dict.fromkeys(_REFUSED, 0)}


def accounts_per_region(azure: context.Azure) -> int:
    return int(azure.setting("batchQuota:accounts", ACCOUNTS_PER_REGION))


def of_account(azure: context.Azure, account: store.Resource) -> model.JsonObject:
    """The quota properties of an account. Where its pools live in the subscription, compute's
    quotas count and those of cores are null."""
    mode = str(account.properties["poolAllocationMode"]).lower()
    is_own = mode == "usersubscription"
    families = [
        {"name": name, "coreQuota": _limit(azure, name, cores)}
        for name, cores in sorted(FAMILY_CORES.items())
    ]
    low_priority = _limit(azure, "lowPriorityCores", LOW_PRIORITY_CORES)
    return {
        "dedicatedCoreQuota": None if is_own else _limit(azure, "dedicatedCores", DEDICATED_CORES),
        "lowPriorityCoreQuota": None if is_own else low_priority,
        "dedicatedCoreQuotaPerVMFamily": None if is_own else families,
        "dedicatedCoreQuotaPerVMFamilyEnforced": not is_own,
        "poolQuota": _limit(azure, "pools", POOLS),
        "activeJobAndJobScheduleQuota": _limit(azure, "activeJobs", ACTIVE_JOBS_AND_SCHEDULES),
    }


def _limit(azure: context.Azure, name: str, default: int) -> int:
    return int(azure.setting(f"batchQuota:{name}", default))
