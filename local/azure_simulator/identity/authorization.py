"""Refuses what the roles of a caller do not permit, as Azure does.

Only where the simulator is set to: in most tests every caller may do everything. Roles are those
that were made here; of the built-in ones none has permissions here, and for what they are about
(pulling images, writing logs) the handlers ask `role_assignments.holds`.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from local.azure_simulator import context, model, resource_ids, store, tokens
from local.azure_simulator.batch import planes
from local.azure_simulator.identity import permissions, role_assignments, role_definitions

_GUIDS = re.compile(r"RoleDefinitionId\] ForAnyOfAnyValues:GuidEquals \{(?P<guids>[^}]*)\}")


class Check(Protocol):
    """Refuses a request, or lets it in."""

    def check(self, azure: context.Azure, request: model.Request, plane: model.Plane) -> None: ...


class Listed:
    """Every caller may do what is listed, at every scope."""

    def __init__(self, actions: Iterable[str]) -> None:
        self._actions = frozenset(action.lower() for action in actions)

    def check(self, azure: context.Azure, request: model.Request, plane: model.Plane) -> None:
        """403 for a request that needs another permission."""
        needed = _needed(azure, request, plane)
        for each in needed:
            if each.action.lower() not in self._actions:
                _refuse("anybody", needed[0], each, plane)


class Assigned:
    """A caller may do what its role assignments permit, each at its scope."""

    def __init__(self) -> None:
        self.used: set[tuple[str, str]] = set()
        """Names of roles, each with an action that was needed."""

    def check(self, azure: context.Azure, request: model.Request, plane: model.Plane) -> None:
        """403 unless the caller has every permission that the request needs."""
        principal = tokens.caller(azure, request)
        own: permissions.Needed | None = None
        for needed in _needed(azure, request, plane):
            own = own or needed
            if not self._is_granted(azure, request, principal, needed):
                _refuse(principal, own, needed, plane)

    def _is_granted(
        self,
        azure: context.Azure,
        request: model.Request,
        principal: str,
        needed: permissions.Needed,
    ) -> bool:
        """Whether any role permits it; every role that does counts as used."""
        roles = [
            role
            for assignment in _assignments(azure, principal, needed.scope)
            if (role := azure.store.find(assignment.properties["roleDefinitionId"])) is not None
            and _permits(role, needed)
            and _meets_condition(azure, assignment, request, needed)
        ]
        self.used |= {(role.properties["roleName"], needed.action) for role in roles}
        return bool(roles)


def _needed(
    azure: context.Azure, request: model.Request, plane: model.Plane
) -> list[permissions.Needed]:
    if plane is model.ARM:
        return permissions.of_arm(request)
    if plane.name != "batch":
        return []
    host = resource_ids.segments(request.path)[0].lower()
    accounts = azure.store.of_type(planes.ACCOUNT_TYPE)
    found = [account.id for account in accounts if planes.data_plane_host(account) == host]
    return permissions.of_batch(request, found[0]) if found else []


def _assignments(azure: context.Azure, principal: str, scope: str) -> Iterator[store.Resource]:
    """Those of a principal that have taken effect at a scope."""
    for item in azure.store.of_type(role_assignments.TYPE):
        if (
            item.properties["principalId"] == principal
            and role_assignments.covers(item.properties["scope"], scope)
            and item.state["worksAt"] <= azure.now
        ):
            yield item


def _permits(role: store.Resource, needed: permissions.Needed) -> bool:
    if not role.is_type(role_definitions.TYPE):
        return False
    kind = "dataActions" if needed.is_data else "actions"
    wanted = needed.action.lower()
    return any(
        fnmatch.fnmatchcase(wanted, pattern.lower())
        for permission in role.properties["permissions"]
        for pattern in permission.get(kind, [])
    )


def _meets_condition(
    azure: context.Azure,
    assignment: store.Resource,
    request: model.Request,
    needed: permissions.Needed,
) -> bool:
    """Of a condition only this is understood: which roles may be assigned, and taken away.
    https://learn.microsoft.com/azure/role-based-access-control/delegate-role-assignments-examples
    """
    condition = assignment.properties.get("condition", "")
    found = _GUIDS.search(condition)
    verb = needed.action.rpartition("/")[2]
    is_of_assignments = needed.action.lower().startswith(role_assignments.TYPE.lower())
    if found is None or not is_of_assignments or verb == "read":
        return True
    given = azure.store.find(request.resource_id)
    asked = json.loads(request.body or b"{}").get("properties", {})
    properties = asked if verb == "write" else {} if given is None else given.properties
    role = resource_ids.name(properties.get("roleDefinitionId", ""))
    is_service = properties.get("principalType", "") == "ServicePrincipal"
    # Azure answers a DELETE of what is not there before it has anything to judge.
    return not properties or (role in found["guids"] and is_service)


def _refuse(
    principal: str,
    own: permissions.Needed,
    needed: permissions.Needed,
    plane: model.Plane,
) -> None:
    client = f"The client '{principal}' with object id '{principal}'"
    if not needed.is_linked:
        message = (
            f"{client} does not have authorization to perform action '{needed.action}' over scope "
            f"'{needed.scope}' or the scope is invalid. If access was recently granted, please "
            "refresh your credentials."
        )
        code = "AuthorizationFailed" if plane is model.ARM else "AuthorizationFailure"
        model.refuse(403, code, message)
    message = (
        f"{client} has permission to perform action '{own.action}' on scope '{own.scope}'; "
        f"however, it does not have permission to perform action(s) '{needed.action}' on the "
        f"linked scope(s) '{needed.scope}' (respectively) or the linked scope(s) are invalid."
    )
    model.refuse(403, "LinkedAuthorizationFailed", message)
