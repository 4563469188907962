"""Send a request, with an id that makes repeating safe and the successors of retired sizes."""

from __future__ import annotations

import copy
import re
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from cli import contexts, errors, request_files
from cli.client import Client

_RETIRED_SIZE = "RetiredVmSize"


def start(
    client: Client,
    request: Mapping[str, Any],
    *,
    accept_successor: bool,
    say: Callable[[str], None],
) -> str:
    """Start the build; returns its id. Raises Rejected or Unreachable."""
    answer = _send(client, "builds", _identified(request), accept_successor, say)
    if not isinstance(answer, dict) or "buildId" not in answer:
        raise errors.Unreachable(
            f"{client.endpoint} accepted the request but named no build: {answer}"
        )
    return str(answer["buildId"])


def plan(
    client: Client,
    request: Mapping[str, Any],
    *,
    accept_successor: bool,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """What the request would do; nothing is started. Raises Rejected or Unreachable."""
    answer = _send(client, "plan", request, accept_successor, say)
    if not isinstance(answer, dict):
        raise errors.Unreachable(f"{client.endpoint} answered no plan: {answer}")
    return answer


def with_context(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """The request with the folder of `--docker-context` uploaded, by the service's name for it."""
    folder = _context(request)
    if folder is None:
        return request
    sent = copy.deepcopy(request)
    sent["image"]["registry"]["build"]["context"] = client.upload_context(contexts.pack(folder))
    return sent


def check_context(request: dict[str, Any]) -> None:
    """Raises Refused for a folder that is no build context, before anything is started."""
    if folder := _context(request):
        contexts.check(folder)


def _context(request: dict[str, Any]) -> Path | None:
    """The folder of this machine that is to be uploaded."""
    folder = request_files.within(request, "image", "registry", "build", "context")
    if not isinstance(folder, str) or re.fullmatch(r"(contexts/[0-9a-f]{32}\.tar\.gz)?", folder):
        return None
    return Path(folder)


def _identified(request: Mapping[str, Any]) -> dict[str, Any]:
    return {**request, "requestId": request.get("requestId") or str(uuid.uuid4())}


def _send(
    client: Client,
    path: str,
    request: Mapping[str, Any],
    accept_successor: bool,
    say: Callable[[str], None],
) -> Any:
    try:
        return client.post(path, request, repeatable=True)
    except errors.Rejected as refusal:
        retired = [
            d for d in refusal.details if d.get("code") == _RETIRED_SIZE and d.get("successor")
        ]
        if not retired:
            raise
        if not accept_successor:
            raise refusal.hinted("With --accept-successor the successor is taken.") from None
    accepted = with_successors(request, retired)
    for detail in retired:
        say(f"{detail['field']}: {detail['successor']} takes the place of a retired size.")
    return client.post(path, accepted, repeatable=True)


def with_successors(
    request: Mapping[str, Any], retired: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """The request with each retired size replaced; `field` is a path such as `pools[0].vmSize`."""
    changed = copy.deepcopy(dict(request))
    for detail in retired:
        *path, last = _path(str(detail["field"]))
        place: Any = changed
        for part in path:
            place = place[part]
        place[last] = detail["successor"]
    return changed


def _path(field: str) -> list[str | int]:
    """`pools[0].vmSize` as `["pools", 0, "vmSize"]`."""
    return [
        int(index) if index else name
        for name, index in re.findall(r"([A-Za-z]\w*)|\[(\d+)\]", field)
    ]
