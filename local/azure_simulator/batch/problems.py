"""Refusals of Azure Batch, and the form either plane gives them.

Both planes put the request id and the time into the message itself (recorded; see the forms in
https://learn.microsoft.com/rest/api/batchservice/batch-status-and-error-codes).
"""

from collections.abc import Mapping

from local.azure_simulator import model, store

TARGET = "BatchAccount"  # of every error of the management plane
# Recorded: https://github.com/Azure/Batch/issues/85
_CANNOT_BE_UPDATED = "A property that cannot be updated was specified as part of the request."


def refusal(
    status: int, code: str, message: str, values: Mapping[str, str] | None = None
) -> model.Refusal:
    """`values` are the details: "Reason", "PropertyName" and the like."""
    details = [{"code": name, "message": value} for name, value in (values or {}).items()]
    return model.Refusal(status, code, message, target=TARGET, details=details)


def invalid_value(name: str, path: str, value: object, reason: str) -> model.Refusal:
    """A property with a value the service does not take; 400."""
    return refusal(
        400,
        "InvalidPropertyValue",
        "The value provided for one of the properties in the request body is invalid.",
        {
            "PropertyName": name,
            "PropertyPath": path,
            "PropertyValue": str(value),
            "Reason": reason,
        },
    )


def missing_property(name: str, path: str) -> model.Refusal:
    """A property that must be given and is not; 400."""
    return refusal(
        400,
        "MissingRequiredProperty",
        "A required property was not specified in the request body.",
        {"PropertyName": name, "PropertyPath": path},
    )


def unknown_property(name: str, path: str) -> model.Refusal:
    """A property this API version does not have; 400."""
    return refusal(
        400,
        "InvalidRequestBody",
        "The specified Request Body is not syntactically valid.",
        {"Reason": f"Could not find member '{name}' on '{path}'."},
    )


def cannot_be_updated(name: str) -> model.Refusal:
    """A property that only a pool without nodes lets change; 400."""
    return refusal(
        400,
        "PropertyCannotBeUpdated",
        _CANNOT_BE_UPDATED,
        {
            "Reason": _CANNOT_BE_UPDATED,
            "PropertyName": name,
            "PropertyPath": f"properties.{name}",
        },
    )


def invalid_for_state(reason: str) -> model.Refusal:
    """Something else is happening to the resource; 409, and time cures it."""
    return refusal(
        409,
        "OperationInvalidForCurrentState",
        "The specified operation is not valid for the current state of the resource.",
        {"Reason": reason},
    )


def condition_not_met() -> model.Refusal:
    """If-Match or If-None-Match does not hold; 412."""
    return refusal(
        412,
        "ConditionNotMet",
        "The condition specified using HTTP conditional header(s) is not met.",
    )


def not_found(kind: str, message: str = "") -> model.Refusal:
    """`kind` is "Pool", "Job", "Task", "Node", "File" or "Account"; 404."""
    text = message or f"The specified {kind.lower()} does not exist."
    return refusal(404, f"{kind}NotFound", text)


def require(resource: store.Resource | None, kind: str) -> store.Resource:
    """The resource that a request names; raises 404 `KindNotFound` where it is not there."""
    if resource is None:
        raise not_found(kind)
    return resource


def conflict(code: str, message: str) -> model.Refusal:
    """Any other 409."""
    return refusal(409, code, message)
