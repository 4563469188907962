"""The image's bill of materials: copy it from the log blob of the `seal` script to the app's
storage.
"""

from __future__ import annotations

import json

from shared.azure.sdk import Started
from shared.base import names
from shared.engine.activity import Json, PollState, Reconciler, Services
from shared.engine.decisions import Decision, Done, Start, Wait
from shared.model import bill_of_materials, simulation_marks
from shared.model.bill_of_materials import BillPlan
from shared.model.results import BillOfMaterials

_PATIENCE_SECONDS = 60.0  # the VM agent appends to the blob every 15 seconds and at the end


def _source(plan: BillPlan) -> str:
    image = plan.check.image
    command = names.run_command(plan.check.step, image.attempt)
    return names.script_output(image.log_container or "", image.build_id, command)


def _observe(services: Services, plan: BillPlan, _: PollState) -> Json | None:
    """Whether the blob holds the document."""
    from azure.core.exceptions import AzureError

    from shared.store.outage import StorageUnavailable

    try:
        output = services.outbox.read_log(_source(plan))
    except StorageUnavailable:
        raise
    except AzureError as error:  # the image is usable without the document, so only note it
        return {"problem": str(error).partition("\n")[0]}
    found = bill_of_materials.find(output.decode(errors="replace")) if output else None
    return {"found": True} if found else None


def _how(found: Json) -> Json:
    """The simulator's mark of a document that describes no machine."""
    return {"scripted": True} if bill_of_materials.is_scripted(found) else {}


def _decide(plan: BillPlan, observed: Json | None, poll: PollState) -> Decision[BillOfMaterials]:
    seen = observed or {}
    if "kept" in seen:
        document = names.bill_of_materials(plan.check.image.build_id)
        marks = simulation_marks.read(seen)
        return Done(result=BillOfMaterials(document=document, **dict(marks)))
    if "found" in seen:
        return Start(action="keep")
    problem = seen.get("problem") or "the check's output holds none"
    if poll.elapsed < _PATIENCE_SECONDS:
        return Wait(note=problem)
    return Done(result=BillOfMaterials(note=f"There is none: {problem} ({_source(plan)})."))


def _keep(services: Services, plan: BillPlan, _: PollState) -> Started:
    image = plan.check.image
    output = services.outbox.read_log(_source(plan)) or b""
    found = bill_of_materials.find(output.decode(errors="replace")) or {}
    whole = bill_of_materials.complete(found, image, plan.version)
    name = names.bill_of_materials(image.build_id)
    services.outbox.put_document(name, json.dumps(whole).encode())
    return Started(status=200, body={"kept": True, **_how(found)}, operation=None, retry_after=None)


keep_bill_of_materials = Reconciler(
    name="keep_bill_of_materials",
    plan=BillPlan,
    result=BillOfMaterials,
    verb="keep the image's bill of materials",
    subject=_source,
    observe=_observe,
    decide=_decide,
    actions={"keep": _keep},
)
