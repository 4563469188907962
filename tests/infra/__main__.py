"""Write the compiled template and the snapshots anew: `python -m tests.infra`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.infra import compiler, template


def main() -> int:
    """0: written; 1: there is no compiler."""
    if compiler.find() is None:
        print(f"NOT RUN: {compiler.ABSENT}")
        return 1
    main_file = template.INFRA / "main.bicep"
    for source in (main_file, *(template.INFRA / "modules").glob("*.bicep")):
        compiler.run("format", source)
    compiler.run("build", main_file, "--outfile", template.INFRA / "main.json")
    for snapshot in (template.DEFAULT, template.EVERYTHING):
        parameters = snapshot.with_name(snapshot.name.replace(".snapshot.json", ".bicepparam"))
        compiler.run("snapshot", parameters, "--mode", "overwrite", *compiler.PLACE)
        _sort_outputs(snapshot)
    return 0


def _sort_outputs(snapshot: Path) -> None:
    """The compiler writes them in another order each time."""
    made = json.loads(snapshot.read_text())
    made["outputs"] = dict(sorted(made["outputs"].items()))
    snapshot.write_text(json.dumps(made, indent=2, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    sys.exit(main())
