"""What a script does inside a virtual machine is decided by a `Machine`.

The simulator asks for a run when the guest agent would start it, and either gets the outcome at
once (a scripted machine computes it) or None (a real one has only started it); then it asks `look`
again at later requests. All that a machine must remember lies in `ScriptRun.vm`, a JSON object kept
with the VM, so that a restart of the simulator loses nothing.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Protocol

from local.azure_simulator import model


class PullRefused(Exception):  # noqa: N818 - an answer of a registry, not an error of ours
    """An image cannot be pulled; the text is what Docker would print."""

    def __init__(self, message: str, *, is_login: bool) -> None:
        super().__init__(message)
        self.is_login = is_login


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class PulledImage:
    digest: str
    size_bytes: int


Pull = Callable[[str], PulledImage]
"""What pulling a reference from inside this machine yields; raises PullRefused."""


def pull_nothing(reference: str) -> PulledImage:
    raise PullRefused(f"{reference}: no registry is reachable", is_login=False)


class SecretRefused(Exception):  # noqa: N818 - an answer of Key Vault, not an error of ours
    """A secret cannot be read: Key Vault's status, or 0 where there is no such vault."""

    def __init__(self, status: int) -> None:
        super().__init__(f"status {status}")
        self.status = status


ReadSecret = Callable[[str], str]
"""The value of a secret by its address, as read from inside this machine; raises SecretRefused."""


def read_nothing(address: str) -> str:  # noqa: ARG001 - as of every reader
    raise SecretRefused(0)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class ScriptRun:
    """One run of one script as root."""

    id: str
    """Stable name of the run: look again with it."""
    script: str
    environment: Mapping[str, str]
    vm: model.JsonObject
    """What the machine knows about this VM, see `machine.contents`."""
    fault: model.JsonObject | None = None
    """An injected fault that meets this run, see `faults`."""
    spent: float = 0.0
    """Seconds since it began."""
    pull: Pull = pull_nothing
    read_secret: ReadSecret = read_nothing
    imagined: model.JsonObject | None = None
    """Of a step that is not in `steps`: the data of its result, as one would find it there."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Later:
    """Something that happens in the VM some seconds after the script has begun or ended."""

    after_seconds: float
    console: str = ""
    """A line that appears on the serial console."""
    powers_off: bool = False
    changes: Mapping[str, object] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How a script ended, or will have ended after `seconds`."""

    seconds: float
    exit_code: int = 0
    stdout: str = ""
    stderr: str = ""
    changes: Mapping[str, object] = dataclasses.field(default_factory=dict)
    """Merged into the VM's knowledge when the script ends; not when it is killed before."""
    meanwhile: tuple[Later, ...] = ()
    """What has happened some seconds after its begin, while it goes on; unless it is killed."""
    later: tuple[Later, ...] = ()
    """What it sets in motion, some seconds after its end."""
    crashes: bool = False
    """The VM stops when the script would end; the script never reports."""


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Observation:
    """What a machine did by itself since it was last observed."""

    console: tuple[str, ...] = ()
    is_off: bool = False


class Machine(Protocol):
    """Runs scripts. Implementations: `scripted.ScriptedMachine`, `nspawn.NspawnMachine`."""

    def stand_in(self, vm: model.JsonObject) -> str:
        """The system that really executes there, such as `debian 12`; empty for none."""
        ...

    def boot(self, vm: model.JsonObject) -> None:
        """The VM has started or restarted."""
        ...

    def shut_down(self, vm: model.JsonObject) -> None:
        """Its system ends at once: power off, restart, deallocation, deletion."""
        ...

    def observe(self, vm: model.JsonObject) -> Observation:
        """Asked whenever a request reads a running VM."""
        ...

    def run(self, run: ScriptRun) -> Outcome | None:
        """Start a script. The outcome if it is known already, else None."""
        ...

    def look(self, run: ScriptRun) -> Outcome | None:
        """The outcome of a run that was started before; None while it goes on."""
        ...

    def kill(self, run: ScriptRun) -> None:
        """End a run: time-out, deletion of the run command, loss of the VM."""
        ...

    def destroy(self, vm: model.JsonObject) -> None:
        """The VM is gone."""
        ...

    def capture(self, contents: model.JsonObject) -> model.JsonObject:
        """What an image has inside that is made from this VM or image: a copy, with its disk."""
        ...

    def discard(self, contents: model.JsonObject) -> None:
        """The image is gone."""
        ...
