"""Start an app on the Durable extension, run scenarios on it, stop it. `__main__` starts this:
`python -m tests.conformance.on_extension TOOLS RECORD PORT NAME ...`.
"""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from local.stack import layout
from tests.conformance import genuine, running, scenarios, stress

_SCALE = 60.0


def main() -> int:
    """0: all that are named held."""
    tools, record, port, *names = sys.argv[1:]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that the processes end, too
    calm = [each for each in scenarios.ALL if each.__name__ in names]
    with tempfile.TemporaryDirectory(prefix="conformance-") as folder:
        ports = layout.Ports(host=int(port))
        with genuine.running(Path(tools), Path(folder), ports, _SCALE, Path(record)) as target:
            held = running.side_by_side(calm, target.app) if calm else True
            for each in stress.ALL:
                if each.__name__ in names:
                    held = running.holds(each, target) and held
            if not held:
                print(target.log(), flush=True)
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
