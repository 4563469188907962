"""Calls the app's functions as the Python worker does: decode the inputs, call, encode the outputs.

Sync functions run in threads, orchestrators too; async ones run on an event loop in a thread of its
own. So nothing the app does can hold up the host, and a function may call the host it runs in.
"""

import asyncio
import contextlib
import functools
import importlib
import inspect
import threading
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, Protocol

import azure.functions as func
from azure.functions import meta

from local.functions_host import adapters, functions, protocols
from local.functions_host.functions import Function

_STOP_SECONDS = 1.0


class Outputs(Protocol):
    """Where the queue output binding sends to."""

    async def send(self, connection: str, queue: str, content: str | bytes) -> None:
        """`connection` is the name of an app setting."""
        ...


class Worker:
    """`client_binding` is the JSON of a durable client; see `links.Links`."""

    def __init__(self, *, threads: int, client_binding: str, outputs: Outputs) -> None:
        self._client_binding = client_binding
        self._outputs = outputs
        self.threads = ThreadPoolExecutor(threads, "function")
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="async", daemon=True)

    def start(self) -> None:
        adapters.prepare_sdk()
        self._thread.start()

    async def stop(self) -> None:
        """Functions that still run are left to themselves."""
        self.threads.shutdown(wait=False, cancel_futures=True)
        with contextlib.suppress(TimeoutError):  # a function may block the loop
            await asyncio.wait_for(self._on_loop(_end_all()), _STOP_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        await asyncio.to_thread(self._thread.join, _STOP_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()

    async def invoke(
        self,
        function: Function,
        data: meta.Datum,
        metadata: Mapping[str, meta.Datum] | None = None,
    ) -> meta.Datum | None:
        """Run the function on what its trigger brings; returns its encoded result.

        Raises what the function raises.
        """
        decode = _converter(function.trigger.type).decode
        arguments = {function.trigger.name: decode(data, trigger_metadata=metadata)}
        arguments |= {each.name: self._client_binding for each in function.inputs}
        outputs = {each.name: _Out() for each in function.outputs if each.name != functions.RETURN}
        if function.wants_context:
            arguments["context"] = _context(function)
        result = await self._call(function.call, arguments | outputs)
        for binding in function.outputs:
            value = result if binding.name == functions.RETURN else outputs[binding.name].get()
            if binding.type == "queue" and value is not None:
                await self._send(binding, value)
        return _encoded(function, result)

    def orchestrator(self, function: Function) -> Callable[[str], str]:
        """The function from text to text of the SDK's protocol; it is called in `threads`."""
        name, call = function.trigger.name, function.call
        if inspect.iscoroutinefunction(call):  # since version 2
            call = functools.partial(self._wait_for, call)
        return lambda body: str(call(**{name: func.OrchestrationContext(body)}))

    async def activity(self, function: Function, text: str) -> str:
        """Run an activity: JSON text in, JSON text out."""
        result = await self.invoke(function, meta.Datum(text, "json"))
        return str(result.value) if result is not None else "null"

    async def _call(self, call: Callable[..., Any], arguments: dict[str, Any]) -> Any:
        if inspect.iscoroutinefunction(call):
            return await self._on_loop(call(**arguments))
        run = functools.partial(call, **arguments)
        return await asyncio.get_running_loop().run_in_executor(self.threads, run)

    def _wait_for(self, call: Callable[..., Any], **arguments: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(call(**arguments), self._loop).result()

    async def _on_loop(self, coroutine: Any) -> Any:
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    async def _send(self, binding: Any, value: Any) -> None:
        encoded = _converter("queue").encode(value, expected_type=None)
        for content in _messages(encoded):
            await self._outputs.send(binding.connection, binding.queue_name, content)


class _Out:
    """What an output parameter gets (`func.Out`)."""

    def __init__(self) -> None:
        self._value: Any = None

    def set(self, value: Any) -> None:
        self._value = value

    def get(self) -> Any:
        return self._value


def _converter(binding: str) -> Any:
    return meta.get_binding_registry().get(binding)  # type: ignore[no-untyped-call]


def _encoded(function: Function, result: Any) -> meta.Datum | None:
    match function.kind:
        case functions.Trigger.ACTIVITY:
            return _encode("activityTrigger", result)
        case functions.Trigger.HTTP if result is not None:
            return _encode("http", result)
        case _:
            return None


def _encode(binding: str, value: Any) -> meta.Datum:
    encoded: meta.Datum = _converter(binding).encode(value, expected_type=None)
    return encoded


def _messages(encoded: meta.Datum) -> list[str | bytes]:
    """A JSON list is many messages; a QueueMessage is sent by its body."""
    if encoded.type != "json":
        return [encoded.value]
    value = encoded.python_value
    items = value if isinstance(value, list) else [value]
    return [item["body"] if isinstance(item, dict) else item for item in items]


def _context(function: Function) -> SimpleNamespace:
    """`func.Context`, as much of it as there is here."""
    return SimpleNamespace(
        invocation_id=str(uuid.uuid4()),
        function_name=function.name,
        function_directory="",
        trace_context=None,
        retry_context=None,
    )


async def _end_all() -> None:
    """Cancel what runs on this loop, and close version 1's session if it is bound to it."""
    running = asyncio.all_tasks() - {asyncio.current_task()}
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
    if protocols.IS_PROTOBUF:
        return
    sessions = importlib.import_module("azure.durable_functions.models.utils.http_utils")
    session = getattr(sessions, "_client_session", None)
    if session is not None and session._loop is asyncio.get_running_loop():
        await sessions._close_session()
