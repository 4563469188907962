"""Everything that can go wrong, as values.

    Failure                    why a step ended badly; crosses processes as data
      kind: what to do about it
        transient              time cures it: wait (Retry-After) and look again
        capacity               Azure has no such machine now: try the next size or zone
        quota                  the subscription or account may not use that much
        permission · policy    an administrator must act
        conflict               something of that name exists and differs
        missing                what the request names is not there
        refused                Azure calls the request wrong
        script                 a script on a machine exited with a named code
        timeout                it took longer than its limit
        cancelled              a person asked for it
        bug                    a child orchestration died; its parent goes on to clean up
    StepFailed                 carries a Failure through an orchestrator
    RequestRefused             a caller asked for something impossible; lists every problem
    Bug                        an invariant of ours is broken; never caught

"Still working" is not an error but a decision: `decisions.Wait`.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator

from shared.base.redaction import redacted
from shared.base.wire import Wire


class Kind(StrEnum):
    """What can be done about a failure."""

    TRANSIENT = "transient"
    CAPACITY = "capacity"
    QUOTA = "quota"
    PERMISSION = "permission"
    POLICY = "policy"
    CONFLICT = "conflict"
    MISSING = "missing"
    REFUSED = "refused"
    SCRIPT = "script"
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"
    BUG = "bug"


_Redacted = Annotated[str, AfterValidator(redacted)]


class Problem(Wire):
    """One reason why a request is refused: `field` is its JSON path, such as `pools[0].vmSize`."""

    field: str
    code: str
    message: str
    successor: str | None = None
    log: _Redacted | None = None  # the last lines that a machine printed


class Failure(Wire):
    """Why a step ended badly: what was tried on which resource, what Azure answered, what to do
    next. The message may repeat what others say, so it passes the redaction.
    """

    code: str
    message: _Redacted
    kind: Kind = Kind.REFUSED
    details: list[Problem] = []
    resource: str | None = None
    azure_code: str | None = None
    request_id: str | None = None
    next_action: str | None = None
    log_url: str | None = None
    retry_after: float | None = None  # seconds, only for transient failures

    @property
    def is_own_conflict(self) -> bool:
        """Whether batch-prep itself refused to change what another build holds. A conflict that
        Azure reports has an Azure code.
        """
        return self.kind is Kind.CONFLICT and self.azure_code is None

    def to_answer(self) -> dict[str, Any]:
        """As the HTTP contract shows an error: every field of it, none that only the app needs."""
        return self.model_dump(mode="json", by_alias=True, exclude={"kind", "retry_after"})


class StepFailed(Exception):  # noqa: N818
    """A step of an orchestration ended badly; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class RequestRefused(Exception):  # noqa: N818
    """A caller asked for something impossible; nothing was started."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems))
        self.problems = problems


class Bug(Exception):  # noqa: N818
    """An invariant is broken. Never caught: the instance fails loudly, and the sweep closes its
    record.
    """


def cancelled() -> Failure:
    """The failure of a build that a person stopped."""
    return Failure(
        code="Cancelled",
        kind=Kind.CANCELLED,
        message="The build was cancelled.",
        next_action="Start it again when you want it.",
    )


# -------------------------------------------------------------------------------------------------
# Azure's answers

# Codes that time cures (the service says "later", or another writer is at work), whatever the
# status.
_TRANSIENT_CODES = {
    "AnotherOperationInProgress",
    # What a deleted VM held is free some minutes later: its card is reserved for 180 seconds.
    # https://github.com/hashicorp/terraform-provider-azurerm/issues/688
    "InUseNetworkSecurityGroupCannotBeDeleted",
    "InUseSubnetCannotBeDeleted",
    "InternalExecutionError",
    "InternalServerError",
    "MissingSubscriptionRegistration",  # of a provider that `check_providers` registers meanwhile
    "NetworkingInternalOperationError",
    "NicReservedForAnotherVm",
    "OperationInvalidForCurrentState",  # Batch: the account or pool is between two states
    "OperationPreempted",
    "OperationTimedOut",
    "PoolBeingCreated",
    "PoolBeingDeleted",
    "PoolBeingResized",
    "PrincipalNotFound",  # a fresh identity is not known everywhere yet
    "PublicIPAddressCannotBeDeleted",
    "ResourceGroupBeingDeleted",
    "RetryableError",
    "RetryableErrorDueToAnotherOperation",
    "ServerTimeout",
    "ServiceUnavailable",
    "SubscriptionRequestsThrottled",
    "TooManyRequests",
}
_CAPACITY_CODES = {
    "AllocationFailed",
    "AllocationTimedOut",
    "AllocationTimedout",
    "OverconstrainedAllocationRequest",
    "OverconstrainedAllocationRequestError",
    "OverconstrainedZonalAllocationRequest",
    "SkuNotAvailable",
    "ZonalAllocationFailed",
}
_QUOTA_CODES = {
    "AccountCoreQuotaReached",
    "AccountLowPriorityCoreQuotaReached",
    "AccountSpotCoreQuotaReached",
    "AccountVMSeriesCoreQuotaReached",
    "ActiveJobAndScheduleQuotaReached",
    "PoolQuotaReached",
    "QuotaExceeded",
    "SubscriptionQuotaExceeded",
    "SubscriptionQuotaReached",
}
_PERMISSION_CODES = {
    "AuthorizationFailed",
    "LinkedAuthorizationFailed",
    "MarketplacePurchaseEligibilityFailed",
    "ReadOnlyDisabledSubscription",
    "RequestDisallowedByAzure",
    "ResourcePurchaseValidationFailed",
    "ScopeLocked",
    "TasksOperationsNotAllowed",
}
# Compute's quota refusals share the code OperationNotAllowed with other refusals; only the message
# distinguishes them: "... exceeding approved standardDSv5Family Cores quota ...".
_QUOTA_MESSAGE = re.compile(r"approved .* quota", re.IGNORECASE)
_THROTTLE_MESSAGE = re.compile(r"being throttled|too many requests", re.IGNORECASE)
# 412: another writer came between our look and our request, which we made depend on it.
_TRANSIENT_STATUS = {408, 412, 429, 500, 502, 503, 504}


def classify(status: int, code: str, message: str) -> Kind:
    """What kind of failure Azure's answer is, from its HTTP status, error code and (where it must
    be) text.
    """
    by_code = {
        Kind.TRANSIENT: _TRANSIENT_CODES,
        Kind.CAPACITY: _CAPACITY_CODES,
        Kind.QUOTA: _QUOTA_CODES,
        Kind.PERMISSION: _PERMISSION_CODES,
    }
    for kind, codes in by_code.items():
        if code in codes:
            return kind
    if code == "RequestDisallowedByPolicy":
        return Kind.POLICY
    if _QUOTA_MESSAGE.search(message):
        return Kind.QUOTA
    if status in _TRANSIENT_STATUS or _THROTTLE_MESSAGE.search(message):
        return Kind.TRANSIENT
    by_status = {401: Kind.PERMISSION, 403: Kind.PERMISSION, 404: Kind.MISSING, 409: Kind.CONFLICT}
    return by_status.get(status, Kind.REFUSED)


_NEXT_ACTION = {
    Kind.TRANSIENT: "Start the build again: what was finished is kept.",
    Kind.CAPACITY: "Give more sizes (builderVmSizes, vmSizes), other zones, or try later.",
    Kind.QUOTA: "Ask for a higher quota in the Azure portal, or use a smaller size or fewer nodes.",
    Kind.PERMISSION: "Give the app's identity the role that docs/operations.md names.",
    Kind.POLICY: "Ask the owner of the Azure Policy named above, or use another resource group.",
    Kind.CONFLICT: "Look at the existing resource; rename yours or remove it.",
    Kind.MISSING: "Check the name in the request.",
    Kind.REFUSED: "Correct the request as Azure's message says.",
    Kind.TIMEOUT: "Look at the resource in the Azure portal, then start the build again.",
}


_TERMS = (
    "Accept the terms of the marketplace image once for the subscription (az vm image terms "
    "accept --urn PUBLISHER:OFFER:SKU:latest), and see that it may buy from the marketplace."
)
# https://github.com/Azure/azure-sdk-for-java quotes the answer in a test of galleries.
_REPLICATION = "Nothing in the request is wrong: Azure did not finish copying the image version."
_NEXT_ACTION_BY_CODE = {
    "AccountAlreadyExists": "Choose another account name, or give the resource group that the "
    "account is in: names of Batch accounts are unique in a region.",
    "ActiveJobAndScheduleQuotaReached": "Finish or delete jobs of the account, or ask for a higher "
    "quota of active jobs and job schedules.",
    "MarketplacePurchaseEligibilityFailed": _TERMS,
    "ResourcePurchaseValidationFailed": _TERMS,
    "ReadOnlyDisabledSubscription": "The subscription is disabled: enable it in the Azure portal.",
    "RequestDisallowedByAzure": "Azure has closed this region or service to the subscription: "
    "choose another region, or ask Azure's support.",
    "ScopeLocked": "Remove the lock on the resource or its group, or use another group.",
    "TasksOperationsNotAllowed": "ACR Tasks is closed to this subscription: ask Azure's support, "
    "or build the image elsewhere, push it, and name it in containerImages.",
    "SubscriptionQuotaExceeded": "Name an existing account (batchAccount.name and "
    "resourceGroup), or ask for a higher quota of Batch accounts in this region.",
    "CrpPirReplicationJobsNotCompleted": _REPLICATION,
    "ReplicationFailed": _REPLICATION,
    "ReplicationJobFailed": _REPLICATION,
    "PropertyCannotBeUpdated": 'Ask again with "ifExists": "replace": Azure does not change this '
    "property of an existing pool.",
}


def from_azure(
    *,
    attempted: str,
    resource: str,
    status: int,
    code: str,
    message: str,
    request_id: str | None = None,
    retry_after: float | None = None,
    is_answer: bool = True,
) -> Failure:
    """The failure for one of Azure's error answers, or for none, which is classified by the status
    that it would have had; `attempted` completes "could not …".
    """
    kind = classify(status, code, message)
    said = f"Azure answered {code or status}" if is_answer else "no answer came"
    return Failure(
        code=_OUR_CODE_BY_CODE.get(code) or _our_code(kind),
        kind=kind,
        message=f"Could not {attempted}: {said}: {message}".strip(),
        resource=resource,
        azure_code=code or None,
        request_id=request_id,
        next_action=_NEXT_ACTION_BY_CODE.get(code) or _NEXT_ACTION.get(kind),
        retry_after=retry_after,
    )


# Administrators must act, but no role is missing.
_OUR_CODE_BY_CODE = {
    "MarketplacePurchaseEligibilityFailed": "TermsNotAccepted",
    "ResourcePurchaseValidationFailed": "TermsNotAccepted",
    "ReadOnlyDisabledSubscription": "ServiceClosed",
    "RequestDisallowedByAzure": "ServiceClosed",
    "ScopeLocked": "ScopeLocked",
    "TasksOperationsNotAllowed": "ServiceClosed",
}


def _our_code(kind: Kind) -> str:
    return {
        Kind.TRANSIENT: "AzureUnavailable",
        Kind.CAPACITY: "NoCapacity",
        Kind.QUOTA: "QuotaExceeded",
        Kind.PERMISSION: "PermissionMissing",
        Kind.POLICY: "ForbiddenByPolicy",
        Kind.CONFLICT: "Conflict",
        Kind.MISSING: "NotFound",
    }.get(kind, "RefusedByAzure")


def timeout(*, attempted: str, resource: str, minutes: float) -> Failure:
    """Something did not end within its limit."""
    return Failure(
        code="TimedOut",
        kind=Kind.TIMEOUT,
        message=f"Could not {attempted}: it had not ended after {minutes:.0f} minutes.",
        resource=resource,
        next_action=_NEXT_ACTION[Kind.TIMEOUT],
    )
