"""The start task of a pool as a body: batch-prep's checks of the node, then the owner's command.

Both are one task, because a pool has only one. The checks need an administrator; the owner's
command runs as the account that the request names. The owner's variables have other names until
that command begins, so that none of them changes a check.
"""

from __future__ import annotations

from typing import Any

from shared.model import catalogue
from shared.model.plans import PoolPlan

Json = dict[str, Any]

_OWN_VARIABLE = "USER_ENV_"


def start_task(plan: PoolPlan, command_line: str) -> Json:
    """The start task whose checks are `command_line`."""
    own = plan.pool.start_task
    user = own.user_identity if own else None
    scope = user.auto_user.scope if user and user.auto_user else "Pool"
    environment = {
        "BUILD_ID": plan.build_id,
        "NONCE": plan.build_id,
        "EXPECT_GPU": _expected_gpus(plan.gpu_count),
        "EXPECT_DCGM": "1" if plan.pool.dcgm else "",
        "EXPECT_INFINIBAND": "true" if plan.expects_infiniband else "",
        "EXPECT_IMAGES": "\n".join(plan.container_images),
        # Without a preloaded image there is nothing that could run without pulling.
        "VERIFY_IMAGE": plan.container_images[0] if plan.container_images else "",
        "USER_START_TASK": own.command_line if own else "",
        "USER_START_TASK_AS": (user and user.user_name) or "",
    }
    settings = [{"name": k, "value": v} for k, v in environment.items() if v]
    if own:
        settings += [
            {"name": f"{_OWN_VARIABLE}{each.name}", "value": each.value}
            for each in own.environment_settings
        ]
    files = [file.to_wire() for file in own.resource_files] if own else []
    return {
        "commandLine": command_line,
        "userIdentity": {"autoUser": {"scope": scope, "elevationLevel": "Admin"}},
        "environmentSettings": settings,
        "resourceFiles": files or None,
        "maxTaskRetryCount": own.max_task_retry_count if own else 1,
        "waitForSuccess": True,
    }


def _expected_gpus(count: int) -> str:
    """For the check on a node, which counts for itself where only the kind of size is known."""
    return "auto" if count == catalogue.UNCOUNTED else str(count or "none")
