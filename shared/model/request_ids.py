"""The request ids that the app gives itself. No caller may take one before its time. Pure."""

from __future__ import annotations

import re

# Queue Storage identifies a message by a GUID:
# https://learn.microsoft.com/rest/api/storageservices/put-message
_GUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_OWN = re.compile(rf"message-{_GUID}|recipe-.+-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}")


def of_message(message: str) -> str:
    """That of a queue message without one, by the id of the message."""
    return f"message-{message}"


def of_recipe(name: str, day: str) -> str:
    """That of a recipe's build on a day (YYYY-MM-DD)."""
    return f"recipe-{name}-{day}"


def is_own(request_id: str) -> bool:
    """Whether the app gives such an id itself."""
    return _OWN.fullmatch(request_id) is not None
