"""One process of the stack: started in its own session, watched by its log and its answers."""

from __future__ import annotations

import ctypes
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx

from local import private_files
from local.stack import layout

_PR_SET_PDEATHSIG = 1  # https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html
_READY_SECONDS = 90.0  # a cold start on a busy machine takes a quarter of that
_LOOK_SECONDS = 0.1
_TAIL_LINES = 25
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class Child:
    """A started process, in its own session: a terminal's Ctrl-C reaches the supervisor only."""

    def __init__(self, service: layout.Service) -> None:
        self.service = service
        service.log.parent.mkdir(parents=True, exist_ok=True)
        self._log_start = service.log.stat().st_size if service.log.exists() else 0
        try:
            self._process = _started(service)
        except OSError as error:
            raise layout.StackError(
                f"{service.name} cannot be started: {error}. Try: make setup"
            ) from error

    @property
    def pid(self) -> int:
        return self._process.pid

    def exit_code(self) -> int | None:
        """`None` while it runs."""
        return self._process.poll()

    def wait_ready(self, is_cancelled: Callable[[], bool]) -> None:
        """Return once it answers. Raises StackError if it ends, is cancelled, or takes too long."""
        service, deadline = self.service, time.monotonic() + _READY_SECONDS
        with httpx.Client(headers=service.ready_headers, timeout=5.0, trust_env=False) as client:
            while not all(
                _answers(client, url, service.must_succeed) for url in service.ready_urls
            ):
                if self.exit_code() is not None:
                    raise layout.StackError(self.death())
                if is_cancelled():
                    raise layout.StackError("Stopped while it was starting.")
                if time.monotonic() > deadline:
                    late = f"{service.name} does not answer after {_READY_SECONDS:.0f} s"
                    raise layout.StackError(f"{late}.\n{self.log_tail()}")
                time.sleep(_LOOK_SECONDS)

    def stop(self) -> None:
        """Ask it to end; insist after its grace."""
        if self.exit_code() is None:
            self._process.terminate()
        try:
            self._process.wait(self.service.grace_seconds)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def death(self) -> str:
        """That it ended, how, and the end of its log."""
        return f"{self.service.name} ended {_how(self.exit_code())}.\n{self.log_tail()}"

    def log_tail(self) -> str:
        """What it wrote last since it was started."""
        return tail(self.service.log, self._log_start)


def _started(service: layout.Service) -> subprocess.Popen[bytes]:
    private_files.make(service.log)
    with service.log.open("ab") as log:
        return subprocess.Popen(  # noqa: S603  the command is ours
            service.command,
            cwd=layout.ROOT,
            env=dict(service.environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509  the supervisor has one thread
        )


def tail(log: Path, start: int = 0) -> str:
    """The last lines of a log file from byte `start` on, with the file's name."""
    with log.open("rb") as reader:
        reader.seek(start)
        lines = reader.read().decode(errors="replace").splitlines()[-_TAIL_LINES:]
    shown = "\n".join(f"  | {line}" for line in lines) or "  | (nothing)"
    return f"The end of {log}:\n{shown}"


def _how(code: int | None) -> str:
    if code is not None and code < 0:
        return f"by {signal.Signals(-code).name}"
    return f"with exit code {code}"


def _end_with_parent() -> None:
    """In the new process: have the kernel send SIGTERM when the supervisor dies."""
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _answers(client: httpx.Client, url: str, must_succeed: bool) -> bool:
    try:
        response = client.get(url)
    except httpx.TransportError:
        return False
    return response.is_success or not must_succeed
