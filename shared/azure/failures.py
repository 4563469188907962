"""What Azure refuses, as failures of the app: from the SDKs' exceptions and from error bodies."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from shared.base import errors
from shared.base.errors import Failure

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError


def translate(error: AzureError, *, attempted: str, resource: str) -> Failure:
    """The failure that an SDK's exception stands for: by the status and the error code of Azure's
    answer, or transient where no answer came.
    """
    from azure.core.exceptions import HttpResponseError

    if not isinstance(error, HttpResponseError) or error.status_code is None:
        # No answer at all: the connection broke, or no token could be had.
        return errors.from_azure(
            attempted=attempted,
            resource=resource,
            status=503,
            code="",
            message=str(error),
            is_answer=False,
        )
    response = error.response
    headers: Any = getattr(response, "headers", {})
    code, message = code_and_message(response)
    return errors.from_azure(
        attempted=attempted,
        resource=resource,
        status=error.status_code,
        code=code,
        message=message or str(error.reason or ""),
        request_id=headers.get("x-ms-request-id") or headers.get("request-id"),
        retry_after=seconds(headers.get("Retry-After")),
    )


def code_and_message(response: Any) -> tuple[str, str]:
    """Azure's error code and message, both empty where the answer holds no error. Resource Manager
    writes them below `error`, the Batch service at the top, its message below `value` and the
    reason among the `values`.
    """
    try:
        body = json.loads(response.text())
        error = body.get("error", body)
    except (ValueError, AttributeError):  # no JSON, no object, or no answer at all
        return "", ""
    if not isinstance(error, dict):
        return "", str(error)
    message = error.get("message", "")
    if isinstance(message, dict):
        message = message.get("value", "")
    inner = [d for d in error.get("details") or [] if isinstance(d, dict) and d.get("message")]
    values = [v for v in error.get("values") or [] if isinstance(v, dict) and v.get("value")]
    inner += [{"code": v.get("key", ""), "message": v["value"]} for v in values]
    details = " ".join(f"{d.get('code', '')}: {d['message']}" for d in inner)
    return str(error.get("code", "")), f"{message} {details}".strip()


def seconds(header: str | None) -> float | None:
    """The number of seconds in a Retry-After header; None where there is no number."""
    try:
        return float(header) if header else None
    except ValueError:  # an HTTP date; Azure sends seconds
        return None
