"""The blobs to which the builder's scripts are logged. Pure."""

from __future__ import annotations

from shared.base.errors import Problem
from shared.model.plans import ImagePlan


def problem(plan: ImagePlan) -> Problem | None:
    """Why no script would start, or None.

    The agent creates the blobs before it starts a script, and fails the script if it may not. The
    builder's own identity never may: it is new with each VM, so it has no role.
    https://github.com/Azure/run-command-handler-linux
    """
    if not plan.log_container or (plan.log_identity_id and plan.log_identity_client_id):
        return None
    return Problem(
        field="STEP_LOG_IDENTITY_ID",
        code="StepLogIdentityMissing",
        message=(
            f"scripts are logged to {plan.log_container}, and no identity is set that may write "
            "there: set STEP_LOG_IDENTITY_ID and STEP_LOG_IDENTITY_CLIENT_ID to a user-assigned "
            "identity with the role Storage Blob Data Contributor on the container, or remove "
            "STEP_LOG_CONTAINER_URL"
        ),
    )
