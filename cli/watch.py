"""Follow a build until it is over, through hiccups of the service."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote

from cli import errors
from cli.client import Client
from cli.documents import Build
from cli.progress import View

_LOCAL_SECONDS, _REMOTE_SECONDS = 0.5, 2.0  # between looks; a local stack's clock runs fast
_SILENT_MAX = 15  # looks in a row without an answer, each of which already tried several times


def watch(client: Client, build_id: str, view: View, pause: Callable[[float], None]) -> Build:
    """Show the build until it is over; returns its end. Raises Unreachable if all stays silent."""
    interval = _LOCAL_SECONDS if client.is_local else _REMOTE_SECONDS
    silent = 0
    with view:
        while True:
            try:
                build = look(client, build_id)
            except errors.Unreachable as error:
                silent += 1
                if silent > _SILENT_MAX:
                    raise
                view.note(f"No answer, looking again: {error.message.splitlines()[0]}")
            else:
                silent = 0
                view.show(build)
                if build.is_over:
                    return build
            pause(interval)


def look(client: Client, build_id: str) -> Build:
    """The build as it is now. Raises Rejected where there is none of that id."""
    return Build.from_wire(client.get(f"builds/{quote(build_id, safe='')}"))
