"""The official Python worker loads the app and invokes every function: it refuses mistakes that a
lenient host accepts (a misnamed parameter, an annotation that is no type, a lost binding).
"""

from __future__ import annotations

import asyncio
import json
import sys
import types
from pathlib import Path
from typing import Any

import pytest

from local.functions_host import history, protocols, store
from local.functions_host.history import Kind

ROOT = Path(__file__).resolve().parent.parent.parent

pytestmark = [
    pytest.mark.skipif(
        sys.version_info < (3, 13), reason="azure-functions-runtime needs Python 3.13"
    ),
    # The SDK announces that payloads will need declared types one day.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


class Message:
    """A protobuf message's stand-in: keeps what it is given."""

    Success, Failure, undefined = 1, 0, 0

    def __init__(self, **fields: Any) -> None:
        self.__dict__.update(fields)
        self.fields = fields

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802  protobuf's name
        return next(iter(self.fields), None) if group == "data" else "data"

    def __getattr__(self, name: str) -> Any:
        if name in {"exception", "return_value", "string", "bytes", "json", "http"}:
            return None
        raise AttributeError(name)


class Binding(Message):
    """Directions of a binding, as the worker compares them."""

    inout, out = 2, 1


setattr(Binding, "in", 0)


class Protos:
    """Every message class of the worker's protocol."""

    BindingInfo = Binding

    def __getattr__(self, name: str) -> type[Message]:
        return Message


PROTOS = Protos()


def request(**kinds: Any) -> Any:
    """One event, as the host sends it to the worker."""
    return types.SimpleNamespace(
        request=types.SimpleNamespace(**kinds),
        properties={"host": "127.0.0.1", "protos": PROTOS},
    )


class Worker:
    """The worker library in this process, with the app loaded."""

    def __init__(self, runtime: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._runtime, self._loop = runtime, loop
        self.functions: dict[str, str] = {}
        self.parameters: dict[str, list[str]] = {}

    def load(self) -> None:
        """Index the app and load every function."""
        begin = types.SimpleNamespace(capabilities={}, function_app_directory=str(ROOT))
        answer = self._do(self._runtime.worker_init_request(request(worker_init_request=begin)))
        assert answer.result.status == Message.Success, answer.result.exception
        told = self._do(self._runtime.functions_metadata_request(request()))
        for function in told.function_metadata_results:
            what = types.SimpleNamespace(function_id=function.function_id, metadata=function)
            loading = self._runtime.function_load_request(request(function_load_request=what))
            loaded = self._do(loading)
            assert loaded.result.status == Message.Success, function.name
            self.functions[function.name] = function.function_id
            self.parameters[function.name] = [each for each in function.bindings if each[0] != "$"]

    def invoke(self, name: str, metadata: dict[str, Any] | None = None, **inputs: Any) -> Any:
        """Run one function with the given bindings."""
        data = [
            types.SimpleNamespace(name=n, data=d, WhichOneof=lambda _: "data")
            for n, d in inputs.items()
        ]
        invocation = types.SimpleNamespace(
            invocation_id=f"i-{name}",
            function_id=self.functions[name],
            trigger_metadata=metadata or {},
            input_data=data,
            trace_context=types.SimpleNamespace(trace_parent="", trace_state="", attributes={}),
            retry_context=types.SimpleNamespace(retry_count=0, max_retry_count=0, exception=None),
        )
        return self._do(self._runtime.invocation_request(request(invocation_request=invocation)))

    def _do(self, coroutine: Any) -> Any:
        return self._loop.run_until_complete(coroutine)


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The app in the official worker. No setting points anywhere: nothing may be needed to load."""
    import azure_functions_runtime as runtime

    patch = pytest.MonkeyPatch()
    patch.chdir(ROOT)
    patch.delitem(sys.modules, "function_app", raising=False)  # another test's app
    patch.setenv("AZURE_SUBSCRIPTION_ID", "")
    patch.syspath_prepend(str(ROOT))
    loop = asyncio.new_event_loop()
    runtime.start_threadpool_executor()
    loaded = Worker(runtime, loop)
    loaded.load()
    yield loaded
    runtime.stop_threadpool_executor()
    loop.close()
    patch.undo()


def test_every_function_is_indexed(worker: Worker) -> None:
    """What the worker does not index does not exist on Azure."""
    from activities import ACTIVITIES
    from orchestrators import ORCHESTRATORS

    assert set(ACTIVITIES) | {o.value for o in ORCHESTRATORS} <= set(worker.functions)
    assert {"pool_request", "pool_request_poison", "weekly_rebuild"} <= set(worker.functions)


def test_every_activity_is_invoked_and_tells_that_settings_are_missing(worker: Worker) -> None:
    """The payload reaches the function: it fails by its own message, not by the worker's."""
    from activities import ACTIVITIES

    payload = Message(string=json.dumps({"plan": {}, "tick": {"now": "2026-01-01T00:00:00Z"}}))
    for activity in ACTIVITIES:
        answer = worker.invoke(activity, payload=payload)
        assert answer.result.status == Message.Failure
        assert "AZURE_SUBSCRIPTION_ID is not set" in str(answer.result.exception.message)


def test_every_orchestrator_is_replayed(worker: Worker) -> None:
    """A first episode: each orchestration asks for its first work, or says that its input
    is bad.
    """
    from orchestrators import ORCHESTRATORS

    protocol = protocols.installed()
    for name in ORCHESTRATORS:
        (parameter,) = worker.parameters[name.value]
        episode = Message(string=_first_episode(protocol, name.value))
        ran = worker.invoke(name.value, **{parameter: episode})
        if ran.result.status == Message.Success:
            answer = protocol.answer(str(ran.return_value.string or ran.return_value.json))
        else:
            answer = protocol.raised(Exception(ran.result.exception.message))
        assert not answer.is_broken, (name, answer.error)
        wanted = answer.played_out.new if answer.played_out else answer.actions
        assert wanted or answer.is_done or answer.error, name


def _first_episode(protocol: protocols.SdkProtocol, name: str) -> str:
    given = protocol.input_text("{}")
    identity = {"InstanceId": "i", "ExecutionId": "e"}
    instance = store.Instance(
        id="i", execution="e", name=name, version=None, status=store.Status.PENDING,
        input=given, created=0, updated=0,
    )  # fmt: skip
    started = history.event(
        Kind.EXECUTION_STARTED, 0, Name=name, Version=None, Input=given,
        OrchestrationInstance=identity, ParentInstance=None, Tags=None,
    )  # fmt: skip
    return protocol.request(instance, [], [history.event(Kind.ORCHESTRATOR_STARTED, 0), started])


def test_every_http_function_answers(worker: Worker) -> None:
    """Bindings fit the handlers: without settings each answers 500 and names what is missing."""
    bindings = json.dumps(
        {
            "taskHubName": "h",
            "rpcBaseUrl": "http://127.0.0.1:1/durabletask/",
            "baseUrl": "http://127.0.0.1:1/",
            "requiredQueryStringParameters": "",
            "creationUrls": {},
            "managementUrls": {"id": "INSTANCEID"},
        }
    )
    for name in [n for n in worker.functions if n.startswith("http_")]:
        text = Message(string="{}")
        url = "http://a/api/x"
        http = Message(method="POST", url=url, headers={}, params={}, query={}, body=text)
        call = Message(http=http)
        inputs = {"req": call}
        if name in {
            "http_start_build",
            "http_resume_build",
            "http_resize_pool",
            "http_delete_pool",
            "http_begin_sweep",
        }:
            inputs["client"] = Message(string=bindings)
        answer = worker.invoke(name, **inputs)
        assert answer.result.status == Message.Success, (name, answer.result.exception)
        assert answer.return_value.http.status_code == "500"
        assert b"SettingsInvalid" in _body(answer.return_value.http)


def _body(http: Any) -> bytes:
    body = http.body.bytes or http.body.string
    return body if isinstance(body, bytes) else body.encode()
