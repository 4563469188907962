"""Whether App Service's authentication is on. Apart from the other settings: the app is bound by it
when its functions are loaded, and a cold start must neither depend on the others nor load what
checks them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

SETTING = "WEBSITE_AUTH_ENABLED"  # Azure sets it to True


def is_on(environment: Mapping[str, str] | None = None) -> bool:
    """By this environment, or else by that of the process."""
    values = os.environ if environment is None else environment
    return values.get(SETTING, "").lower() == "true"
