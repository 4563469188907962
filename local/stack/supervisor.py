"""All processes of the stack together: started in order, watched, ended in reverse order."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence

from local.stack import background, layout, record, storage
from local.stack.child import Child
from local.stack.layout import Options, Ports, Service, StackError

Say = Callable[[str], None]
ServicesOf = Callable[..., tuple[Service, ...]]  # layout.services, or what a test starts instead
_LOOK_SECONDS = 0.2
_LOCK_SECONDS = 45.0  # how long an earlier stack in the same folder may take to end
_FREE_PORTS = range(20_000, 32_000)  # below the ports that Linux gives to outgoing connections
_FREE_PORT_TRIES = 200


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Stack:
    """A stack that runs in this process."""

    running: record.Running
    children: Sequence[Child]

    def death(self) -> str | None:
        """Which process ended by itself and what it said; `None` while all run."""
        for child in self.children:
            if child.exit_code() is not None:
                return child.death()
        return None


def up(options: Options, say: Say, services_of: ServicesOf = layout.services) -> int:
    """Run until a signal or `down`: returns 0, or 1 if a process died. Raises StackError."""
    with stop_signals() as asked, running(options, say, asked, services_of) as stack:
        say(_welcome(options, stack.running))
        while not asked.wait(_LOOK_SECONDS):
            if death := stack.death():
                say(f"{death}\nStopping the rest.")
                return 1
        say("Stopping.")
    return 0


@contextlib.contextmanager
def running(
    options: Options,
    say: Say,
    asked: threading.Event,
    services_of: ServicesOf = layout.services,
) -> Iterator[Stack]:
    """A stack that is ready, as long as the block runs. Raises StackError if it cannot start."""
    options.state.mkdir(parents=True, exist_ok=True)
    (options.state / "azurite").mkdir(mode=0o700, exist_ok=True)  # it makes files for everybody
    with contextlib.ExitStack() as undo:
        _lock(options, undo)
        background.end_orphans(options.state)
        ports = _ports(options.port)
        key = record.function_key(options.state)
        services = services_of(
            options,
            ports,
            function_key=key,
            identity_secret=secrets.token_urlsafe(24),
            surrounding=os.environ,
        )
        children = start_all(services, undo, say, asked)
        if any(service.is_storage for service in services):
            storage.prepare(layout.storage_connection_string(ports))
        children[-1].wait_ready(asked.is_set)
        now = record.Running(
            app_url=layout.url(ports.host),
            function_key=key,
            simulator_url=layout.url(ports.simulator),
            storage_connection_string=layout.storage_connection_string(ports),
            pids={child.service.name: child.pid for child in reversed(children)},
            port=ports.host,
            time_scale=options.time_scale,
        )
        undo.callback(record.remove, options.state)
        record.write(options.state, now)
        yield Stack(running=now, children=children)


def start_all(
    services: Sequence[Service], undo: contextlib.ExitStack, say: Say, asked: threading.Event
) -> list[Child]:
    """Start each once the one before answers; the last one is not waited for.

    `undo` ends them in reverse order.
    """
    children: list[Child] = []
    for service in services:
        if children:
            children[-1].wait_ready(asked.is_set)
        say(f"Starting {service.name} ...")
        children.append(Child(service))
        undo.callback(children[-1].stop)
    return children


@contextlib.contextmanager
def stop_signals() -> Iterator[threading.Event]:
    """An event that SIGINT, SIGTERM and SIGHUP set instead of ending the process."""
    asked = threading.Event()
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.signal(number, lambda *_: asked.set()) for number in signals}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# ---------------------------------------------------------------------------------------
# One stack per folder, five ports per stack


def _lock(options: Options, undo: contextlib.ExitStack) -> None:
    """Take the folder, waiting for a stack there that is ending. Raises StackError if one runs."""
    deadline = time.monotonic() + _LOCK_SECONDS
    while (lock := record.take_lock(options.state)) is None:
        if other := background.find(options.state):
            raise StackError(
                f"A stack runs on {options.state} already, at {other.app_url}.\n"
                f"Stop it with: {background.down_command(options.state)}"
            )
        if time.monotonic() > deadline:
            raise StackError(f"Another process holds {options.state} but does not answer.")
        time.sleep(_LOOK_SECONDS)
    undo.callback(lock.close)


def _ports(wanted: int | None) -> Ports:
    """The ports from `wanted` on (see Options). Raises StackError naming each that is taken."""
    if wanted == 0:
        return any_free_ports()
    ports = Ports(host=layout.DEFAULT_PORT if wanted is None else wanted)
    taken = [f"port {port} ({what})" for port, what in ports.named().items() if not _is_free(port)]
    if not taken:
        return ports
    if wanted is None:
        return any_free_ports()
    user = next(filter(None, map(background.user_of, ports.named())), None)
    raise StackError(
        f"Taken by {f'the stack on {user}' if user else 'another program'}: {', '.join(taken)}. "
        "Choose others with --port; --port 0 takes any free ones."
    )


def any_free_ports() -> Ports:
    """Five free ports in a row. Raises StackError if none are found."""
    for _ in range(_FREE_PORT_TRIES):
        ports = Ports(host=random.choice(_FREE_PORTS))  # noqa: S311  no secret
        if all(_is_free(port) for port in ports.named()):
            return ports
    raise StackError(f"No five free ports in a row after {_FREE_PORT_TRIES} tries.")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _welcome(options: Options, now: record.Running) -> str:
    second = f"one simulated minute takes {60 / options.time_scale:.3g} s"
    return (
        f"The local stack runs; {second}. State and logs: {options.state}\n"
        f"  app        {now.app_url}/api/health\n"
        f"  simulator  {now.simulator_url}/_simulator/resources\n"
        f"  storage    {now.storage_connection_string}\n"
        "Use it from another terminal:\n"
        f"  export BATCH_PREP_ENDPOINT={now.app_url} BATCH_PREP_KEY={now.function_key}\n"
        "Ctrl-C stops it."
    )
