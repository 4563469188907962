"""The task hub: one SQLite file (or ":memory:") that holds everything a restart needs.

Used from one thread. Whatever belongs together is changed inside one `transaction`; work leaves its
table only together with the result it produced, so a process killed at any moment resumes.
"""

import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from enum import StrEnum
from operator import attrgetter
from pathlib import Path
from typing import Any

from local import private_files
from local.functions_host.history import Event

# WAL with synchronous=NORMAL survives the death of the process, not of the machine: enough here.
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE IF NOT EXISTS instances (
  id TEXT PRIMARY KEY, execution TEXT, name TEXT, version TEXT, status TEXT,
  input TEXT, output TEXT, custom_status TEXT, created REAL, updated REAL,
  parent TEXT, parent_execution TEXT, parent_task INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS history (
  instance TEXT, position INTEGER, event TEXT, PRIMARY KEY (instance, position));
CREATE TABLE IF NOT EXISTS inbox (
  id INTEGER PRIMARY KEY, instance TEXT, execution TEXT, due REAL, event TEXT);
CREATE INDEX IF NOT EXISTS inbox_of_instance ON inbox (instance, due, id);
CREATE TABLE IF NOT EXISTS activities (
  id INTEGER PRIMARY KEY, instance TEXT, execution TEXT, task INTEGER, name TEXT, input TEXT);
CREATE TABLE IF NOT EXISTS hidden_activities (id INTEGER PRIMARY KEY, until REAL);
"""


class Status(StrEnum):
    """`runtimeStatus` of an instance."""

    PENDING = "Pending"
    RUNNING = "Running"
    SUSPENDED = "Suspended"
    COMPLETED = "Completed"
    FAILED = "Failed"
    TERMINATED = "Terminated"

    @property
    def is_final(self) -> bool:
        return self in (Status.COMPLETED, Status.FAILED, Status.TERMINATED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """A row of `instances`. Input, output, custom status are JSON text; times epoch seconds."""

    id: str
    execution: str
    name: str
    version: str | None
    status: Status
    input: str | None
    output: str | None = None
    custom_status: str | None = None
    created: float
    updated: float
    parent: str | None = None
    parent_execution: str | None = None
    parent_task: int | None = None

    @classmethod
    def of_row(cls, row: sqlite3.Row) -> "Instance":
        return cls(**{**dict(row), "status": Status(row["status"])})


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """Something that happened to an instance and that no episode has seen yet."""

    id: int
    execution: str | None
    """The execution it belongs to; none for what comes from outside."""
    event: Event


@dataclass(frozen=True, kw_only=True, slots=True)
class Activity:
    """An activity to run."""

    id: int
    instance: str
    execution: str
    task: int
    name: str
    input: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """Which instances to list; the default is all. Times are epoch seconds, ends included."""

    created_from: float | None = None
    created_to: float | None = None
    statuses: frozenset[Status] = frozenset()
    prefix: str = ""
    after: str = ""
    """Only ids greater than this one: where the last page ended."""
    limit: int = -1
    """-1: no limit."""


class Store:
    """Tables in, dataclasses out; no rule of Durable Functions lives here."""

    def __init__(self, path: Path | str = ":memory:") -> None:
        self.path = path
        self._seen: dict[str, Instance] = {}
        # One thread uses it, but the garbage collector may close it in any.
        private_files.make(path)
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._db.executescript(_SCHEMA)
        self._close = weakref.finalize(self, self._db.close)

    def close(self) -> None:
        """Also done when the store is garbage."""
        self._close()

    def copy_from(self, other: "Store") -> None:
        """Hold what `other` holds, and nothing else."""
        other._db.backup(self._db)
        self._seen.clear()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing; a transaction inside another is part of it."""
        if self._db.in_transaction:
            yield
            return
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            self._seen.clear()
            raise
        self._db.execute("COMMIT")

    # Instances

    def instance(self, instance_id: str) -> Instance | None:
        if instance_id in self._seen:
            return self._seen[instance_id]
        row = self._db.execute("SELECT * FROM instances WHERE id = ?", (instance_id,)).fetchone()
        return self._see(Instance.of_row(row)) if row else None

    def put_instance(self, instance: Instance) -> None:
        self._db.execute(_PUT_INSTANCE, _INSTANCE_VALUES(instance))
        self._see(instance)

    def _see(self, instance: Instance) -> Instance:
        """Remember a row: it is asked for several times in each episode."""
        self._seen[instance.id] = instance
        if len(self._seen) > _SEEN_MAX:
            del self._seen[next(iter(self._seen))]
        return instance

    def forget(self, instance_id: str) -> None:
        """Remove the instance and its past; an activity already queued still runs, as on Azure."""
        self._seen.pop(instance_id, None)
        for statement in _FORGET:
            self._db.execute(statement, (instance_id,))

    def start_over(self, instance: Instance, old_execution: str) -> None:
        """Continue as new: an empty history; only what came from outside stays in the inbox."""
        self.put_instance(instance)
        self._db.execute("DELETE FROM history WHERE instance = ?", (instance.id,))
        self._db.execute(
            "DELETE FROM inbox WHERE instance = ? AND execution = ?",
            (instance.id, old_execution),
        )

    def select(self, query: Query) -> list[Instance]:
        """By id, as Azure lists them."""
        conditions = ["id > ?", "substr(id, 1, length(?)) = ?"]
        values: list[Any] = [query.after, query.prefix, query.prefix]
        if query.created_from is not None:
            conditions.append("created >= ?")
            values.append(query.created_from)
        if query.created_to is not None:
            conditions.append("created <= ?")
            values.append(query.created_to)
        if query.statuses:
            conditions.append(f"status IN ({','.join('?' * len(query.statuses))})")
            values.extend(sorted(query.statuses))
        statement = f"SELECT * FROM instances WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?"  # noqa: S608 - no value in it
        return [Instance.of_row(row) for row in self._db.execute(statement, [*values, query.limit])]

    # History

    def history(self, instance_id: str) -> list[Event]:
        return [json.loads(text) for text in self.history_texts(instance_id)]

    def history_texts(self, instance_id: str) -> list[str]:
        """The events as they are stored."""
        rows = self._db.execute(
            "SELECT event FROM history WHERE instance = ? ORDER BY position",
            (instance_id,),
        )
        return [row["event"] for row in rows]

    def longest_history(self) -> int:
        """Events of the instance that has most of them."""
        return int(self._db.execute("SELECT MAX(position) + 1 FROM history").fetchone()[0] or 0)

    def append_history(self, instance_id: str, position: int, texts: Iterable[str]) -> None:
        """Write events behind the `position` that are there already."""
        self._db.executemany(
            "INSERT INTO history VALUES (?, ?, ?)",
            [(instance_id, n, text) for n, text in enumerate(texts, position)],
        )

    def replace_event(self, instance_id: str, position: int, event: Event) -> None:
        self._db.execute(
            "UPDATE history SET event = ? WHERE instance = ? AND position = ?",
            (json.dumps(event), instance_id, position),
        )

    # Messages

    def send(self, instance_id: str, execution: str | None, due: float, event: Event) -> None:
        self._db.execute(
            "INSERT INTO inbox (instance, execution, due, event) VALUES (?, ?, ?, ?)",
            (instance_id, execution, due, json.dumps(event)),
        )

    def messages(self, instance_id: str, due: float) -> list[Message]:
        """What is due by then, oldest first."""
        rows = self._db.execute(
            "SELECT id, execution, event FROM inbox "
            "WHERE instance = ? AND due <= ? ORDER BY due, id",
            (instance_id, due),
        )
        return [
            Message(id=row["id"], execution=row["execution"], event=json.loads(row["event"]))
            for row in rows
        ]

    def hide_messages(self, messages: Sequence[Message], until: float) -> None:
        """Nothing else gets them before that time."""
        self._db.executemany(
            "UPDATE inbox SET due = ? WHERE id = ?", [(until, m.id) for m in messages]
        )

    def drop_messages(self, messages: Sequence[Message]) -> None:
        self._db.executemany("DELETE FROM inbox WHERE id = ?", [(m.id,) for m in messages])

    def clear_inbox(self, instance_id: str) -> None:
        self._db.execute("DELETE FROM inbox WHERE instance = ?", (instance_id,))

    def due_times(self) -> list[tuple[float, str]]:
        """When something is due, and for which instance."""
        rows = self._db.execute("SELECT due, instance FROM inbox ORDER BY due, id")
        return [(row["due"], row["instance"]) for row in rows]

    # Activities

    def queue_activity(self, activity: Activity) -> Activity:
        """Store it; the one returned has its id."""
        cursor = self._db.execute(
            "INSERT INTO activities (instance, execution, task, name, input) "
            "VALUES (?, ?, ?, ?, ?)",
            _ACTIVITY_VALUES(activity)[1:],
        )
        return replace(activity, id=cursor.lastrowid or 0)

    def activities(self) -> list[Activity]:
        rows = self._db.execute("SELECT * FROM activities ORDER BY id")
        return [Activity(**dict(row)) for row in rows]

    def hide_activity(self, activity: Activity, until: float) -> None:
        """Nothing else gets it before that time."""
        values = (activity.id, until)
        self._db.execute("INSERT OR REPLACE INTO hidden_activities VALUES (?, ?)", values)

    def hidden_activities(self) -> dict[int, float]:
        """Until when each that was taken is hidden."""
        return {
            row["id"]: row["until"] for row in self._db.execute("SELECT * FROM hidden_activities")
        }

    def drop_activity(self, activity: Activity) -> None:
        self._db.execute("DELETE FROM activities WHERE id = ?", (activity.id,))
        self._db.execute("DELETE FROM hidden_activities WHERE id = ?", (activity.id,))


_SEEN_MAX = 4096  # rows, some KB each
_INSTANCE_VALUES = attrgetter(*(field.name for field in fields(Instance)))
_ACTIVITY_VALUES = attrgetter(*(field.name for field in fields(Activity)))
# An update of the row in place writes one page; a row put in its stead would be written anew, with
# the pages of its long input. So would one whose key is named among what changes.
_CHANGED = ", ".join(f"{each.name} = excluded.{each.name}" for each in fields(Instance)[1:])
_PUT_INSTANCE = (
    f"INSERT INTO instances VALUES ({', '.join('?' * len(fields(Instance)))}) "  # noqa: S608 - no value in it
    f"ON CONFLICT (id) DO UPDATE SET {_CHANGED}"
)
_FORGET = (
    "DELETE FROM instances WHERE id = ?",
    "DELETE FROM history WHERE instance = ?",
    "DELETE FROM inbox WHERE instance = ?",
)
