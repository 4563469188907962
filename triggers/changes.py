"""HTTP: who changed what."""

from __future__ import annotations

from shared.model.documents import Change, ChangeList
from shared.model.queries import ChangesQuery
from triggers.http import Answer, Call


def list_changes(call: Call) -> Answer:
    """List the requests that changed something, the newest first, each with its caller."""
    query = call.asked(ChangesQuery)
    rows, last = call.services.records.list_changes(query.limit, query.place)
    changes = [
        Change(at=row["At"], what=row["What"], by=row["By"] or None, build_id=row["Build"] or None)
        for row in rows
    ]
    return Answer(document=ChangeList(changes=changes, **call.next_link(query, last)))
