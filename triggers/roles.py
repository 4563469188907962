"""The app roles of signed-in callers, apart from what reads them: a cold start needs no more."""

from __future__ import annotations

from enum import StrEnum


class Role(StrEnum):
    """The value of an app role in Microsoft Entra ID."""

    READER = "Reader"
    BUILDER = "Builder"
    PROMOTER = "Promoter"
    OPERATOR = "Operator"


def holders(needed: Role) -> list[Role]:
    """The roles that open a route: its own, and Operator. Every role may read."""
    return [role for role in Role if needed is Role.READER or role in {needed, Role.OPERATOR}]
