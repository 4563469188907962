"""HTTP: the sources that container images are built from."""

from __future__ import annotations

from shared.base import names
from shared.base.errors import Problem, RequestRefused
from shared.model.documents import ContextStored
from triggers.http import Answer, Call

_CONTEXT_BYTES_MAX = 50 * 1024 * 1024
_GZIP = b"\x1f\x8b"


def upload_context(call: Call) -> Answer:
    """Upload a build context, a tar.gz that a container image is built from."""
    if not call.body.startswith(_GZIP) or len(call.body) > _CONTEXT_BYTES_MAX:
        message = f"a context is a tar.gz of at most {_CONTEXT_BYTES_MAX // 2**20} MiB"
        raise RequestRefused([Problem(field="$", code="InvalidContext", message=message)])
    name = f"contexts/{names.digest(call.services.new_id(), length=32)}.tar.gz"
    call.services.outbox.put_context(name, call.body)
    return Answer(status=201, document=ContextStored(context=name))
