"""What a command has around it: environment, two consoles, a way to wait, the service."""

from __future__ import annotations

import dataclasses
import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from cli import errors, sign_in
from cli.client import Client
from local import stack

_LOG_WIDTH = 120  # columns of tables where the output is no terminal


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else _LOG_WIDTH
    # Without emoji=False, a `:key:` in a resource id would be printed as a picture.
    return Console(stderr=stderr, width=width, highlight=False, emoji=False)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Given to every command as Typer's context object; tests give their own."""

    environment: Mapping[str, str] = dataclasses.field(default_factory=lambda: os.environ)
    pause: Callable[[float], None] = time.sleep
    out: Console = dataclasses.field(default_factory=lambda: _console(stderr=False))
    err: Console = dataclasses.field(default_factory=lambda: _console(stderr=True))

    def say(self, text: str) -> None:
        """A remark for the person at the terminal; never on stdout."""
        self.err.print(text, markup=False, soft_wrap=True)

    def print_json(self, document: Any) -> None:
        """One JSON document on stdout, plain."""
        self.out.print(json.dumps(document, indent=2), markup=False, soft_wrap=True)

    @property
    def service_stays(self) -> bool:
        """Not that of `local run`, which ends with its command: advice to ask it would be wrong."""
        return "BATCH_PREP_PASSING" not in self.environment

    def state_folder(self, given: str | None = None) -> Path:
        """Of the local stack: `--state`, else BATCH_PREP_STATE, else `.batch-prep` here."""
        folder = given or self.environment.get("BATCH_PREP_STATE")
        return Path(folder).resolve() if folder else stack.DEFAULT_STATE

    def service_name(self, endpoint: str | None) -> str:
        """Of the service that `connect` leads to: its URL, or the folder of the local stack, which
        has another port now and then.
        """
        url = endpoint or self.environment.get("BATCH_PREP_ENDPOINT")
        return url.rstrip("/") if url else f"the local stack in {self.state_folder()}"

    def connect(self, endpoint: str | None) -> Client:
        """By `--endpoint`, else BATCH_PREP_ENDPOINT, else the local stack, started if none runs. A
        service has a function key, or it signs callers in for BATCH_PREP_SCOPE.
        """
        url = endpoint or self.environment.get("BATCH_PREP_ENDPOINT")
        if url:
            key, scope = (self.environment.get(f"BATCH_PREP_{name}") for name in ("KEY", "SCOPE"))
            signed_in = sign_in.default(scope) if scope else None
            name = self.service_name(endpoint)
            return Client(url, key or None, name=name, pause=self.pause, sign_in=signed_in)
        try:
            running = stack.find(self.state_folder()) or self._started()
        except stack.StackError as error:
            raise errors.Unreachable(str(error)) from error
        name, key = self.service_name(None), running.function_key
        return Client(running.app_url, key, name=name, pause=self.pause)

    def _started(self) -> stack.Running:
        folder = self.state_folder()
        self.say(
            f"No --endpoint given: starting a local stack in the background (state: {folder})."
        )
        running = stack.start_in_background(stack.Options(state=folder, port=None))
        self.say(
            f"It runs at {running.app_url}, one simulated minute takes a second. "
            f"Stop it with: {stack.down_command(folder)}"
        )
        return running
