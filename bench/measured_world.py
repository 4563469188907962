"""The tests' world, watched: which step sends which request, when things really end, what it costs.

Nothing of the app is changed: its activities are wrapped, the host's episodes are counted, and the
simulator's queue of events is listened to.
"""

from __future__ import annotations

import dataclasses
import pathlib
import shutil
import tempfile
import time
import weakref
from collections.abc import Callable
from typing import Any

from local.azure_simulator import model, store
from local.functions_host.episodes import Answer, Episode
from tests.world import Json, World

_WRITES = frozenset({"PUT", "PATCH", "POST", "DELETE"})
_READING_POSTS = ("/retrievebootdiagnosticsdata", "/checknameavailability")
_SAMPLED = 10
NOT_AZURE = ("docker.io", "ghcr.io", "nvcr.io", "quay.io")  # public registries


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """One request to Azure."""

    method: str
    path: str  # in lower case, without the query
    status: int

    @property
    def is_write(self) -> bool:
        """Whether it may change something; some of Azure's questions are asked by POST."""
        return self.method in _WRITES and not self.path.endswith(_READING_POSTS)


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Look:
    """One call of an activity, at a simulated second, with the requests it sent."""

    at: float
    build: str
    pool: str
    step: str  # the record's name, or the activity's where it is no step
    began: str  # when the step began, ISO 8601: two rounds of one step differ in it
    state: str  # done, wait, failed
    asked: tuple[Asked, ...]


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Happening:
    """Something that took its time on Azure: an operation, a script, a node's boot."""

    kind: str  # the operation, or "type.event"
    resource: str  # its key: the id in lower case
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        return self.ended - self.began


class MeasuredWorld(World):
    """A world that remembers every look of the app and every happening on Azure."""

    def __init__(self, seed: int = 1, **options: Any) -> None:
        """Histories lie in a file, as the local host keeps them: they are not memory."""
        folder = tempfile.mkdtemp(prefix="batch-prep-bench-")
        weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
        self.looks: list[Look] = []
        self.happenings: list[Happening] = []
        self.simulator_seconds = 0.0  # of the processor, spent in the simulator
        self.replayed = 0  # events of histories, as often as the SDK has read them
        self._number = 0
        self._asked: list[Asked] = []
        self._began: dict[int, float] = {}  # by the number of the event
        super().__init__(seed=seed, hub=pathlib.Path(folder, "hub.sqlite"), **options)
        self.began = self.clock.now()
        self._handle = self.azure.handle
        self._schedule, self._pop_due = self.azure.store.schedule, self.azure.store.pop_due
        self.azure.handle = self._watched  # type: ignore[method-assign]
        self.azure.store.schedule = self._scheduled  # type: ignore[method-assign]
        self.azure.store.pop_due = self._popped  # type: ignore[method-assign]
        self._play = self.engine.play
        self.engine.play = self._played  # type: ignore[method-assign]

    def elapsed(self) -> float:
        """Simulated seconds since the world began."""
        return self.clock.now() - self.began

    # -- the app ----------------------------------------------------------------------------------

    def activities(self) -> dict[str, Callable[[Json], Json]]:
        """The app's activities, each noting its look."""
        return {name: self._noting(name, each) for name, each in super().activities().items()}

    def _noting(self, name: str, activity: Callable[[Json], Json]) -> Callable[[Json], Json]:
        def run(payload: dict) -> dict:  # type: ignore[type-arg]  # as the binding wants it
            self._asked = []
            reply = activity(payload)
            mark = payload.get("step") or {}
            self.looks.append(
                Look(
                    at=self.elapsed(),
                    build=mark.get("build", ""),
                    pool=mark.get("pool") or "",
                    step=mark.get("name", name),
                    began=mark.get("startedAt", ""),
                    state=reply["state"],
                    asked=tuple(self._asked),
                )
            )
            return reply

        return run

    def _played(self, episode: Episode) -> Answer:
        past = self.engine.past(episode.instance.id)
        self.replayed += len(past) + len(episode.events)
        return self._play(episode)

    # -- Azure ------------------------------------------------------------------------------------

    def _watched(self, request: model.Request) -> model.Response:
        answer = self._timed(request)
        path = request.path.lower()
        if not path.startswith("/_simulator") and not request.host.endswith(NOT_AZURE):
            self._asked.append(Asked(method=request.method, path=path, status=answer.status))
        return answer

    def _timed(self, request: model.Request) -> model.Response:
        """The processor's clock is slow to read, so every tenth request stands for ten."""
        self._number += 1
        if self._number % _SAMPLED:
            return self._handle(request)
        started = time.process_time()
        answer = self._handle(request)
        self.simulator_seconds += _SAMPLED * (time.process_time() - started)
        return answer

    def _scheduled(
        self, resource: store.Resource, event: str, at: float, data: Json | None = None
    ) -> None:
        self._schedule(resource, event, at, data)
        self._began[resource.due[-1]["number"]] = self.azure.now - self.began

    def _popped(self, now: float) -> tuple[store.Resource, Json] | None:
        popped = self._pop_due(now)
        if popped is not None:
            resource, item = popped
            self.happenings.append(
                Happening(
                    kind=_kind(resource, item["event"]),
                    resource=_subject(resource),
                    began=self._began.pop(item["number"], 0.0),
                    ended=item["at"] - self.began,
                )
            )
        return popped


def _kind(resource: store.Resource, event: str) -> str:
    operation = resource.state.get("operation")
    if resource.type == "simulator.operation" and event == "finish":
        return str(operation)
    return f"{resource.type.rpartition('/')[2]}.{event}"


def _subject(resource: store.Resource) -> str:
    """The id of what took the time; a task's also names the node it ran on."""
    if resource.type == "simulator.operation":
        return str(resource.state["resource"]).lower()
    node = resource.state.get("node")
    return f"{resource.key}@{str(node).lower()}" if node else resource.key
