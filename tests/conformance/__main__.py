"""Hold an app against what it promises: `python -m tests.conformance [NAME ...]`.

Without names, every scenario runs. The app runs on Microsoft's own Durable extension, with the
simulator and Azurite; the tools for that lie in CONFORMANCE_TOOLS (default ../shared/tools). The
scenarios of `scenarios` share an app; each one of `stress`, which kills, has its own beside it.
What the apps sent to Resource Manager, and what tests have written to BATCH_PREP_RECORD, is then
held against Azure's published types; so is what `infra/` would deploy (the scenario `infra`).

With URL and KEY it is the app that runs there (STORAGE is its connection string, SIMULATOR the
address of its simulated Azure, TIME_SCALE how fast that one's time runs). Nobody kills such an app.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local.stack import layout, supervisor
from tests import memory
from tests.conformance import arm_bodies, running, scenarios, stress, template_bodies
from tests.conformance.app import App

_INFRA = "infra"
_TOOLS = layout.ROOT / os.environ.get("CONFORMANCE_TOOLS", "../shared/tools")


def main() -> int:
    """0: everything held, or the tools are not here; 1: something did not; 2: a name is wrong."""
    known = {_INFRA, *(each.__name__ for each in (*scenarios.ALL, *stress.ALL))}
    names = sys.argv[1:] or sorted(known)
    if wrong := set(names) - known:
        print(f"No scenario is named {', '.join(wrong)}; there are: {', '.join(sorted(known))}")
        return 2
    if url := os.environ.get("URL"):
        return _with_any_app(url, names)
    tools = _TOOLS.resolve()
    if not (tools / "durable-host" / "run.py").exists():
        print(f"NOT RUN: conformance, {tools} holds no tools (CONFORMANCE_TOOLS).")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the apps end, too
    memory.use()
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        record = Path(folder) / "requests.jsonl"
        if _INFRA in names:
            template_bodies.add(record)
        held = _with_the_extension(tools, record, names)
        return 0 if _are_bodies_right(tools, record) and held else 1


def _with_any_app(url: str, names: Sequence[str]) -> int:
    app = App(
        url.rstrip("/"),
        os.environ["KEY"],
        os.environ.get("STORAGE"),
        os.environ.get("SIMULATOR"),
        float(os.environ.get("TIME_SCALE", "1")),
    )
    those = scenarios.ALL if app.simulator else scenarios.WITH_ANY_APP
    chosen = [each for each in those if each.__name__ in names]
    if app.storage is None and scenarios.queue in chosen:
        print("NOT RUN: queue (STORAGE is not set)")
        chosen.remove(scenarios.queue)
    return 0 if running.side_by_side(chosen, app) else 1


def _with_the_extension(tools: Path, record: Path, names: Sequence[str]) -> bool:
    """Run an app for those that share one, and one for each of the others, side by side."""
    calm = [each.__name__ for each in scenarios.ALL if each.__name__ in names]
    groups = [calm, *([each.__name__] for each in stress.ALL if each.__name__ in names)]
    line = [sys.executable, "-m", "tests.conformance.on_extension", str(tools), str(record)]
    started: list[subprocess.Popen[bytes]] = []
    ports: list[layout.Ports] = []
    try:
        for group in filter(None, groups):
            ports.append(_other_ports(ports))
            started.append(subprocess.Popen([*line, str(ports[-1].host), *group]))
        return [each.wait() for each in started] == [0] * len(started)
    finally:
        for each in started:
            each.terminate()
            each.wait()


def _other_ports(taken: Sequence[layout.Ports]) -> layout.Ports:
    """Free ports, none of which another app is about to take."""
    while True:
        found = supervisor.any_free_ports()
        if all(found.named().keys().isdisjoint(each.named()) for each in taken):
            return found


def _are_bodies_right(tools: Path, record: Path) -> bool:
    """Check what the apps have sent, and what tests have recorded besides."""
    if tests := os.environ.get("BATCH_PREP_RECORD"):
        with record.open("ab") as both, Path(tests).open("rb") as recorded:
            shutil.copyfileobj(recorded, both)
    checked = arm_bodies.check(tools, record)
    print(checked.said)
    if not arm_bodies.finds_a_misspelling(tools, record):
        print("FAILED the tool overlooks a misspelt field")
        return False
    return not checked.is_wrong


if __name__ == "__main__":
    sys.exit(main())
