"""Run the app against everything that can go wrong.

python -m tests.simulation --seeds 1000             a thousand stories
python -m tests.simulation --from 4711 --seeds 1    one of them again
python -m tests.simulation --exhaustive             one build, hurt at every single point
"""

from __future__ import annotations

import argparse
import collections
import logging
import sys
import time

from tests.simulation import exhaustive, running, telling

_TRACES_MAX = 5


def main() -> int:
    """0: everything held. 1: something did not."""
    asked = _arguments()
    logging.disable()
    return _hurt_one_build(asked) if asked.exhaustive else _run_stories(asked)


def _run_stories(asked: argparse.Namespace) -> int:
    seeds = range(asked.first, asked.first + asked.seeds)
    began, failed = time.monotonic(), []
    count: collections.Counter[str] = collections.Counter()
    seconds = 0.0
    for result in running.run_many(seeds, asked.jobs):
        count.update([f"{result.climate} stories", *(f"builds {s}" for s in result.states)])
        count.update({"crashes": result.crashes, "requests": result.requests})
        seconds += result.seconds
        if asked.digests:
            print(result.seed, result.digest)
        if result.broken:
            failed.append(result)
            if len(failed) <= _TRACES_MAX:
                print(result.trace, flush=True)
    told = ", ".join(f"{count[what]} {what}" for what in sorted(count))
    wall = time.monotonic() - began
    if not asked.digests:
        print(f"{asked.seeds} seeds in {wall:.0f} s ({seconds:.0f} s of processors): {told}")
    for result in failed:
        print(f"FAILED {telling.command(result.seed)}")
        print("\n".join(f"    {told[:200]}" for told in result.broken))
    return 1 if failed else 0


def _hurt_one_build(asked: argparse.Namespace) -> int:
    share = exhaustive.Share(every=asked.every, first=asked.first, jobs=asked.jobs)
    is_whole = True
    for name, try_all in exhaustive.RUNS.items():
        began = time.monotonic()
        branches = try_all(share)
        broken = [branch for branch in branches if branch.broken]
        for branch in broken[:_TRACES_MAX]:
            print(f"FAILED at {branch.point}", *branch.broken, branch.trace, sep="\n    ")
        for branch in broken[_TRACES_MAX:]:
            print(f"FAILED at {branch.point}: {branch.broken[0][:150]}")
        wall = time.monotonic() - began
        print(f"{name}: {len(branches)} points, {len(broken)} failed, in {wall:.0f} s", flush=True)
        is_whole = is_whole and not broken
    return 0 if is_whole else 1


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--seeds", type=int, default=50, help="how many stories")
    parser.add_argument("--from", dest="first", type=int, default=0, help="first seed or point")
    parser.add_argument("--digests", action="store_true", help="print what must repeat")
    parser.add_argument("--exhaustive", action="store_true", help="hurt one build everywhere")
    parser.add_argument("--every", type=int, default=1, help="only every so-manyth point")
    parser.add_argument("--jobs", type=int, default=running.processors(), help="processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
