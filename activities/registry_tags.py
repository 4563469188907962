"""Whether a build would overwrite what others have pushed into a registry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shared.base import names
from shared.base.errors import Problem
from shared.engine.activity import Json, Services
from shared.model.image_parts import RegistryPlan
from shared.model.results import Findings

if TYPE_CHECKING:
    from azure.core.exceptions import AzureError

_FIELD = "image.registry.build.overwriteTag"
_REFUSED = {401, 403}
_AGREE = f'say "{_FIELD.rpartition(".")[2]}": true (--yes)'


def check(services: Services, plan: RegistryPlan, registry: Json) -> Findings:
    """Nothing is asked about a registry that batch-prep made, nor where no image is built."""
    if plan.build_image is None or names.TAG_BUILD in (registry.get("tags") or {}):
        return Findings()
    from azure.core.exceptions import AzureError

    repository, tag = plan.pushed_tag
    image = f"{repository}:{tag} in registry {plan.name}"
    if plan.overwrite_tag:
        message = f"the build overwrites {image}, if that is there: the request agrees"
        return Findings(warnings=[_problem("TagOverwritten", message)])
    try:
        there = services.azure.image_digest(_server(registry), repository, tag)
    except AzureError as error:
        why = _unanswered(error)
        if why is None:
            raise
        message = (
            f"the registry {plan.name}, which batch-prep did not make, does not say whether it has "
            f"{repository}:{tag} ({why}). Give the app's identity AcrPush there (Container "
            "Registry Repository Writer, if the registry has repository permissions) and let its "
            f"network reach the registry, or {_AGREE}"
        )
        return Findings(blockers=[_problem("TagUnknown", message)])
    if there is None or there in services.records.pushed_digests(plan):
        return Findings()
    message = (
        f"{image} is there already ({there}), and neither the registry nor this image is "
        f"batch-prep's: build another tag, or {_AGREE} to overwrite it"
    )
    return Findings(blockers=[_problem("TagExists", message)])


def _server(registry: Json) -> str:
    return str(registry["properties"]["loginServer"])


def _problem(code: str, message: str) -> Problem:
    return Problem(field=_FIELD, code=code, message=message)


def _unanswered(error: AzureError) -> str | None:
    """Why a registry cannot be asked from here; None where it may answer later."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError

    if isinstance(error, HttpResponseError) and error.status_code in _REFUSED:
        return f"HTTP {error.status_code}"
    if isinstance(error, ServiceRequestError):  # no connection, as to a private registry
        return str(error.message)
    return None
