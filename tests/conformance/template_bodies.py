"""The bodies that a deployment of `infra/` would send, in the form in which apps' are recorded."""

from __future__ import annotations

import json
from pathlib import Path

from tests.infra import template


def add(record: Path) -> None:
    """Write down one PUT for each resource of the snapshots."""
    with record.open("a") as lines:
        for snapshot in (template.DEFAULT, template.EVERYTHING):
            for each in template.resources(snapshot, {}):
                one = {"method": "PUT", "url": each.url, "body": json.dumps(each.body)}
                lines.write(json.dumps(one) + "\n")
