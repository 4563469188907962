"""`python -m release package | version NUMBER`."""

from __future__ import annotations

import hashlib
import sys
from datetime import UTC, datetime
from pathlib import Path

from release import bill, package, version

ROOT = Path(__file__).resolve().parents[1]


def make_package(folder: Path) -> int:
    """Write the package and its bill of materials; say what they are."""
    packages = bill.locked(ROOT / "requirements.txt")
    if found := bill.forbidden(packages):
        print("These licences are not on the list of release/bill.py:", *found, sep="\n  ")
        return 1
    name = f"batch-prep-{version.current(ROOT)}"
    target = folder / f"{name}.zip"
    files = package.write(ROOT, target)
    (folder / f"{name}.cdx.json").write_text(
        bill.document("batch-prep", version.current(ROOT), packages), encoding="utf-8"
    )
    content = target.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    print(f"{target}: {len(files)} files, {len(content) / 1024:.0f} KiB, SHA-256 {digest}")
    print(f"{folder / name}.cdx.json: {len(packages)} packages")
    return 0


def main(words: list[str]) -> int:
    """Returns the exit code."""
    match words:
        case ["package"]:
            return make_package(ROOT / "dist")
        case ["version", number]:
            try:
                tag = version.release(ROOT, number, datetime.now(UTC).date())
            except version.NotReleased as refused:
                print(f"Nothing was released: {refused}.")
                return 1
            print(f"Committed and tagged {tag}. Publish it: git push --follow-tags")
            return make_package(ROOT / "dist")
        case _:
            print(__doc__)
            return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
