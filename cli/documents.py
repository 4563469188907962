"""The documents that the service answers about a build, parsed once at this edge.

The command reads them by the service's description, /api/openapi.json; a test compares every field
that is read here with it. Unknown fields are ignored and missing ones have quiet defaults, so that
an older or a newer service can be watched too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Self

from cli import wording


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Detail:
    """One problem behind an error; `log` holds the last lines that a machine printed."""

    text: str
    log: tuple[str, ...] = ()

    @classmethod
    def from_wire(cls, data: Any) -> Self:
        log = data.get("log") if isinstance(data, Mapping) else None
        return cls(text=_detail(data), log=tuple(str(log or "").splitlines()))


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Error:
    """Why something failed: what was tried on what, Azure's answer, what to do next."""

    code: str = ""
    message: str = ""
    details: tuple[Detail, ...] = ()
    resource: str = ""
    azure_code: str = ""
    request_id: str = ""
    next_action: str = ""
    log_url: str = ""

    @classmethod
    def from_wire(cls, data: Any) -> Self | None:
        """`None` for no error."""
        if not data:
            return None
        if not isinstance(data, Mapping):
            return cls(message=str(data))
        return cls(
            code=_text(data, "code"),
            message=_text(data, "message"),
            details=tuple(Detail.from_wire(detail) for detail in data.get("details") or []),
            resource=_text(data, "resource"),
            azure_code=_text(data, "azureCode"),
            request_id=_text(data, "requestId"),
            next_action=wording.as_commands(_text(data, "nextAction")),
            log_url=_text(data, "logUrl"),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """A named part of a build; `pool` is the pool it belongs to, if any."""

    name: str
    state: str = "pending"
    seconds: float | None = None
    percent: float | None = None
    scripted: bool = False  # not really executed, or not its scripted_parts
    scripted_parts: tuple[str, ...] = ()
    stand_in: str = ""  # the system that ran it in the place of the real one
    pool: str = ""
    log_url: str = ""
    note: str = ""  # what the service saw last, while the step runs
    error: Error | None = None

    @property
    def is_over(self) -> bool:
        return self.state not in {"pending", "running"}

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        return cls(
            name=_text(data, "name") or "?",
            state=_text(data, "state") or "pending",
            seconds=_number(data.get("seconds")),
            percent=_number(data.get("percent")),
            scripted=data.get("scripted") is True,
            scripted_parts=tuple(str(part) for part in data.get("scriptedParts") or []),
            stand_in=_text(data, "standIn"),
            pool=_text(data, "pool"),
            note=_text(data, "note"),
            log_url=_text(data, "logUrl"),
            error=Error.from_wire(data.get("error")),
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Pool:
    """A pool of the build; `metadata` is what batch_metadata.json shows of it."""

    id: str
    state: str = ""
    vm_size: str = ""
    nodes: int | None = None
    verified: bool | None = None
    checks: tuple[Mapping[str, Any], ...] = ()
    pending: tuple[str, ...] = ()
    error: Error | None = None
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        nodes = _number(data.get("nodes"))
        verified = data.get("verified")
        return cls(
            id=_text(data, "poolId") or "?",
            state=_text(data, "state"),
            vm_size=_text(data, "vmSize"),
            nodes=None if nodes is None else int(nodes),
            verified=verified if isinstance(verified, bool) else None,
            checks=tuple(check for check in data.get("checks") or [] if isinstance(check, Mapping)),
            pending=tuple(str(name) for name in data.get("pending") or []),
            error=Error.from_wire(data.get("error")),
            metadata={k: v for k, v in data.items() if k not in {"checks", "error"}},
        )


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Build:
    """GET /api/builds/{id}; `document` is the answer itself."""

    id: str
    mode: str = ""
    state: str = "running"
    seconds: float | None = None
    steps: tuple[Step, ...] = ()
    image: Mapping[str, Any] | None = None
    pools: tuple[Pool, ...] = ()
    error: Error | None = None
    resumable: bool = False
    leftovers: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    document: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def is_over(self) -> bool:
        return self.state in {"succeeded", "failed", "cancelled"}

    @property
    def succeeded(self) -> bool:
        return self.state == "succeeded"

    @classmethod
    def from_wire(cls, data: Mapping[str, Any]) -> Self:
        image = data.get("image")
        return cls(
            id=_text(data, "buildId") or "?",
            mode=_text(data, "mode"),
            state=_text(data, "state") or "running",
            seconds=_number(data.get("seconds")),
            steps=tuple(Step.from_wire(step) for step in data.get("steps") or []),
            image=image if isinstance(image, Mapping) and image else None,
            pools=tuple(Pool.from_wire(pool) for pool in data.get("pools") or []),
            error=Error.from_wire(data.get("error")),
            resumable=data.get("resumable") is True,
            leftovers=tuple(str(left) for left in data.get("leftovers") or []),
            warnings=tuple(problem(warning) for warning in data.get("warnings") or []),
            document=data,
        )


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return "" if value is None else str(value)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _detail(detail: Any) -> str:
    if not isinstance(detail, Mapping):
        return str(detail)
    text = _text(detail, "message") or _text(detail, "code") or str(dict(detail))
    return f"{detail['field']}: {text}" if detail.get("field") not in {None, "", "$"} else text


def problem(found: Any) -> str:
    """A blocker or warning in a line: its field, what is wrong, and what helps."""
    text = _detail(found)
    successor = found.get("successor") if isinstance(found, Mapping) else None
    return f"{text} (its successor is {successor})" if successor and successor not in text else text
