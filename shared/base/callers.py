"""The settings about those who send requests: whether they are known, and how many builds of theirs
may run.
"""

from __future__ import annotations

from pydantic import BaseModel

from shared.base import sign_in
from shared.base.setting import setting

_WHOLE = "a whole number from 0 to 1000"


class Callers(BaseModel):
    """A setting each."""

    auth_enabled: bool = setting(
        sign_in.SETTING,
        "Whether App Service's authentication is on: then its headers name the caller. Azure sets "
        "it. Set it nowhere else, since anybody could send these headers.",
        default=False,
        rule="true or false",
    )
    running_builds_max: int = setting(
        "MAX_RUNNING_BUILDS",
        "With so many builds running, a request to start or resume one is answered with 429; 0 "
        "sets no limit. Pool requests from the queue and the weekly rebuild have their own pace, "
        "and are not refused.",
        default=500,
        ge=0,
        le=1000,
        rule=_WHOLE,
    )
    running_builds_of_caller_max: int = setting(
        "MAX_RUNNING_BUILDS_PER_CALLER",
        "The same for the builds that one caller has started, where App Service's authentication "
        "names the caller; 0 sets no limit. A function key names no caller.",
        default=50,
        ge=0,
        le=1000,
        rule=_WHOLE,
    )
