"""The local Functions host: an app folder in, its functions running.

    async with Host(app_dir, state=state_dir, key="...", port=7071, time_scale=60) as host:
        print(host.url)

What it keeps lies in the state folder, so the next host on it goes on where this one stopped.
"""

import asyncio
import json
import os
import secrets
import socket
import uuid
from collections.abc import Coroutine, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from azure.functions import meta

from local import clock as clocks
from local.functions_host import (
    durable_api,
    functions,
    http,
    links,
    logs,
    protocols,
    queue_triggers,
    routes,
    scheduler,
    settings,
    storage_queues,
    timers,
)
from local.functions_host.functions import Function, Trigger
from local.functions_host.queue_triggers import QueueTrigger
from local.functions_host.settings import Settings
from local.functions_host.store import Store
from local.functions_host.worker import Worker

_ADDRESS = "127.0.0.1"
_STOP_GRACE_SECONDS = 1.0


class Host:
    """Everything runs between enter and exit."""

    engine: scheduler.AsyncEngine
    functions: dict[str, Function]
    url: str
    """As `http://127.0.0.1:7071`."""
    broken: asyncio.Future[BaseException]
    """Done after a fault of the host itself: then it must end, and be started again."""

    def __init__(
        self,
        app_dir: Path,
        *,
        state: Path,
        key: str,
        port: int = 0,
        time_scale: float = 1.0,
    ) -> None:
        """`key` opens functions and admin endpoints; port 0 takes a free one."""
        self._app_dir = app_dir
        self._state = state
        self._key = key
        self._port = port
        self._time_scale = time_scale
        self._tasks: set[asyncio.Task[Any]] = set()
        self._queues: dict[str, QueueTrigger] = {}

    async def __aenter__(self) -> Self:
        """Raises functions.AppRefused, and OSError for a port that is taken."""
        self.broken = asyncio.get_running_loop().create_future()
        settings.apply_values(self._app_dir)
        options = settings.read(self._app_dir)
        self.functions = functions.load(self._app_dir)
        self._clock = clocks.ScaledClock.open(self._state / "clock.json", self._time_scale)
        alarms = [self._timer(each) for each in self._of(Trigger.TIMER)]
        listener = socket.create_server((_ADDRESS, self._port))
        self.url = f"http://{_ADDRESS}:{listener.getsockname()[1]}"
        self._task_hub = _task_hub_server()
        urls = links.Links(
            origin=self.url,
            hub=options.hub_name,
            system_key=_kept_key(self._state / "system-key"),
            rpc_url=self._task_hub.url if self._task_hub else "",
        )
        self._worker = self._new_worker(options, urls)
        self.engine = self._new_engine(options)
        await self._serve(options, urls, listener)
        self._worker.start()
        self.engine.run()
        if self._task_hub:
            self._task_hub.start(self.engine, asyncio.get_running_loop())
        for alarm in alarms:
            self._spawn(alarm.run())
        for each in self._of(Trigger.QUEUE):
            self._listen(each, options)
        names = ", ".join(sorted(self.functions))
        logs.log.info("listening on %s; functions: %s", self.url, names)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for each in self._queues.values():
            await each.stop()
        await self.engine.stop(_STOP_GRACE_SECONDS)
        if self._task_hub:
            self._task_hub.stop()
        await self._runner.cleanup()
        await self._worker.stop()
        self.engine.store.close()

    def run_now(self, name: str, given: object) -> bool:
        """Start a timer or queue function as its trigger would; false if there is none so named.

        `given` is the message of a queue function, text or JSON; for a timer function it may be
        `{"IsPastDue": true}`.
        """
        function = self.functions.get(name)
        if function is None or function.kind not in (Trigger.TIMER, Trigger.QUEUE):
            return False
        if function.kind is Trigger.TIMER:
            past_due = isinstance(given, dict) and given.get("IsPastDue") is True
            self._spawn(self._invoke(function, timers.request(past_due=past_due)))
        else:
            text = given if isinstance(given, str) else json.dumps(given) if given else ""
            data = meta.Datum(text, "string")
            self._spawn(self._invoke(function, data, queue_triggers.metadata(_by_hand(text))))
        return True

    # The parts

    def _of(self, kind: Trigger) -> list[Function]:
        return functions.of_kind(self.functions, kind)

    def _new_worker(self, options: Settings, urls: links.Links) -> Worker:
        outputs = storage_queues.OutputQueues(
            encodes_base64=options.queues.encodes_base64,
            sent=self._wake,
        )
        return Worker(
            threads=settings.worker_threads(),
            client_binding=urls.client_binding(),
            outputs=outputs,
        )

    def _new_engine(self, options: Settings) -> scheduler.AsyncEngine:
        worker = self._worker
        return scheduler.AsyncEngine(
            Store(self._state / "durable.sqlite"),
            {f.durable_name: worker.orchestrator(f) for f in self._of(Trigger.ORCHESTRATION)},
            {f.durable_name: partial(worker.activity, f) for f in self._of(Trigger.ACTIVITY)},
            clock=self._clock,
            threads=worker.threads,
            policy=options.policy,
            visibility=options.visibility,
            activities_max=options.activities_max,
            orchestrators_max=options.orchestrators_max,
            broke=self._break,
        )

    async def _serve(self, options: Settings, urls: links.Links, listener: socket.socket) -> None:
        app = http.HttpApp(
            routes.Router(self._of(Trigger.HTTP), options.route_prefix),
            durable_api.DurableApi(self.engine, urls),
            http.Keys(function=self._key, system=urls.system_key),
            call=self._worker.invoke,
            run_now=self.run_now,
        )
        self._runner = web.AppRunner(
            app.application(),
            access_log=None,
            shutdown_timeout=_STOP_GRACE_SECONDS,
        )
        await self._runner.setup()
        await web.SockSite(self._runner, listener).start()

    def _timer(self, function: Function) -> timers.Timer:
        return timers.Timer(
            function,
            timers.Schedule(settings.resolved(function.trigger.schedule)),
            state=self._state / "timers",
            clock=self._clock,
            invoke=self._invoke,
        )

    def _listen(self, function: Function, options: Settings) -> None:
        """Without a connection the function stays silent, as on Azure; the others run."""
        name = settings.resolved(function.trigger.queue_name)
        try:
            connection = storage_queues.connection_string(function.trigger.connection)
        except storage_queues.NoConnection as problem:
            logs.log.error("function %s gets no messages: %s", function.name, problem)
            return
        self._queues[name] = trigger = QueueTrigger(
            function,
            storage_queues.AzureQueue(connection, name),
            storage_queues.AzureQueue(connection, f"{name}-poison"),
            options=options.queues,
            clock=self._clock,
            invoke=self._invoke,
        )
        self._spawn(trigger.run())

    def _wake(self, queue: str) -> None:
        if queue in self._queues:
            self._queues[queue].wake()

    async def _invoke(
        self,
        function: Function,
        data: meta.Datum,
        metadata: Mapping[str, meta.Datum] | None = None,
    ) -> bool:
        """Run a function whose result is not used; false if it failed."""
        try:
            await self._worker.invoke(function, data, metadata)
        except Exception as error:  # noqa: BLE001 - whatever the app raised, the host goes on
            logs.log.info("function %s failed: %s", function.name, logs.describe(error))
            return False
        return True

    def _spawn(self, work: Coroutine[Any, Any, object]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()):
            logs.log.error("a fault of the host itself: %s", fault, exc_info=fault)
            self._break(fault)

    def _break(self, fault: BaseException) -> None:
        if not self.broken.done():
            self.broken.set_result(fault)


def _task_hub_server() -> Any:
    """The service that version 2 of the SDK calls; None for version 1, which uses the HTTP API."""
    if not protocols.IS_PROTOBUF:
        return None
    from local.functions_host import task_hub

    return task_hub.Server()


def _kept_key(path: Path) -> str:
    """The system key: random, and the same after a restart, because links hold it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()


def _by_hand(text: str) -> storage_queues.Message:
    """A message that never was in a queue."""
    return storage_queues.Message(
        id=str(uuid.uuid4()),
        receipt="by-hand",
        text=text,
        dequeue_count=1,
        inserted=datetime.now(UTC),
        expires=None,
        next_visible=None,
    )
