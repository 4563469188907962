"""The one place that holds everything the simulator knows, in memory and, when asked, in SQLite.

A `Resource` is a document (what Azure shows) and a hidden state (what the simulation needs), with
the events that will happen to it. Long operations, tokens, faults and Batch tasks are resources as
well, of types that do not begin with `Microsoft.`; so one table persists all.

Whatever a request touched is compared with what was last written and committed in one transaction
before the answer leaves (`commit`): nothing acknowledged is lost when the process is killed.
"""

from __future__ import annotations

import dataclasses
import heapq
import json
import pathlib
import sqlite3
from collections.abc import Iterator

from local import private_files
from local.azure_simulator import model, resource_ids


@dataclasses.dataclass(kw_only=True, slots=True)
class Resource:
    """`document` and `state` hold JSON values only; change them in place."""

    id: str
    type: str
    document: model.JsonObject
    state: model.JsonObject = dataclasses.field(default_factory=dict)
    due: list[model.JsonObject] = dataclasses.field(default_factory=list)
    """Pending events: `{"at", "event", "data", "number"}`, `at` in simulated seconds."""
    cost_per_hour: float = 0.0
    """US dollars while the resource exists as it is."""
    number: int = 0
    """Order of creation."""

    @property
    def key(self) -> str:
        return resource_ids.key(self.id)

    @property
    def name(self) -> str:
        return resource_ids.name(self.id)

    @property
    def properties(self) -> model.JsonObject:
        """The document's `properties`, made if absent."""
        found: model.JsonObject = self.document.setdefault("properties", {})
        return found

    @property
    def location(self) -> str:
        return str(self.document.get("location", ""))

    @property
    def tags(self) -> dict[str, str]:
        return self.document.get("tags") or {}

    @property
    def label(self) -> str:
        """One word for its state: the hidden `label`, or else the provisioning state."""
        provisioning = self.document.get("properties", {}).get("provisioningState")
        return str(self.state.get("label") or provisioning or "Succeeded")

    def is_type(self, type_name: str) -> bool:
        return self.type.lower() == type_name.lower()

    def cancel(self, event: str | None = None) -> None:
        """Forget the pending events of this name, or all."""
        self.due = [item for item in self.due if event is not None and item["event"] != event]


class Store:
    """Resources by id, type and parent; the queue of coming events; counters; the ledger."""

    def __init__(self, path: pathlib.Path | None = None) -> None:
        self._resources: dict[str, Resource] = {}
        self._by_type: dict[str, dict[str, Resource]] = {}
        self._children: dict[str, dict[str, Resource]] = {}
        self._queue: list[tuple[float, int, str]] = []
        self._counters: dict[str, int] = {}
        self._counted: dict[str, None] = {}
        self._ledger: list[model.JsonObject] = []
        self._touched: dict[str, None] = {}
        self._file = None if path is None else _File(path)
        if self._file is not None:
            self._load(self._file)

    # --- resources -------------------------------------------------------------------------

    def add(self, resource: Resource) -> Resource:
        """File a new resource, replacing one of the same id."""
        self.remove(resource.id)
        resource.number = self.count("resources")
        self._index(resource)
        self._touched[resource.key] = None
        return resource

    def remove(self, resource_id: str) -> None:
        """Forget one resource; its children stay (see `descendants`)."""
        key = resource_ids.key(resource_id)
        resource = self._resources.pop(key, None)
        if resource is not None:
            del self._by_type[resource.type.lower()][key]
            del self._children[resource_ids.parent(key)][key]
            self._touched[key] = None

    def find(self, resource_id: str) -> Resource | None:
        resource = self._resources.get(resource_ids.key(resource_id))
        if resource is not None:
            self._touched[resource.key] = None
        return resource

    def of_type(self, type_name: str) -> list[Resource]:
        """All resources of a type, oldest first."""
        return self._all(self._by_type.get(type_name.lower(), {}))

    def children(self, parent_id: str, type_name: str | None = None) -> list[Resource]:
        """Direct children, oldest first: a group's resources, a VM's run commands."""
        found = self._all(self._children.get(resource_ids.key(parent_id), {}))
        return [item for item in found if type_name is None or item.is_type(type_name)]

    def descendants(self, parent_id: str) -> list[Resource]:
        """Everything below, children before their parents: the order of deletion."""
        found: list[Resource] = []
        for child in self.children(parent_id):
            found.extend(self.descendants(child.id))
            found.append(child)
        return found

    def everything(self) -> list[Resource]:
        return self._all(self._resources)

    # --- time ------------------------------------------------------------------------------

    def schedule(
        self, resource: Resource, event: str, at: float, data: model.JsonObject | None = None
    ) -> None:
        """Let `event` happen to the resource at a simulated time (seconds since the epoch)."""
        number = self.count("events")
        resource.due.append({"at": at, "event": event, "data": data or {}, "number": number})
        heapq.heappush(self._queue, (at, number, resource.key))
        self._touched[resource.key] = None

    def next_due(self) -> float | None:
        """When the next event is due; None when nothing is pending."""
        self._drop_stale()
        return self._queue[0][0] if self._queue else None

    def pop_due(self, now: float) -> tuple[Resource, model.JsonObject] | None:
        """Take the earliest event that is due by `now`."""
        self._drop_stale()
        if not self._queue or self._queue[0][0] > now:
            return None
        _, number, key = heapq.heappop(self._queue)
        resource = self._resources[key]
        item = next(item for item in resource.due if item["number"] == number)
        resource.due.remove(item)
        self._touched[key] = None
        return resource, item

    # --- counters and ledger ---------------------------------------------------------------

    def count(self, counter: str) -> int:
        """1, 2, 3, … for each counter, across restarts."""
        self._counters[counter] = self._counters.get(counter, 0) + 1
        self._counted[counter] = None
        return self._counters[counter]

    def record(self, entry: model.JsonObject) -> None:
        """Add one line to the ledger."""
        if self._file is None:
            self._ledger.append(entry)
        else:
            self._file.write_ledger(entry)

    def ledger(self) -> list[model.JsonObject]:
        return list(self._ledger) if self._file is None else self._file.read_ledger()

    # --- persistence -----------------------------------------------------------------------

    def commit(self) -> None:
        """Write what changed since the last commit, in one transaction."""
        if self._file is not None:
            for key in self._touched:
                resource = self._resources.get(key)
                self._file.write_resource(key, resource)
            for name in self._counted:
                self._file.write_counter(name, self._counters[name])
            self._file.commit()
        self._touched.clear()
        self._counted.clear()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _load(self, file: _File) -> None:
        self._counters = file.read_counters()
        for resource in file.read_resources():
            self._index(resource)
            for item in resource.due:
                heapq.heappush(self._queue, (item["at"], item["number"], resource.key))

    def _index(self, resource: Resource) -> None:
        key = resource.key
        self._resources[key] = resource
        self._by_type.setdefault(resource.type.lower(), {})[key] = resource
        self._children.setdefault(resource_ids.parent(key), {})[key] = resource

    def _all(self, found: dict[str, Resource]) -> list[Resource]:
        self._touched.update(dict.fromkeys(found))
        return list(found.values())

    def _drop_stale(self) -> None:
        """Drop queue entries whose event was cancelled or whose resource is gone."""
        while self._queue:
            _, number, key = self._queue[0]
            resource = self._resources.get(key)
            if resource and any(item["number"] == number for item in resource.due):
                return
            heapq.heappop(self._queue)


