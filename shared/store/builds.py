"""Records of builds: the builds themselves, their steps, and what steps took."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.base import durations, timing
from shared.base.wire import Wire, replace
from shared.model.outcomes import BuildOutcome
from shared.model.requests import Mode
from shared.store import build_list, build_rows
from shared.store.build_list import BuildList
from shared.store.row_checks import BUILDS, ENDED, PACE, RUNNING, STEPS

if TYPE_CHECKING:
    from shared.model.queries import Place
    from shared.store.tables import Among, Row, Tables

Json = dict[str, Any]

_UNSEEN = "it has begun, and its first poll is still to come"


class NextStep(Wire):
    """The step that runs from the moment at which another is done."""

    name: str
    typical: float  # seconds


class StepMark(Wire):
    """Which step an activity call belongs to."""

    build: str
    name: str
    pool: str | None = None
    started_at: str
    typical: float = 0.0  # seconds
    cancellable: bool = True
    then: NextStep | None = None


def _ended(outcome: BuildOutcome, now: str) -> Json:
    return {"State": outcome.state, "EndedAt": now, **_outcome(outcome)}


def _outcome(outcome: BuildOutcome) -> Json:
    wire = outcome.to_wire()
    return {"Outcome": wire, **build_rows.of_outcome(wire)}


def outcome_of(row: Row) -> BuildOutcome | None:
    """How the build of this row ended, or None while it runs, also again."""
    outcome = row.get("Outcome") if row["State"] in ENDED else None
    return BuildOutcome.from_wire(outcome) if outcome else None


class Builds:
    """Builds, steps and durations."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._list = BuildList(tables)

    # -- builds ------------------------------------------------------------------------------------

    def accept_build(
        self,
        build: str,
        mode: Mode,
        request: Json,
        now: str,
        definition: str = "",
        caller: str | None = None,
        defaults: Json | None = None,
    ) -> Row | None:
        """Insert a build's row, or return the one that is there already. None if that one cannot be
        read, or was withdrawn at this moment. `definition` is that of its image, and `defaults` are
        the settings `default_...`: a resumed build keeps them, whatever is set by then.
        """
        values = {"State": "accepted", "Mode": mode.value, "AcceptedAt": now, "Request": request}
        defaults = defaults or {}
        values |= build_rows.of_request(request, defaults.get("default_resource_group", ""))
        if defaults:
            values["Defaults"] = defaults
        if definition:
            values["Definition"] = definition
        if caller:
            values["RequestedBy"] = caller
        row = self._tables.insert(BUILDS, "build", build, values) or self.build(build)
        if row is not None and row["State"] == "accepted":
            self._list.put(row)
        return row

    def withdraw_build(self, row: Row) -> bool:
        """Forget a build that could not be accepted after all; False if another writer was first:
        one who accepts or cancels it.
        """
        is_gone = self._tables.remove_seen(BUILDS, row)
        if is_gone:
            self._list.remove(row)
        return is_gone

    def confirm_build(self, row: Row) -> bool:
        """The build has its image: a caller who saw the row before cannot withdraw it now."""
        return self._tables.replace(BUILDS, row, {"State": "accepted"})

    def begin_build(self, build: str, now: str) -> None:
        """The orchestration has taken the build up; a resumed build keeps its beginning."""

        def change(row: Row) -> Json:
            return {"State": "running", "EndedAt": "", "CreatedAt": row.get("CreatedAt") or now}

        self._tables.update(BUILDS, "build", build, change)
        self._show(build)

    def reopen_build(self, build: str, now: str) -> bool:
        """Let an ended build go on; False if it has not ended."""
        row = self.build(build)
        if row is None or row["State"] not in {"failed", "cancelled"}:
            return False
        values = {"State": "accepted", "Cancel": False, "ReopenedAt": now}
        reopened = self._tables.replace(BUILDS, row, values)
        self._show(build)
        return reopened

    def close_again(self, build: str) -> None:
        """Undo `reopen_build` where nothing came of it."""
        row = self.build(build)
        if row is not None and row["State"] == "accepted" and row.get("Outcome"):
            self._tables.replace(BUILDS, row, {"State": row["Outcome"]["state"]})
            self._show(build)

    def end_build(self, outcome: BuildOutcome, now: str) -> None:
        """Write the outcome."""
        ended = _ended(outcome, now)
        self._tables.update(BUILDS, "build", outcome.build_id, lambda _: ended)
        self._show(outcome.build_id)

    def end_dead_build(self, outcome: BuildOutcome, now: str) -> None:
        """Write the outcome of a build that died, unless the build itself wrote one meanwhile."""
        row = self.build(outcome.build_id)
        if row is not None and row["State"] not in ENDED:
            self._tables.replace(BUILDS, row, _ended(outcome, now))
            self._show(outcome.build_id)

    def correct_outcome(self, row: Row, outcome: BuildOutcome) -> bool:
        """Write what became of an ended build since; False if another writer was first."""
        return self._tables.replace(BUILDS, row, _outcome(outcome))

    def outcome(self, build: str) -> BuildOutcome | None:
        """How a build ended, or None while it runs (also while it goes on after a failure)."""
        row = self.build(build)
        return outcome_of(row) if row else None

    def build(self, build: str) -> Row | None:
        """One build's row, or None."""
        return self._tables.get(BUILDS, "build", build)

    def builds(self) -> list[Row]:
        """All builds with their small columns (`build_rows`)."""
        return [row for each in self._narrow() if (row := self._completed(each)) is not None]

    def running(self) -> list[Row]:
        """The builds that have not ended, with their small columns."""
        return self._narrow({"State": sorted(RUNNING)})

    def _narrow(self, among: Among | None = None) -> list[Row]:
        found = self._tables.query(BUILDS, "build", among=among, select=build_rows.COLUMNS)
        return [row for row in found if row.get("State") in RUNNING | ENDED and row.get("Mode")]

    def _completed(self, row: Row) -> Row | None:
        """The row with its small columns, which are written if 0.1.0 has left them out. None if it
        cannot be read.
        """
        if build_rows.is_complete(row):
            return row
        whole = self.build(row.key)
        if whole is None:
            return None
        columns = build_rows.of_request(whole["Request"])
        columns |= build_rows.of_outcome(whole.get("Outcome") or {})
        self._tables.replace(BUILDS, whole, columns)  # another writer is as good
        whole.update(columns)
        return whole

    def list_builds(
        self, states: Sequence[str], limit: int, after: Place | None = None
    ) -> tuple[Sequence[Json], Place | None]:
        """At most so many builds, in these states or in any, newest first; and where the next page
        begins.
        """
        if self._list.is_filled():
            return self._list.page(states, limit, after)
        return build_list.page_of(self._narrow(), states, limit, after)

    def running_of(self, caller: str) -> int:
        """How many builds run that a caller has started."""
        wanted = {"State": sorted(RUNNING), "RequestedBy": [caller]}
        return len(self._tables.query(BUILDS, "build", among=wanted, select=["State"]))

    def repair_list(self) -> int:
        """Correct the rows of the list that differ from the builds; returns how many did."""
        listed = self._list.rows()
        return self._list.repair(listed, self.builds())

    def _show(self, build: str) -> None:
        row = self._tables.get(BUILDS, "build", build, select=build_rows.COLUMNS)
        if row is not None:
            self._list.put(row)

    def cancel_build(self, build: str) -> bool:
        """Ask a build to stop: its next poll sees it. False if it does not run."""

        def change(row: Row) -> Json | None:
            return {"Cancel": True} if row["State"] in RUNNING else None

        return self._tables.update(BUILDS, "build", build, change)

    def is_cancelled(self, build: str) -> bool:
        """Whether a person asked this build to stop."""
        row = self._tables.get(BUILDS, "build", build, select=["Cancel"])
        return bool(row and row.get("Cancel"))

    # -- steps -------------------------------------------------------------------------------------

    def mark_step(self, mark: StepMark, now: str, reply: Json) -> None:
        """Record what one call of a step's activity answered."""
        state = {"done": "succeeded", "wait": "running", "failed": "failed"}[reply["state"]]
        values: Json = {
            "State": state,
            "StartedAt": mark.started_at,
            "SeenAt": now,
            "Typical": mark.typical,
            "Note": str(reply.get("note") or ""),
        }
        if reply["state"] == "failed":
            values |= {"Result": reply.get("marks") or {}, "Error": reply["error"]}
        if reply["state"] == "done":
            values |= {"Result": reply["result"], "Error": {}}
        if reply["state"] != "wait":
            values["Scripted"] = bool(values["Result"].get("scripted"))
        row = f"{mark.pool}|{mark.name}" if mark.pool else mark.name
        self._tables.put(STEPS, mark.build, row, values)
        if reply["state"] == "done" and mark.then is not None:
            step, typical = mark.then.name, mark.then.typical
            begun = replace(mark, name=step, typical=typical, started_at=now, then=None)
            self.mark_step(begun, now, {"state": "wait", "note": _UNSEEN})

    def steps(self, build: str) -> list[Row]:
        """The steps of a build in the order in which they began; those that began at the same time
        are in the order of `timing.known_steps`.
        """
        order = {step: place for place, step in enumerate(timing.known_steps())}

        def place(row: Row) -> tuple[str, str, int, str]:
            pool, _, step = row.key.rpartition("|")
            return str(row["StartedAt"]), pool, order.get(step, len(order)), step

        return sorted(self._tables.query(STEPS, build), key=place)

    def results(self, build: str) -> dict[str, Json]:
        """What the finished steps of a build's image answered: what `resume` goes on from."""
        steps = self._tables.query(STEPS, build)
        return {s.key: s["Result"] for s in steps if s["State"] == "succeeded" and "|" not in s.key}

    # -- durations ---------------------------------------------------------------------------------

    def pace(self) -> dict[str, float]:
        """What earlier builds took: seconds by step."""
        row = self._tables.get(PACE, "pace", "all")
        return {} if row is None else dict(row["Seconds"])

    def learn_pace(self, build: str) -> None:
        """Fold in the durations of a finished build. They are hints: the last writer wins."""
        known = self.pace()
        for step in self.steps(build):
            name = step.key.rpartition("|")[2]
            if step["State"] == "succeeded" and timing.teaches(name):
                seconds = durations.between(str(step["StartedAt"]), str(step["SeenAt"]))
                known[name] = timing.learn(name, known.get(name), seconds)
        self._tables.put(PACE, "pace", "all", {"Seconds": known})
