"""One container of the simulator: work on it is done in threads, because the simulator never waits.

How a run ended is kept in a file beside the machine's disk: sealing erases the agent's own files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import queue
import threading
from collections.abc import Callable, Mapping

from local.azure_simulator.machine import disks
from local.machines import container_images, kit, machine, shell, stand_ins

_SCRIPT_SECONDS_MAX = 24 * 3600
"""The simulator itself counts the time-out, in simulated seconds."""
_SEAL_SECONDS_MAX = 300
_BOOTING = threading.BoundedSemaphore(os.cpu_count() or 1)
"""A boot needs a processor; more of them at once only make each other late."""
_SEALED, _SEAL_FAILED = "batch-prep sealed ", "batch-prep seal-failed "


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """One script to be run, and what it is to find around it."""

    name: str
    script: str
    environment: Mapping[str, str]
    images: tuple[str, ...]
    files: Mapping[str, bytes]
    """What https serves in the machine, by `HOST/PATH`."""
    identities: tuple[str, ...]
    user: str
    seals: bool


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Ended:
    """How it ended, with all that it wrote. After sealing: is it off, and its console line."""

    exit_code: int
    stdout: str = ""
    stderr: str = ""
    is_off: bool = False
    console: str = ""


class Container:
    """A machine that boots when it is needed."""

    def __init__(
        self, home: pathlib.Path, kits: pathlib.Path, image: pathlib.Path | None = None
    ) -> None:
        """`image` is the directory of the disk that it is made from, None for a plain Debian's."""
        self._machine = machine.Machine(home, kits)
        self._kits = kits
        self._image = image
        self._orders: dict[str, Order] = {}
        self._around = machine.Surroundings()
        self._lock = threading.Lock()
        self._power: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        # One thread switches it on, and lives on: the machine ends with this thread.
        threading.Thread(target=self._serve_power, daemon=True).start()

    def restart(self, user: str) -> None:
        """Begin to boot it, from the present state of its disk."""

        def job() -> None:
            if self._machine.is_on():
                self._machine.switch_off()
            self._ensure_on(user)

        self._power.put(job)

    def shut_down(self) -> None:
        """Begin to; nothing happens where it is off already."""
        self._power.put(self._machine.switch_off)

    def start(self, order: Order) -> None:
        """Run a script once the machine is on."""
        self._orders[order.name] = order
        threading.Thread(target=self._execute, args=(order,), daemon=True).start()

    def knows(self, name: str) -> bool:
        """Whether it was started by this process."""
        return name in self._orders

    def look(self, name: str) -> Ended | None:
        file = self._result(name)
        return Ended(**json.loads(file.read_text())) if file.exists() else None

    def kill(self, name: str) -> None:
        self._machine.commands.kill(name)

    def remove(self) -> None:
        """For good: nothing can be done with it afterwards."""
        self._power.put(self._machine.remove)
        self._power.put(None)

    def close(self) -> None:
        self._machine.pull_plug()

    # --- in threads ------------------------------------------------------------------------

    def _serve_power(self) -> None:
        while (job := self._power.get()) is not None:
            with contextlib.suppress(
                shell.MachineError
            ):  # the next run meets it again, and says so
                job()

    def _ensure_on(self, user: str) -> None:
        home = self._machine.home
        if not self._machine.root.exists():
            home.mkdir(parents=True, exist_ok=True)
            self._make()
        if not self._machine.is_on():
            self._machine.describe(home.name, user=user)
            self._machine.surround(machine.Surroundings())
            with _BOOTING:
                self._machine.switch_on(dies_with_us=True)

    def _make(self) -> None:
        if self._image is None:
            self._machine.make()
        else:
            disks.copy(self._image, self._machine.home)

    def _wait_on(self, user: str) -> None:
        """Raises MachineError where it does not boot."""
        done: queue.SimpleQueue[shell.MachineError | None] = queue.SimpleQueue()

        def job() -> None:
            try:
                self._ensure_on(user)
            except shell.MachineError as error:
                done.put(error)
            else:
                done.put(None)

        self._power.put(job)
        if (error := done.get()) is not None:
            raise error

    def _execute(self, order: Order) -> None:
        try:
            ended = self._run(order)
        except shell.MachineError as error:
            ended = Ended(exit_code=1, stderr=f"{error}\n")
        file = self._result(order.name)
        file.parent.mkdir(parents=True, exist_ok=True)
        new = file.with_suffix(".new")
        new.write_text(json.dumps(dataclasses.asdict(ended)))
        new.rename(file)

    def _run(self, order: Order) -> Ended:
        self._wait_on(order.user)
        commands = self._machine.commands
        if commands.was_started(order.name):
            return Ended(exit_code=1, stderr="the machine went down meanwhile\n")
        self._add_around(order)
        found = kit.find(self._kits)
        assert found is not None
        script = stand_ins.adapted(order.script, stand_ins.pins(found))
        commands.start(order.name, script, order.environment, _SCRIPT_SECONDS_MAX)
        machine.wait_until(
            lambda: commands.look(order.name) is not None or not self._machine.is_on(),
            _SCRIPT_SECONDS_MAX,
        )
        ran = commands.look(order.name)
        if ran is None:
            return Ended(exit_code=1, stderr="the machine went down\n")
        stdout, stderr = commands.streams(order.name)
        ended = Ended(exit_code=ran.exit_code, stdout=stdout, stderr=stderr)
        return self._sealed(ended) if order.seals and ran.exit_code == 0 else ended

    def _add_around(self, order: Order) -> None:
        """What one script finds around it, others that run beside it find, too."""
        with self._lock:
            for place, data in order.files.items():
                file = self._machine.home / "sites" / place
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
            images = {
                **self._around.images,
                **dict.fromkeys(order.images, container_images.DEFAULT),
            }
            identities = tuple(dict.fromkeys(("", *self._around.identities, *order.identities)))
            self._around = machine.Surroundings(images=images, identities=identities)
            self._machine.surround(self._around)

    def _sealed(self, ended: Ended) -> Ended:
        """Wait until it is off, or says why not."""
        machine.wait_until(
            lambda: not self._machine.is_on() or _SEAL_FAILED in self._machine.console(),
            _SEAL_SECONDS_MAX,
        )
        said = [
            line
            for line in self._machine.console().splitlines()
            if line.startswith((_SEALED, _SEAL_FAILED))
        ]
        is_off = not self._machine.is_on()
        return dataclasses.replace(ended, is_off=is_off, console=said[-1] if said else "")

    def _result(self, name: str) -> pathlib.Path:
        return self._machine.home / "results" / f"{name}.json"
