"""How many nodes a resize really gets, and the errors that say why it got fewer.

Batch accepts any target at once; quota, capacity and unusable images show later, as errors of the
resize. A quota cuts the number of nodes to what fits, the others leave none.
Codes: https://learn.microsoft.com/azure/batch/batch-pool-node-error-checking
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

COMMUNICATING_NODES_MAX = 100  # inter-node communication, custom image
_OWN_CODES = frozenset(
    {
        "AccountCoreQuotaReached",
        "AccountLowPriorityCoreQuotaReached",
        "AccountSpotCoreQuotaReached",
        "AccountVMSeriesCoreQuotaReached",
        "AllocationTimedOut",
        "AllocationTimedout",
        "OverconstrainedAllocationRequestError",
        "ResizeStopped",
        "Unknown",
    }
)
_INNER_JSON_MAX = 1024  # "Provider Error Json" is truncated beyond; the limit is an estimate


@dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """One entry of `resizeOperationStatus.errors` (or `resizeErrors` on the data plane)."""

    code: str
    message: str
    values: tuple[tuple[str, str], ...] = ()

    def to_resource_manager(self) -> dict[str, Any]:
        details = [{"code": name, "message": value} for name, value in self.values]
        return {"code": self.code, "message": self.message, "details": details}


@dataclass(frozen=True, kw_only=True, slots=True)
class Quota:
    """Cores still free in each quota; None where a quota does not apply."""

    account_dedicated: int | None
    account_low_priority: int | None
    family_dedicated: int | None
    family: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Growth:
    """The nodes that a pool wants in addition, and the circumstances."""

    dedicated: int
    low_priority: int
    present: int  # nodes it has already
    cores_per_node: int
    quota: Quota
    communicates: bool = False  # interNodeCommunication is enabled
    refusals: Sequence[Error] = field(default_factory=tuple)  # with one, no node comes


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """What a growing pool gets, and why it is less than it wanted."""

    dedicated: int
    low_priority: int
    errors: tuple[Error, ...] = ()


def grant(growth: Growth) -> Grant:
    """Decide a resize: never more nodes than wanted."""
    if growth.refusals:
        return Grant(dedicated=0, low_priority=0, errors=tuple(growth.refusals))
    errors: list[Error] = []
    wanted, low_priority = growth.dedicated, growth.low_priority
    if growth.communicates and growth.present + wanted + low_priority > COMMUNICATING_NODES_MAX:
        wanted = min(wanted, COMMUNICATING_NODES_MAX - growth.present)
        low_priority = min(low_priority, COMMUNICATING_NODES_MAX - growth.present - wanted)
        errors.append(_too_many_communicating())
    dedicated, error = _fit_dedicated(wanted, growth)
    if error is not None:
        errors.append(error)
    fitting = _fitting(low_priority, growth.cores_per_node, growth.quota.account_low_priority)
    if fitting < low_priority:
        errors.append(_account_quota("AccountLowPriorityCoreQuotaReached", "low priority core"))
    return Grant(dedicated=dedicated, low_priority=fitting, errors=tuple(errors))


def allocation_failed(inner_code: str, inner_message: str) -> Error:
    """What compute refuses when Batch asks it for machines, with its own words inside."""
    inner = json.dumps({"error": {"code": inner_code, "message": inner_message}})
    values = [("Reason", "Allocation failed due to error returned by Microsoft.Compute.")]
    values.append(("Provider Error Json", inner[:_INNER_JSON_MAX]))
    if len(inner) > _INNER_JSON_MAX:
        values.append(("Provider Error Json Truncated", "True"))
    return Error(
        code="AllocationFailed",
        message="Desired number of dedicated nodes could not be allocated",
        values=tuple(values),
    )


def allocation_timed_out() -> Error:
    return Error(
        code="AllocationTimedOut",
        message="Desired number of dedicated nodes could not be allocated as the resize timeout "
        "was reached",
    )


def from_fault(error: dict[str, Any]) -> Error:
    """An injected failure: a code of Batch as it is, any other as the reason of compute."""
    if error["code"] in _OWN_CODES:
        return Error(code=error["code"], message=error["message"])
    return allocation_failed(error["code"], error["message"])


def resize_stopped() -> Error:
    return Error(
        code="ResizeStopped", message="Desired number of dedicated nodes: the resize was stopped"
    )


def _fit_dedicated(wanted: int, growth: Growth) -> tuple[int, Error | None]:
    """The account's quota is looked at before the family's, which is usually the smaller."""
    quota, cores = growth.quota, growth.cores_per_node
    in_account = _fitting(wanted, cores, quota.account_dedicated)
    in_family = _fitting(wanted, cores, quota.family_dedicated)
    if in_account < wanted and in_account <= in_family:
        return in_account, _account_quota("AccountCoreQuotaReached", "core")
    if in_family < wanted:
        return in_family, _family_quota(quota.family)
    return wanted, None


def _fitting(nodes: int, cores_per_node: int, free_cores: int | None) -> int:
    if free_cores is None:
        return nodes
    return min(nodes, max(0, free_cores) // cores_per_node)


def _account_quota(code: str, what: str) -> Error:
    return Error(code=code, message=f"The specified account has reached {what} quota")


def _family_quota(family: str) -> Error:
    return Error(
        code="AccountVMSeriesCoreQuotaReached",
        message="The specified account has reached VM series core quota",
        values=(("VM Family Name", family),),
    )


def _too_many_communicating() -> Error:
    return Error(
        code="CommunicationEnabledPoolReachedMaxVMCount",
        message="The specified pool has inter-node communication enabled and reached the maximum "
        f"of {COMMUNICATING_NODES_MAX} nodes",
    )
