"""HTTP: what no route serves."""

from __future__ import annotations

from dataclasses import replace

from triggers import http, routes
from triggers.http import Answer, Call


def refuse_unknown(call: Call) -> Answer:
    """405 for a path that other methods have, 404 for any other."""
    path = call.params.get("path", "")
    if methods := routes.methods_of(path):
        allowed = ", ".join(methods)
        refusal = http.error(
            405, "MethodNotAllowed", f"{call.method} is not allowed here; use {allowed}."
        )
        return replace(refusal, headers={"Allow": allowed})
    message = "There is no such route. GET /api/openapi.json describes all of them."
    return http.error(404, "NoSuchRoute", message)