class _File:
    """The SQLite database: one row per resource, counter and ledger line."""

    def __init__(self, path: pathlib.Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        private_files.make(path)
        self._connection = sqlite3.connect(path, check_same_thread=False)
        self._written: dict[str, str] = {}
        self._connection.executescript(
            """
            PRAGMA journal_mode = WAL;
            PRAGMA synchronous = NORMAL;
            CREATE TABLE IF NOT EXISTS resources (key TEXT PRIMARY KEY, number INTEGER, text TEXT);
            CREATE TABLE IF NOT EXISTS counters (name TEXT PRIMARY KEY, value INTEGER);
            CREATE TABLE IF NOT EXISTS ledger (number INTEGER PRIMARY KEY, text TEXT);
            """
        )

    def read_resources(self) -> Iterator[Resource]:
        rows = self._connection.execute("SELECT key, text FROM resources ORDER BY number")
        for key, text in rows.fetchall():
            self._written[key] = text
            yield Resource(**json.loads(text))

    def read_counters(self) -> dict[str, int]:
        return dict(self._connection.execute("SELECT name, value FROM counters").fetchall())

    def read_ledger(self) -> list[model.JsonObject]:
        rows = self._connection.execute("SELECT text FROM ledger ORDER BY number")
        return [json.loads(text) for (text,) in rows.fetchall()]

    def write_resource(self, key: str, resource: Resource | None) -> None:
        """Insert, update or (None) delete a row, if it differs from what was last written."""
        if resource is None:
            if self._written.pop(key, None) is not None:
                self._connection.execute("DELETE FROM resources WHERE key = ?", (key,))
            return
        text = json.dumps(_as_row(resource))
        if self._written.get(key) != text:
            self._written[key] = text
            self._connection.execute(
                "INSERT INTO resources VALUES (?, ?, ?) ON CONFLICT (key) "
                "DO UPDATE SET number = excluded.number, text = excluded.text",
                (key, resource.number, text),
            )

    def write_counter(self, name: str, value: int) -> None:
        self._connection.execute(
            "INSERT INTO counters VALUES (?, ?) "
            "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            (name, value),
        )

    def write_ledger(self, entry: model.JsonObject) -> None:
        self._connection.execute("INSERT INTO ledger (text) VALUES (?)", (json.dumps(entry),))

    def commit(self) -> None:
        self._connection.commit()

    def close(self) -> None:
        self._connection.close()


def _as_row(resource: Resource) -> model.JsonObject:
    names = (field.name for field in dataclasses.fields(Resource))
    return {name: getattr(resource, name) for name in names}
