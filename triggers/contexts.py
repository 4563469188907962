"""HTTP: the sources that container images are built from."""

from __future__ import annotations

from shared.base.errors import RequestRefused
from shared.model import build_contexts, own_steps
from shared.model.documents import ContextStored
from triggers.http import Answer, Call


def upload_context(call: Call) -> Answer:
    """Upload a build context, a tar.gz that a container image is built from."""
    if problems := build_contexts.problems(call.body):
        raise RequestRefused(problems)
    name = f"contexts/{own_steps.upload_digest(call.body)}.tar.gz"
    call.services.outbox.put_context(name, call.body)
    return Answer(status=201, document=ContextStored(context=name))
