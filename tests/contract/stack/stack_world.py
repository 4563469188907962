"""A stack of stand-ins, supervised by the code that supervises the real one."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from local import stack
from local.stack import layout, supervisor

_STAND_IN = Path(__file__).with_name("stand_in.py")


def stand_ins(options: stack.Options, ports: layout.Ports, **_: Any) -> tuple[layout.Service, ...]:
    """Three processes with the names, the order and the ports of the real ones."""
    places = {"azurite": ports.blob, "simulator": ports.simulator, "host": ports.host}
    return tuple(
        layout.Service(
            name=name,
            command=(sys.executable, str(_STAND_IN), name, str(port), str(events(options.state))),
            log=options.state / "logs" / f"{name}.log",
            ready_urls=(layout.url(port),),
        )
        for name, port in places.items()
    )


def events(state: Path) -> Path:
    return state / "events"


def happened(state: Path) -> list[str]:
    return events(state).read_text().splitlines()


class Up:
    """Runs `up` to its end; `when_ready` is called once all processes answer."""

    def __init__(self, options: stack.Options, when_ready: Callable[[], None]) -> None:
        self.said: list[str] = []
        self._when_ready = when_ready
        self.code = supervisor.up(options, self._say, stand_ins)

    def _say(self, text: str) -> None:
        self.said.append(text)
        if text.startswith("The local stack runs"):
            self._when_ready()


def interrupt() -> None:
    """What Ctrl-C does to this process."""
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":  # as a process of its own, to be killed
    sys.exit(supervisor.up(stack.Options(state=Path(sys.argv[1]), port=0), print, stand_ins))
