"""The service that version 2 of the SDK's durable client calls (`LocalGrpcListener` of the
extension): on a port of its own in the host, without a connection in tests.
"""

import asyncio
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC
from typing import Any, NoReturn

import azure.durable_functions as df
import grpc
from durabletask.internal import orchestrator_service_pb2 as pb
from durabletask.internal import orchestrator_service_pb2_grpc as rpc

from local.functions_host import links, protobuf_protocol
from local.functions_host.engine import AlreadyExists, Engine
from local.functions_host.store import Instance, Query, Status

_ADDRESS = "127.0.0.1"
_THREADS = 4  # each waits for the event loop
_NUMBERS = {
    Status.PENDING: pb.ORCHESTRATION_STATUS_PENDING,
    Status.RUNNING: pb.ORCHESTRATION_STATUS_RUNNING,
    Status.COMPLETED: pb.ORCHESTRATION_STATUS_COMPLETED,
    Status.FAILED: pb.ORCHESTRATION_STATUS_FAILED,
    Status.TERMINATED: pb.ORCHESTRATION_STATUS_TERMINATED,
    Status.SUSPENDED: pb.ORCHESTRATION_STATUS_SUSPENDED,
}


def open_client(engine: Engine, urls: links.Links) -> Any:
    """The real client, with the engine behind it instead of a connection."""
    client = df.DurableFunctionsClient(urls.client_binding())
    client._stub = _Connection(engine)
    return client


class Server:
    """The service on a free port, which is taken at once; calls run on the engine's event loop."""

    def __init__(self) -> None:
        self._server = grpc.server(ThreadPoolExecutor(_THREADS, "task-hub"))
        self.url = f"http://{_ADDRESS}:{self._server.add_insecure_port(f'{_ADDRESS}:0')}"

    def start(self, engine: Engine, loop: asyncio.AbstractEventLoop) -> None:
        servicer = _OnLoop(TaskHub(engine), loop)
        rpc.add_TaskHubSidecarServiceServicer_to_server(servicer, self._server)
        self._server.start()

    def stop(self) -> None:
        """Calls that still run are left to themselves."""
        self._server.stop(grace=None)


class TaskHub(rpc.TaskHubSidecarServiceServicer):  # type: ignore[misc]  # it has no types
    """The methods that say something about orchestrations; the others answer UNIMPLEMENTED."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def StartInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        given = request.input.value if request.HasField("input") else None
        instance_id, version = request.instanceId or None, request.version.value or None
        try:
            started = self._engine.create(request.name, given, instance_id, version)
        except AlreadyExists as error:
            context.abort(grpc.StatusCode.ALREADY_EXISTS, str(error))
        except ValueError as error:
            context.abort(grpc.StatusCode.INTERNAL, str(error))
        return pb.CreateInstanceResponse(instanceId=started)

    def GetInstance(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        instance = self._engine.store.instance(request.instanceId)
        if instance is None:
            return pb.GetInstanceResponse(exists=False)
        state = _state(instance, with_payloads=request.getInputsAndOutputs)
        return pb.GetInstanceResponse(exists=True, orchestrationState=state)

    def QueryInstances(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        asked = request.query
        rows = self._engine.store.select(
            Query(
                created_from=_seconds(asked, "createdTimeFrom"),
                created_to=_seconds(asked, "createdTimeTo"),
                statuses=frozenset(_statuses(asked.runtimeStatus)),
                prefix=asked.instanceIdPrefix.value,
            )
        )
        states = [_state(row, with_payloads=asked.fetchInputsAndOutputs) for row in rows]
        return pb.QueryInstancesResponse(orchestrationState=states)

    def RaiseEvent(self, request: Any, context: Any) -> Any:  # noqa: N802
        given = request.input.value if request.HasField("input") else "null"
        self._require(request, context)
        self._engine.raise_event(request.instanceId, request.name, given)
        return pb.RaiseEventResponse()

    def TerminateInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._require(request, context)
        self._engine.terminate(request.instanceId, request.output.value)
        return pb.TerminateResponse()

    def SuspendInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._require(request, context)
        self._engine.suspend(request.instanceId, request.reason.value)
        return pb.SuspendResponse()

    def ResumeInstance(self, request: Any, context: Any) -> Any:  # noqa: N802
        self._require(request, context)
        self._engine.resume(request.instanceId, request.reason.value)
        return pb.ResumeResponse()

    def PurgeInstances(self, request: Any, context: Any) -> Any:  # noqa: N802, ARG002
        is_purged = self._engine.purge(request.instanceId)
        return pb.PurgeInstancesResponse(deletedInstanceCount=int(is_purged))

    def _require(self, request: Any, context: Any) -> None:
        if self._engine.store.instance(request.instanceId) is None:
            text = f"No instance with ID '{request.instanceId}' was found."
            context.abort(grpc.StatusCode.UNKNOWN, text)


class _OnLoop:
    """A servicer whose methods run on an event loop, whatever thread calls them."""

    def __init__(self, servicer: TaskHub, loop: asyncio.AbstractEventLoop) -> None:
        self._servicer, self._loop = servicer, loop

    def __getattr__(self, name: str) -> Callable[[Any, Any], Any]:
        method = getattr(self._servicer, name)

        async def run(request: Any, context: Any) -> Any:
            return method(request, context)

        return lambda request, context: asyncio.run_coroutine_threadsafe(
            run(request, context), self._loop
        ).result()


class _Connection:
    """What the client calls (its stub), and the context of such a call."""

    def __init__(self, engine: Engine) -> None:
        self._servicer = TaskHub(engine)

    def __getattr__(self, name: str) -> Callable[[Any], Any]:
        method = getattr(self._servicer, name)

        async def run(request: Any) -> Any:
            return method(request, self)

        return run

    def abort(self, code: Any, details: str) -> NoReturn:
        nothing = grpc.aio.Metadata()
        raise grpc.aio.AioRpcError(code, nothing, nothing, details=details)


def _state(instance: Instance, *, with_payloads: bool) -> Any:
    payloads = {}
    if with_payloads:
        failed = pb.TaskFailureDetails(errorMessage=instance.output)
        payloads = {
            "input": protobuf_protocol.text(instance.input),
            "output": protobuf_protocol.text(instance.output),
            "customStatus": protobuf_protocol.text(instance.custom_status),
            "failureDetails": failed if instance.status is Status.FAILED else None,
        }
    return pb.OrchestrationState(
        instanceId=instance.id,
        name=instance.name,
        orchestrationStatus=_NUMBERS[instance.status],
        createdTimestamp=protobuf_protocol.moment(instance.created),
        lastUpdatedTimestamp=protobuf_protocol.moment(instance.updated),
        **payloads,
    )


def _statuses(numbers: Iterable[int]) -> list[Status]:
    return [status for status, number in _NUMBERS.items() if number in numbers]


def _seconds(message: Any, field: str) -> float | None:
    if not message.HasField(field):
        return None
    return float(getattr(message, field).ToDatetime(UTC).timestamp())
