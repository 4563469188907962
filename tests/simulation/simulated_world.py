"""The tests' world with everything that a story needs: crashes, a flaky storage, foreign things."""

from __future__ import annotations

import asyncio
import collections
import dataclasses
import functools
import json
import random
from collections.abc import Callable
from typing import Any

from local.azure_simulator import model, store
from local.functions_host import adapters, inline, local_client
from shared.base import names
from shared.store.records import Records
from shared.store.tables import Tables
from tests.simulation import flaky_tables, foreign
from tests.simulation.stories import Act, Arrival, Climate, Story
from tests.world import VISIBILITY, WITH_LOGS, World, an_image
from triggers import builds, http, pools, timers

Json = dict[str, Any]
_RETRY_SECONDS = 30  # until a client or the queue tries again after the app died
_SWEEP_SECONDS = 1800
_WATCHED = {"PUT", "PATCH", "POST", "DELETE"}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Write:
    """A request that may have changed something on Azure."""

    method: str
    path: str  # in lower case
    build: str | None  # that the body's tags or metadata name
    status: int  # 0: the answer was lost, but the request took effect
    is_change: bool = False  # of what it named by its ETag


class Unavailable(Exception):  # noqa: N818
    """The app answered 503."""


class SimulatedWorld(World):
    """One run of one story. `on_moment` sees every moment at which the process could die, and may
    kill it by returning true.
    """

    def __init__(
        self, story: Story, on_moment: Callable[[inline.Moment], bool] | None = None
    ) -> None:
        super().__init__(seed=story.seed, own_settings=WITH_LOGS)
        self.story = story
        self.began = self.clock.now()
        self.writes: list[Write] = []
        self.accepted: dict[str, Arrival] = {}  # what was answered 202, by build
        self.resumed: collections.Counter[str] = collections.Counter()  # tries by build
        self.answers: list[str] = []
        self.crash_points: list[str] = []
        self.problems: list[str] = []  # seen on the way, not at the end
        self._dice = random.Random(f"crashes {story.seed}")
        self._on_moment = on_moment or self._dies_by_chance
        self._handle = self.azure.handle
        self.tables = flaky_tables.FlakyTables(story.seed)
        self.records = Records(Tables(self.tables))  # type: ignore[arg-type]
        self.services = dataclasses.replace(self.services, records=self.records)
        self.engine = inline.InlineEngine(
            adapters.orchestrators(self.orchestrations()),
            adapters.activities(self.activities()),
            seed=story.seed,
            clock=self.clock,
            crash=self._moment,
            visibility=VISIBILITY,
        )
        foreign.settle(self.azure)
        self.foreign = foreign.everything(self.azure)
        self.foreign_before = foreign.state_of(self.azure, self.foreign)
        self.azure.handle = self._watched  # type: ignore[method-assign]
        self.began = self.clock.now()

    # -- what the story does ----------------------------------------------------------------------

    def begin(self) -> None:
        """Put everything on its way; nothing has happened yet."""
        for name in ("first", "second"):
            request = {"mode": "image-only", "image": an_image(name=name)}
            self.records.put_recipe(name, {"enabled": True, "request": request})
        self.tables.misbehave(self.story.storage_chance, self.story.storage_errors_max)
        for fault in self.story.faults:
            self.fault(fault)
        for arrival in self.story.arrivals:
            for later in (0.0, *arrival.again):
                again = functools.partial(self._arrive, arrival, first=not later)
                self.engine.at(arrival.at + later, again)
        for number in range(self.story.sweeps):
            self.engine.at((number + 1) * _SWEEP_SECONDS, self.begin_sweep)

    def begin_sweep(self) -> None:
        """The timer fires. Where the app fails, the next one does it."""
        client = local_client.open_client(self.engine)
        try:
            asyncio.run(timers.begin_sweep(self.services, client))
        except flaky_tables.ERRORS:
            self.answers.append("sweep 500")

    def _arrive(self, arrival: Arrival, *, first: bool = True) -> None:
        """One try; where the app dies or fails meanwhile, the client or the queue tries again."""
        self.tables.die_after(arrival.dies_after if first else None)
        try:
            self._act(arrival)
        except inline.Crash:
            self._note_crash(f"while {arrival.act} {arrival.body.get('requestId', '')} was taken")
            self.engine.reopen()
            if arrival.tries_again:
                self._try_again(arrival)
        except (*flaky_tables.ERRORS, Unavailable):
            self.answers.append(f"{arrival.act} 503")
            self._try_again(arrival)
        finally:
            self.tables.die_after(None)

    def start_orchestration(self, begin: http.Begin) -> None:
        """Starting an orchestration is an effect too: the process may die just before it."""
        self.tables.perhaps_die()
        super().start_orchestration(begin)

    def _begun(self, answer: http.Answer) -> http.Answer:
        self.tables.perhaps_die()
        return super()._begun(answer)

    def ask(self, handler: http.Handler, body: object = None, **params: str) -> http.Answer:
        """Raises Unavailable where the app says that its storage is."""
        answer = super().ask(handler, body, **params)
        if answer.status == 503:
            raise Unavailable
        return answer

    def _try_again(self, arrival: Arrival) -> None:
        again = functools.partial(self._arrive, arrival, first=False)
        self.engine.at(_RETRY_SECONDS, again)

    def _act(self, arrival: Arrival) -> None:
        """Do it once."""
        doing: dict[Act, Callable[[Arrival], None]] = {
            Act.BUILD: lambda a: self._take(a, self.ask(builds.start_build, a.body)),
            Act.MESSAGE: lambda a: self.deliver(json.dumps(a.body), message_id=_message_id(a)),
            Act.RESIZE: lambda a: self._change(a, pools.resize_pool, {"nodes": a.body["nodes"]}),
            Act.DELETE: lambda a: self._change(a, pools.delete_pool, None),
            Act.CANCEL: self._cancel,
            Act.RESUME: self._resume,
            Act.REBUILD: lambda _: self._rebuild(),
            Act.MEDDLE: lambda a: self._meddle(a.body["what"]),
        }
        doing[arrival.act](arrival)

    def _cancel(self, arrival: Arrival) -> None:
        build = names.build_id(arrival.body["requestId"])
        self.answers.append(f"cancel {self.ask(builds.cancel_build, id=build).status}")

    def _resume(self, arrival: Arrival) -> None:
        build = names.build_id(arrival.body["requestId"])
        answer = self.ask(builds.resume_build, id=build)
        self._take(arrival, answer)
        if answer.status == 202:
            self.resumed[build] += 1

    def _rebuild(self) -> None:
        asyncio.run(timers.begin_rebuild(local_client.open_client(self.engine)))

    def _meddle(self, what: str) -> None:
        """Somebody else's requests: no faults for them, and they are not ours to answer for."""
        watched, self.azure.handle = self.azure.handle, self._handle  # type: ignore[method-assign]
        try:
            made = foreign.meddle(self.azure, what)
        except model.ConnectionDropped:
            made = []
        self.azure.handle = watched  # type: ignore[method-assign]
        self.foreign += made
        self.foreign_before |= foreign.state_of(self.azure, made)

    def _change(self, arrival: Arrival, handler: http.Handler, body: Json | None) -> None:
        found = (p.batch_account for p in self.records.pools() if p.pool_id == arrival.pool)
        account = next(found, "none")
        self._take(arrival, self.ask(handler, body, account=account, pool=arrival.pool))

    def _take(self, arrival: Arrival, answer: Any) -> None:
        self.answers.append(f"{arrival.act} {answer.status}")
        if answer.status == 202:
            self.accepted.setdefault(answer.body["buildId"], arrival)

    # -- what is seen on the way ------------------------------------------------------------------

    def _moment(self, moment: inline.Moment) -> bool:
        dies = self._on_moment(moment)
        if dies:
            self._note_crash(f"{moment.when} {moment.name} of {moment.instance_id}")
        return dies

    def _note_crash(self, where: str) -> None:
        self.crash_points.append(f"{self.elapsed():8.1f} s  {where}")

    def _dies_by_chance(self, _: inline.Moment) -> bool:
        left = self.story.crashes_max - len(self.crash_points)
        return left > 0 and self._dice.random() < self.story.crash_chance

    def _watched(self, request: model.Request) -> model.Response:
        """Note every change that took effect, whether or not its answer arrived."""
        if request.method not in _WATCHED:
            return self._handle(request)
        try:
            answer = self._handle(request)
        except model.ConnectionDropped as dropped:
            if dropped.after_effect:
                self._note_write(request, 0)
            raise
        if answer.status < 300:
            self._note_write(request, answer.status)
        return answer

    def _note_write(self, request: model.Request, status: int) -> None:
        if not request.path.startswith("/_simulator"):
            path = request.resource_id.lower()
            named = {"build": _named_build(request), "is_change": "if-match" in request.headers}
            self.writes.append(Write(method=request.method, path=path, status=status, **named))

    def be_calm(self) -> None:
        """Nothing goes wrong any more."""
        self.tables.calm()
        self.azure.faults.clear()
        self._on_moment = lambda _: False

    # -- looking ----------------------------------------------------------------------------------

    def elapsed(self) -> float:
        """Simulated seconds since the story began."""
        return self.clock.now() - self.began

    @property
    def has_lost_pools(self) -> bool:
        """Whether somebody removed pools behind the app's back."""
        return any(a.body.get("what") == "remove pool" for a in self.story.arrivals)

    @property
    def is_benign(self) -> bool:
        """Whether nothing happens that should make a build fail."""
        return self.story.climate is not Climate.HARD


def _message_id(arrival: Arrival) -> str:
    return f"m-{arrival.at:.0f}"


def _named_build(request: model.Request) -> str | None:
    try:
        body = json.loads(request.body or b"{}")
    except ValueError:
        return None
    if not isinstance(body, dict):
        return None
    tag = (body.get("tags") or {}).get(names.TAG_BUILD)
    metadata = (body.get("properties") or {}).get("metadata") or []
    return tag or next((m["value"] for m in metadata if m.get("name") == names.TAG_BUILD), None)


def kept_nodes(pool: store.Resource) -> int:
    """How many nodes a pool had before the update in place of its last build."""
    marks = {each["name"]: each["value"] for each in pool.properties.get("metadata") or []}
    return sum(map(int, marks.get("batch-prep-keeps", "0 0").split()[:2]))
