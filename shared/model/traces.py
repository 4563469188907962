"""Which span is whose parent in the trace of a build. Pure.

A build runs for an hour in many processes, any of which may die, and Durable replays its
orchestrators. So no process hands a span on to another: each derives the ids that it needs from
what it knows anyway, and its spans fit into one tree whenever and wherever they are made.

    build                    trace: the build's id; from its acceptance to its recorded end
    ├─ POST /api/builds      each request, message or timer that begins or changes the build
    ├─ begin_build           one call of an activity that is no step
    │  └─ GET Microsoft...   one request to Azure
    ├─ step builder_vm       from the step's first call to its recorded end
    │  └─ create_builder_vm  one call of its activity
    │     └─ PUT Microsoft.Compute/virtualMachines
    └─ resume                from the moment at which the build was resumed to its end
"""

from __future__ import annotations

from shared.base import names
from shared.base.wire import Wire

_SERVICE_PATHS = {"pools", "jobs"}  # of the Batch service


def trace_id(build: str) -> int:
    """Of a build: the first 32 hexadecimal digits of the SHA-256 of its id."""
    return int(names.digest(build, length=32), 16)


def build_span(build: str) -> int:
    """Of the whole build; also of what happens after it was resumed."""
    return _span_id("build", build)


def resume_span(build: str, reopened_at: str) -> int:
    """Of one resume."""
    return _span_id("resume", build, reopened_at)


def step_span(build: str, pool: str | None, step: str, started_at: str) -> int:
    """Of one try of a step. The orchestration's time of its first call distinguishes the tries, and
    is the same in every replay.
    """
    return _span_id("step", build, pool or "", step, started_at)


def _span_id(*parts: str) -> int:
    return int(names.digest(*parts, length=16), 16) or 1  # 0 is no id


def build_of(plan: Wire) -> str | None:
    """The build that a plan belongs to; None for what is done for all builds."""
    for part in (plan, getattr(plan, "pool", None), getattr(plan, "record", None)):
        build = getattr(part, "build_id", None)
        if build:
            return str(build)
    return None


def request_name(method: str, path: str) -> str:
    """What a request is called: without names of resources, so that requests of one kind have one
    name.
    """
    parts = path.strip("/").split("/")
    if "/providers/" in path or parts[0] == "subscriptions":
        return f"{method} {names.type_of(path)}"
    begins = next((place for place, part in enumerate(parts) if part in _SERVICE_PATHS), None)
    return method if begins is None else f"{method} {'/'.join(parts[begins::2])}"
