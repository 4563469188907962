"""The service that version 2 of the SDK's durable client calls (`LocalGrpcListener` of the
extension), without a server: an object of it stands in for the client's connection.
"""

from collections.abc import Iterable
from datetime import UTC
from typing import Any

import azure.durable_functions as df
import grpc
from durabletask.internal import orchestrator_service_pb2 as pb

from local.functions_host import links, protobuf_protocol
from local.functions_host.engine import AlreadyExists, Engine
from local.functions_host.store import Instance, Query, Status

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
    client._stub = TaskHub(engine)
    return client


class TaskHub:
    """The methods of `TaskHubSidecarService` that say something about orchestrations."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def StartInstance(self, request: Any) -> Any:  # noqa: N802
        given = request.input.value if request.HasField("input") else None
        version = request.version.value or None
        try:
            started = self._engine.create(request.name, given, request.instanceId or None, version)
        except AlreadyExists as error:
            raise _error(grpc.StatusCode.ALREADY_EXISTS, str(error)) from None
        except ValueError as error:
            raise _error(grpc.StatusCode.INTERNAL, str(error)) from None
        return pb.CreateInstanceResponse(instanceId=started)

    async def GetInstance(self, request: Any) -> Any:  # noqa: N802
        instance = self._engine.store.instance(request.instanceId)
        if instance is None:
            return pb.GetInstanceResponse(exists=False)
        state = _state(instance, with_payloads=request.getInputsAndOutputs)
        return pb.GetInstanceResponse(exists=True, orchestrationState=state)

    async def QueryInstances(self, request: Any) -> Any:  # noqa: N802
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

    async def RaiseEvent(self, request: Any) -> Any:  # noqa: N802
        given = request.input.value if request.HasField("input") else "null"
        self._known(request.instanceId)
        self._engine.raise_event(request.instanceId, request.name, given)
        return pb.RaiseEventResponse()

    async def TerminateInstance(self, request: Any) -> Any:  # noqa: N802
        self._known(request.instanceId)
        self._engine.terminate(request.instanceId, request.output.value)
        return pb.TerminateResponse()

    async def SuspendInstance(self, request: Any) -> Any:  # noqa: N802
        self._known(request.instanceId)
        self._engine.suspend(request.instanceId, request.reason.value)
        return pb.SuspendResponse()

    async def ResumeInstance(self, request: Any) -> Any:  # noqa: N802
        self._known(request.instanceId)
        self._engine.resume(request.instanceId, request.reason.value)
        return pb.ResumeResponse()

    async def PurgeInstances(self, request: Any) -> Any:  # noqa: N802
        is_purged = self._engine.purge(request.instanceId)
        return pb.PurgeInstancesResponse(deletedInstanceCount=int(is_purged))

    def _known(self, instance_id: str) -> None:
        if self._engine.store.instance(instance_id) is None:
            raise _error(grpc.StatusCode.UNKNOWN, f"No instance with ID '{instance_id}' was found.")


def _error(code: Any, details: str) -> Exception:
    nothing = grpc.aio.Metadata()
    error: Exception = grpc.aio.AioRpcError(code, nothing, nothing, details=details)
    return error


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


def _statuses(numbers: Iterable[int]) -> Iterable[Status]:
    return [status for status, number in _NUMBERS.items() if number in numbers]


def _seconds(message: Any, field: str) -> float | None:
    if not message.HasField(field):
        return None
    return float(getattr(message, field).ToDatetime(UTC).timestamp())
