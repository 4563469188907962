"""The records in Azure Table Storage: what is kept, and under which keys.

    table             partition             row                what
    batchprepBuilds   build                 build id           request, state, outcome, cancel flag
    batchprepSteps    build id              [pool|]step        state, times, error
    batchprepClaims   image, pool           digest of a name   the build that has it: a lock
    batchprepClaims   version|group|...     a version number   the build that has it, for ever
    batchprepImages   group|gallery|image   inverted version   an ImageRecord; newest first
    batchprepPools    account               pool id            a PoolRecord
    batchprepPace     pace                  all                what steps took, seconds by step
    batchprepRecipes  recipe                name               what the weekly rebuild builds
    batchprepRefused  pool-requests         message id         messages that could not be taken

Every row carries `Schema`, the version of this layout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from shared.base import names, timing
from shared.base.wire import Wire, replace
from shared.model.outcomes import BuildOutcome, ImageRecord, PoolRecord
from shared.model.requests import Mode

if TYPE_CHECKING:
    from shared.store.tables import Row, Tables

Json = dict[str, Any]

BUILDS = "batchprepBuilds"
STEPS = "batchprepSteps"
CLAIMS = "batchprepClaims"
IMAGES = "batchprepImages"
POOLS = "batchprepPools"
PACE = "batchprepPace"
RECIPES = "batchprepRecipes"
REFUSED = "batchprepRefused"

RUNNING = {"accepted", "running"}  # states of a build
ENDED = {"succeeded", "failed", "cancelled"}
_MESSAGE_MAX = 30_000  # characters kept of a refused message
_UNSEEN = "it has begun, nothing can be seen of it yet"
_RACES_MAX = 5  # losing that many in a row means that somebody else has the name


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
    return {"State": outcome.state, "EndedAt": now, "Outcome": outcome.to_wire()}


def outcome_of(row: Row) -> BuildOutcome | None:
    """How the build of this row ended, or None while it runs, also again."""
    outcome = row.get("Outcome") if row["State"] in ENDED else None
    return BuildOutcome.from_wire(outcome) if outcome else None


class Records:
    """The app's records."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    # -- builds ------------------------------------------------------------------------------------

    def accept_build(self, build: str, mode: Mode, request: Json) -> Row | None:
        """Insert a build's row. Returns None, or the row that is there already."""
        values = {"State": "accepted", "Mode": mode.value, "Request": request}
        if self._tables.insert(BUILDS, "build", build, values):
            return None
        return self.build(build)

    def withdraw_build(self, build: str) -> None:
        """Forget a build that could not be accepted after all."""
        self._tables.remove(BUILDS, "build", build)

    def begin_build(self, build: str, now: str) -> None:
        """The orchestration has taken the build up."""
        row = self.build(build)
        values = {"State": "running", "EndedAt": "", "Cancel": bool(row and row.get("Cancel"))}
        if row is None or not row.get("CreatedAt"):  # a resumed build keeps its beginning
            values["CreatedAt"] = now
        self._tables.put(BUILDS, "build", build, values)

    def reopen_build(self, build: str) -> bool:
        """Let an ended build go on; False if it has not ended."""
        row = self.build(build)
        if row is None or row["State"] not in {"failed", "cancelled"}:
            return False
        return self._tables.replace(BUILDS, row, {"State": "accepted", "Cancel": False})

    def close_again(self, row: Row) -> None:
        """Undo `reopen_build` where nothing came of it."""
        self._tables.replace(BUILDS, row, {"State": row["Outcome"]["state"]})

    def end_build(self, outcome: BuildOutcome, now: str) -> None:
        """Write the outcome."""
        self._tables.put(BUILDS, "build", outcome.build_id, _ended(outcome, now))

    def end_dead_build(self, outcome: BuildOutcome, now: str) -> None:
        """Write the outcome of a build that died, unless the build itself wrote one meanwhile."""
        row = self.build(outcome.build_id)
        if row is not None and row["State"] not in ENDED:
            self._tables.replace(BUILDS, row, _ended(outcome, now))

    def correct_outcome(self, row: Row, outcome: BuildOutcome) -> bool:
        """Write what became of an ended build since; False if another writer was first."""
        return self._tables.replace(BUILDS, row, {"Outcome": outcome.to_wire()})

    def outcome(self, build: str) -> BuildOutcome | None:
        """How a build ended, or None while it runs (also while it goes on after a failure)."""
        row = self.build(build)
        return outcome_of(row) if row else None

    def build(self, build: str) -> Row | None:
        """One build's row, or None."""
        return self._tables.get(BUILDS, "build", build)

    def builds(self) -> list[Row]:
        """All builds, newest first; those that have not begun come first of all."""
        rows = self._tables.query(BUILDS, "build")
        return sorted(rows, key=lambda r: str(r.get("CreatedAt", "9")), reverse=True)

    def cancel_build(self, build: str) -> None:
        """Ask a build to stop; its next look sees it."""
        self._tables.put(BUILDS, "build", build, {"Cancel": True})

    def is_cancelled(self, build: str) -> bool:
        """Whether a person asked this build to stop."""
        row = self.build(build)
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
            values["Error"] = reply["error"]
        if reply["state"] == "done":
            values |= {"Result": reply["result"], "Error": {}}
            values["Scripted"] = bool(reply["result"].get("scripted"))
        row = f"{mark.pool}|{mark.name}" if mark.pool else mark.name
        self._tables.put(STEPS, mark.build, row, values)
        if reply["state"] == "done" and mark.then is not None:
            step, typical = mark.then.name, mark.then.typical
            begun = replace(mark, name=step, typical=typical, started_at=now, then=None)
            self.mark_step(begun, now, {"state": "wait", "note": _UNSEEN})

    def steps(self, build: str) -> list[Row]:
        """The steps of a build in the order in which they began; the story's, where that is one
        moment.
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
            if step["State"] == "succeeded":
                name = step.key.rpartition("|")[2]
                seconds = _seconds_between(str(step["StartedAt"]), str(step["SeenAt"]))
                known[name] = timing.learn(name, known.get(name), seconds)
        self._tables.put(PACE, "pace", "all", {"Seconds": known})

    # -- claims ------------------------------------------------------------------------------------

    def claim(self, kind: str, key: str, build: str) -> str:
        """Take a name for a build. Returns the build that has it: this one, or one that runs."""
        row_key = names.digest(kind, key, length=32)
        for _ in range(_RACES_MAX):
            if self._tables.insert(CLAIMS, kind, row_key, {"Build": build, "Name": key}):
                return build
            row = self._tables.get(CLAIMS, kind, row_key)
            if row is None:
                continue
            holder = str(row["Build"])
            if holder == build or self._still_runs(holder):
                return holder
            if self._tables.replace(CLAIMS, row, {"Build": build, "Name": key}):
                return build
        row = self._tables.get(CLAIMS, kind, row_key)
        return str(row["Build"]) if row else build

    def release(self, kind: str, key: str, build: str) -> None:
        """Give up a name that a build has, or had last; one that another build has stays."""
        row = self._tables.get(CLAIMS, kind, names.digest(kind, key, length=32))
        if row is not None and row["Build"] == build:
            self._tables.replace(CLAIMS, row, {"Build": "", "Name": key})

    def holder(self, kind: str, key: str) -> str | None:
        """The build that has a name, or had it last and did not give it up."""
        row = self._tables.get(CLAIMS, kind, names.digest(kind, key, length=32))
        return str(row["Build"]) or None if row else None

    def at_work_on(self, account: str, pool: str, resource: str) -> str | None:
        """A build that runs and has claimed this pool (`resource` is its id), or changes it."""
        holder = self.holder("pool", resource.lower())
        if holder is not None and self._still_runs(holder):
            return holder
        return self._changing(self._running()).get(_pool_key(account, pool))

    def pools_at_work(self) -> dict[tuple[str, str], str]:
        """`at_work_on` for all pools at once: builds by account and pool, in lower case."""
        running = self._running()
        claims = self._tables.query(CLAIMS, "pool")
        claimed = {
            (path[-3], path[-1]): str(claim["Build"])
            for claim in claims
            if claim["Build"] in running and (path := str(claim["Name"]).split("/"))
        }
        return self._changing(running) | claimed

    def _running(self) -> dict[str, Row]:
        return {r.key: r for r in self._tables.query(BUILDS, "build") if r["State"] in RUNNING}

    def _changing(self, running: dict[str, Row]) -> dict[tuple[str, str], str]:
        """The pools that running builds resize or delete."""
        wanted = {build: row["Request"] for build, row in running.items()}
        return {
            _pool_key(request["account"], request["pool"]): build
            for build, request in wanted.items()
            if request.keys() == {"account", "pool"}
        }

    def _still_runs(self, build: str) -> bool:
        row = self.build(build)
        return row is not None and row["State"] in RUNNING

    def claim_version(
        self, image: str, build: str, wanted: str | None, taken: list[str]
    ) -> str | None:
        """Take a version number of an image (its partition) for a build, once for ever.

        Returns None if the wanted one is taken.
        """
        partition = f"version|{image}"
        rows = self._tables.query(CLAIMS, partition)
        own = next((r.key for r in rows if r["Build"] == build), None)
        if own is not None:
            return own
        if wanted is not None:
            free = wanted not in taken
            return wanted if free and self._take(partition, wanted, build) else None
        claimed = [*taken, *(r.key for r in rows)]
        while not self._take(partition, version := names.next_version(claimed), build):
            claimed.append(version)
        return version

    def _take(self, partition: str, version: str, build: str) -> bool:
        return self._tables.insert(CLAIMS, partition, version, {"Build": build})

    # -- images, pools, recipes --------------------------------------------------------------------

    def put_image(self, image: ImageRecord) -> None:
        """Record a published image version."""
        names_ = (image.resource_group, image.gallery_name, image.image_name)
        partition, row = names.image_partition(*names_), names.version_row(image.version)
        self._tables.put(IMAGES, partition, row, {"Image": image.to_wire()})

    def images(self) -> list[ImageRecord]:
        """Every recorded image version, newest first within an image."""
        return [ImageRecord.from_wire(r["Image"]) for r in self._tables.scan(IMAGES)]

    def image(
        self, gallery: str, name: str, version: str, group: str | None = None
    ) -> ImageRecord | None:
        """One version, or the newest for `latest`. Without a group, every group's gallery of that
        name is looked through.
        """
        if group is not None:
            rows = self._tables.query(IMAGES, names.image_partition(group, gallery, name))
        else:
            suffix = f"|{gallery.lower()}|{name.lower()}"
            found = self._tables.scan(IMAGES)
            rows = [r for r in found if str(r["PartitionKey"]).endswith(suffix)]
            rows.sort(key=lambda r: r.key)
        images = (ImageRecord.from_wire(r["Image"]) for r in rows)
        return next((i for i in images if version in {"latest", i.version}), None)

    def put_pool(self, pool: PoolRecord) -> None:
        """Record what became of a pool."""
        key = _pool_key(pool.batch_account, pool.pool_id)
        self._tables.put(POOLS, *key, {"Pool": pool.to_wire()})

    def pool(self, account: str, pool: str) -> PoolRecord | None:
        """One pool's record, or None."""
        row = self._tables.get(POOLS, *_pool_key(account, pool))
        return None if row is None else PoolRecord.from_wire(row["Pool"])

    def pools(self, account: str | None = None) -> list[PoolRecord]:
        """The recorded pools, of one account or of all."""
        own = account and account.lower()
        rows = self._tables.query(POOLS, own) if own else self._tables.scan(POOLS)
        return [PoolRecord.from_wire(r["Pool"]) for r in rows]

    def change_pool(
        self, account: str, pool: str, change: Callable[[PoolRecord], PoolRecord]
    ) -> None:
        """Change a pool's record; nothing happens where another writer is first."""
        row = self._tables.get(POOLS, *_pool_key(account, pool))
        if row is not None:
            changed = change(PoolRecord.from_wire(row["Pool"]))
            self._tables.replace(POOLS, row, {"Pool": changed.to_wire()})

    def remove_pool(self, account: str, pool: str) -> None:
        """Forget a pool that was deleted."""
        self._tables.remove(POOLS, *_pool_key(account, pool))

    def recipes(self) -> dict[str, Json]:
        """Every recipe by name."""
        return {r.key: r["Recipe"] for r in self._tables.query(RECIPES, "recipe")}

    def put_recipe(self, name: str, recipe: Json) -> None:
        """Store a recipe."""
        self._tables.put(RECIPES, "recipe", name, {"Recipe": recipe})

    def remove_recipe(self, name: str) -> None:
        """Forget a recipe."""
        self._tables.remove(RECIPES, "recipe", name)

    # -- messages that could not be taken ----------------------------------------------------------

    def put_refused(self, message_id: str, text: str, problems: Iterable[Json]) -> None:
        """Keep a queue message, and why it could not be taken."""
        values = {"Message": text[:_MESSAGE_MAX], "Problems": list(problems)}
        self._tables.put(REFUSED, names.POOL_REQUESTS_QUEUE, message_id, values)

    def refused(self) -> list[Row]:
        """The refused messages."""
        return self._tables.query(REFUSED, names.POOL_REQUESTS_QUEUE)

    def check_reachable(self) -> None:
        """One cheap request. Raises what the storage raises."""
        self._tables.get(RECIPES, "recipe", "health")


def _pool_key(account: str, pool: str) -> tuple[str, str]:
    """Keys in lower case: Azure ignores the case of names."""
    return account.lower(), pool.lower()


def _seconds_between(start: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
