"""HTTP: the sources that container images are built from, and the files of own steps."""

from __future__ import annotations

from shared.base.errors import RequestRefused
from shared.model import build_contexts, own_steps
from shared.model.documents import ContextStored
from shared.model.queries import UploadQuery
from triggers.http import Answer, Call


def upload_context(call: Call) -> Answer:
    """Upload a tar.gz: a build context, or the files of a step of an image."""
    needs_dockerfile = call.asked(UploadQuery).purpose == "build"
    if problems := build_contexts.problems(call.body, needs_dockerfile=needs_dockerfile):
        raise RequestRefused(problems)
    name = f"contexts/{own_steps.upload_digest(call.body)}.tar.gz"
    call.services.outbox.put_context(name, call.body)
    return Answer(status=201, document=ContextStored(context=name))
