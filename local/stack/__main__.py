"""`python -m local.stack`: what `local up` does, for a stack in the background."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from local.stack import layout, supervisor


def main() -> int:
    """Run the stack until it is stopped; 2 if it cannot start."""
    parser = argparse.ArgumentParser(prog="python -m local.stack", description=__doc__)
    parser.add_argument("--state", type=Path, default=layout.DEFAULT_STATE)
    parser.add_argument("--port", type=int, help="default: the usual ports if free, else any")
    parser.add_argument("--time-scale", type=float, help="default: as --machines need it")
    parser.add_argument("--faults", type=Path)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--machines", type=layout.Machines, default=layout.Machines.SCRIPTED)
    parser.add_argument("--roots", type=Path, help="what real machines are made from")
    parser.add_argument("--azure-endpoint")
    parser.add_argument("--app", type=Path, default=layout.ROOT)
    given = parser.parse_args()
    options = layout.Options(
        state=given.state.resolve(),
        port=given.port,
        time_scale=given.time_scale or given.machines.time_scale,
        faults=given.faults.resolve() if given.faults else None,
        seed=given.seed,
        machines=given.machines,
        roots=given.roots.resolve() if given.roots else None,
        azure_endpoint=given.azure_endpoint,
        app=given.app.resolve(),
    )
    try:
        return supervisor.up(options, lambda text: print(text, file=sys.stderr, flush=True))
    except layout.StackError as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
