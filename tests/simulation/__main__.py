"""`python -m tests.simulation`: many seeds, or every single crash and fault of one build."""

from __future__ import annotations

import argparse
import collections
import sys
import time

from tests.simulation import running, telling

_TRACES_MAX = 5


def main() -> int:
    """0: everything held. 1: something did not."""
    asked = _arguments()
    seeds = range(asked.first, asked.first + asked.seeds)
    began, failed = time.monotonic(), []
    count: collections.Counter[str] = collections.Counter()
    for result in running.run_many(seeds, asked.jobs):
        count.update([f"{result.climate} stories", *result.states])
        count["crashes"] += result.crashes
        count["requests"] += result.requests
        count["processor seconds"] += round(result.seconds * 1000)
        if result.broken:
            failed.append(result)
            if len(failed) <= _TRACES_MAX:
                print(result.trace, flush=True)
    count["processor seconds"] //= 1000
    print(f"{asked.seeds} seeds in {time.monotonic() - began:.0f} s: {dict(count)}")
    for result in failed:
        print(f"FAILED {telling.command(result.seed)}")
        for told in result.broken:
            print(f"    {told[:200]}")
    return 1 if failed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=50, help="how many")
    parser.add_argument("--from", dest="first", type=int, default=0, help="the first seed")
    parser.add_argument("--jobs", type=int, default=running.processors())
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
