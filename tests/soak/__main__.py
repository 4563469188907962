"""`make soak`: requests, faults and kills for some minutes; then all must end and nothing stay."""

from __future__ import annotations

import argparse
import collections
import itertools
import json
import random
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import httpx

from local.stack import layout
from tests.mortal_stack import TIME_SCALE, MortalStack
from tests.soak import checks
from tests.soak.traffic import Traffic
from tests.waiting import soon

_BETWEEN_KILLS = (25, 60)  # seconds
_BETWEEN_FAULTS = 8
_BETWEEN_REQUESTS = 1.0
_ENDS_SECONDS = 900  # until everything has ended and been swept
_KILLS = (("host",), ("simulator",), ("host", "simulator"), ("azurite",))
_FAULTS = layout.ROOT / "docs" / "faults"


def main() -> int:
    """0 if all holds."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        soak = Soak(Path(folder), random.Random(asked.seed))
        try:
            soak.run(asked.minutes * 60)
            return soak.report()
        finally:
            soak.stack.stop()


class Soak:
    """One run."""

    def __init__(self, folder: Path, dice: random.Random) -> None:
        self._dice = dice
        self.stack = MortalStack(folder / "state", KEEP_HOURS="3")
        self._traffic = Traffic(self.stack, dice)
        self._files = itertools.cycle(sorted(_FAULTS.glob("*.json")))
        self._kills: collections.Counter[str] = collections.Counter()
        self._struck: collections.Counter[str] = collections.Counter()
        self._began = time.monotonic()
        self._ended = 0.0

    def run(self, seconds: float) -> None:
        """Traffic with faults and kills; then wait until everything has ended."""
        end = self._began + seconds
        kill, fault = self._next_kill(), self._began
        pause = threading.Event()
        while time.monotonic() < end:
            if time.monotonic() > kill:
                self._kill()
                kill = self._next_kill()
            if time.monotonic() > fault:
                self._break_something()
                fault = time.monotonic() + _BETWEEN_FAULTS
            self._traffic.act()
            pause.wait(_BETWEEN_REQUESTS * self._dice.random())
        self._note_faults()
        self.stack.fault()
        assert soon(self._all_answered, _ENDS_SECONDS), "requests get no answer"
        assert soon(self._all_ended, _ENDS_SECONDS), self._running()
        assert soon(self._all_swept, _ENDS_SECONDS), self.stack.ask("GET", "/api/leftovers")
        self._ended = time.monotonic()

    def _next_kill(self) -> float:
        return time.monotonic() + self._dice.uniform(*_BETWEEN_KILLS)

    def _kill(self) -> None:
        which = self._dice.choice(_KILLS)
        self._note_faults()
        self.stack.kill(*which)
        self._kills[" and ".join(which)] += 1
        self.stack.start()

    def _break_something(self) -> None:
        """The faults of the next file, instead of those of the last one."""
        self._note_faults()
        file = next(self._files)
        faults: list[dict[str, Any]] = json.loads(file.read_text())
        self.stack.fault()
        for fault in faults:  # of a file that lets everything fail, some: else no build succeeds
            times = {"times": min(fault["times"], 6)} if "times" in fault else {}
            self.stack.fault({**fault, **times, "id": f"{file.stem}-{time.monotonic_ns()}"})

    def _note_faults(self) -> None:
        for fault in self.stack.simulator("faults"):
            self._struck[fault["id"].rpartition("-")[0]] += fault["struck"]

    # -- the end ----------------------------------------------------------------------------------

    def _all_answered(self) -> bool:
        self._traffic.resend()
        return not self._traffic.has_unanswered

    def _running(self) -> list[dict[str, Any]]:
        found = [b for b in checks.every(self.stack, "builds") if b["state"] not in checks.OVER]
        return [self.stack.ask("GET", f"/api/builds/{b['buildId']}") for b in found]

    def _all_ended(self) -> bool:
        known = {b["buildId"]: b["state"] for b in checks.every(self.stack, "builds")}
        refused = {r["message"] for r in checks.every(self.stack, "refused")}
        waits = [
            m for m, t in self._traffic.messages.items() if m not in known and t not in refused
        ]
        return not waits and all(state in checks.OVER for state in known.values())

    def _all_swept(self) -> bool:
        try:
            self.stack.send("POST", "/api/leftovers/sweep")
            return self.stack.ask("GET", "/api/leftovers")["leftovers"] == []
        except httpx.HTTPError:
            return False

    def report(self) -> int:
        """A table of figures; 1 if anything does not hold."""
        problems = list(checks.outcomes(self.stack, self._traffic))
        left = checks.left_over(self.stack, self._traffic)
        states = collections.Counter(b["state"] for b in checks.every(self.stack, "builds"))
        seconds = self._ended - self._began
        _table("time", {
            "minutes": round(seconds / 60, 1),
            "simulated hours": round(seconds * float(TIME_SCALE) / 3600),
            "requests to Azure": len(self.stack.simulator("ledger")),
        })  # fmt: skip
        _table("sent", self._traffic.sent)
        _table("answers", self._traffic.answers)
        _table("builds", states)
        _table("killed", self._kills)
        _table("faults that struck", self._struck)
        _table("left over", {kind: len(found) for kind, found in left.items()})
        problems += [f"{kind}: {each}" for kind, found in left.items() for each in found]
        print(*problems, sep="\n")
        return int(bool(problems))


def _table(title: str, figures: dict[str, Any]) -> None:
    print(f"\n{title}")
    for name, figure in sorted(figures.items()):
        print(f"  {name:<44}{figure:>8}")


raise SystemExit(main())
