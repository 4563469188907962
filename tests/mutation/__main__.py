"""`make mutate`: a sample of mutants, and which of them the tests do not notice."""

from __future__ import annotations

import argparse
import collections
import dataclasses
import json
from pathlib import Path

from tests.mutation import coverage_map, operators, running, source
from tests.mutation.operators import Mutant
from tests.mutation.running import Verdict
from tests.mutation.survivors import accepted

_NO_REASON = "NO REASON: write a test that notices it, or a reason in accepted.toml"
_NOTICED_MIN = 0.85
_STATE = source.ROOT / ".batch-prep" / "mutation"


def main() -> int:
    """0 if enough are noticed, and each survivor of them has its reason."""
    asked = _asked()
    sample = operators.sample(list(operators.of_the_app()), asked.mutants, asked.seed)
    if asked.only:
        sample = [m for m in sample if asked.only in f"{m.file}:{m.line}"]
    kept = _STATE / f"verdicts-{asked.seed}.json"
    verdicts = _Verdicts(kept)
    with running.copied() as copy:
        covered = coverage_map.load(_STATE / "coverage.json", copy, stale=asked.stale)
        running.check(copy, sorted(covered.seconds)[:1])  # before anything counts as noticed
        there = {*covered.seconds, *running.WITHOUT_A_TEST}
        done = [m for m in sample if (v := verdicts.of(m)) and (v.by in there or asked.new)]
        left = [mutant for mutant in sample if mutant not in done]
        _run_all(left, copy, covered, verdicts, asked.seconds)
        noticing = {v.by for v in map(verdicts.of, sample) if v and "::" in v.by}
        running.check(copy, sorted(noticing & covered.seconds.keys()))
    return _report(sample, verdicts)


def _asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--mutants", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=30.0, help="of tests for each mutant")
    parser.add_argument("--only", help="mutants whose FILE:LINE contains this")
    parser.add_argument("--new", action="store_true", help="only those that were never tried")
    parser.add_argument("--stale", action="store_true", help="take the recorded lines as they are")
    return parser.parse_args()


class _Verdicts:
    """Kept between runs: what a test has noticed is not tried again while its file is the same."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._found = json.loads(file.read_text()) if file.exists() else {}

    def _key(self, mutant: Mutant) -> str:
        text = (source.ROOT / mutant.file).read_bytes()
        return json.dumps([*mutant.key, hash_of(text)])

    def of(self, mutant: Mutant) -> Verdict | None:
        found = self._found.get(self._key(mutant))
        return Verdict(**found) if found else None

    def keep(self, mutant: Mutant, verdict: Verdict) -> None:
        self._found[self._key(mutant)] = dataclasses.asdict(verdict)
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._file.write_text(json.dumps(self._found, indent=1))


def hash_of(text: bytes) -> str:
    """Short."""
    import hashlib

    return hashlib.sha256(text).hexdigest()[:16]


def _run_all(
    sample: list[Mutant], copy: Path, covered: coverage_map.CoverageMap, verdicts: _Verdicts,
    budget: float,
) -> None:  # fmt: skip
    known = accepted()
    for number, mutant in enumerate(sample, 1):
        tests = covered.of(mutant, budget)
        verdict = running.run(copy, mutant, tests, sum(covered.seconds[t] for t in tests))
        verdicts.keep(mutant, verdict)
        what = f"noticed by {verdict.by}" if verdict.by else f"SURVIVED {verdict.tests} tests"
        note = " (accepted)" if not verdict.by and mutant.key in known else ""
        print(
            f"{number}/{len(sample)} {mutant.file}:{mutant.line} {mutant.operator}: {what}{note}",
            flush=True,
        )


def _report(sample: list[Mutant], verdicts: _Verdicts) -> int:
    known = accepted()
    results = [(mutant, verdicts.of(mutant)) for mutant in sample]
    survivors = [mutant for mutant, verdict in results if verdict and not verdict.by]
    print(f"\n{'operator':<20}{'mutants':>8}{'noticed':>9}")
    every = collections.Counter(m.operator for m in sample)
    lived = collections.Counter(m.operator for m in survivors)
    for name, count in sorted(every.items()):
        print(f"{name:<20}{count:>8}{count - lived[name]:>9}")
    noticed = len(sample) - len(survivors)
    print(f"{'all':<20}{len(sample):>8}{noticed:>9}  {noticed / len(sample):.1%}")
    for mutant in survivors:
        print(
            f"\n{mutant.file}:{mutant.line} in {mutant.function or 'the module'}: {mutant.operator}"
        )
        print(f"  - {mutant.before}\n  + {mutant.after}")
        print(f"  {known.get(mutant.key, _NO_REASON)}")
    for mutant in sample:
        if mutant.key in known and mutant not in survivors:
            print(f"\nA test notices it now, so it needs no reason: {mutant.file}, {mutant.before}")
    unexplained = [mutant for mutant in survivors if mutant.key not in known]
    return int(noticed < _NOTICED_MIN * len(sample) or bool(unexplained))


raise SystemExit(main())
