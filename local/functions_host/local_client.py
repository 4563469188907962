"""The SDK's durable client on an engine in the same process: for tests that call triggers directly.

client = local_client.open_client(engine)
await client.start_new("build", "build-1", {"mode": "full"})
status = await client.get_status("build-1")
"""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import azure.durable_functions as df

from local.functions_host import durable_api, links, protocols
from local.functions_host.engine import Engine

_NOWHERE = links.Links(origin="http://127.0.0.1", hub="Local", system_key="none")


def open_client(engine: Engine) -> df.DurableOrchestrationClient:
    """The real client, all methods, with the host's own API behind it instead of a connection."""
    if protocols.IS_PROTOBUF:
        from local.functions_host import task_hub

        return task_hub.open_client(engine, _NOWHERE)
    transport = _Transport(durable_api.DurableApi(engine, _NOWHERE))
    client = df.DurableOrchestrationClient(_NOWHERE.client_binding())
    # These three are what the SDK's own tests replace.
    client._post_async_request = transport.post
    client._get_async_request = transport.get
    client._delete_async_request = transport.delete
    return client


class _Transport:
    """`http_utils` of the SDK: each method returns [status, decoded body]."""

    def __init__(self, api: durable_api.DurableApi) -> None:
        self._api = api

    async def post(self, url: str, data: Any = None, *_: Any, **__: Any) -> list[Any]:
        return self._send("POST", url, "" if data is None else json.dumps(data))

    async def get(self, url: str, *_: Any, **__: Any) -> list[Any]:
        status, body = self._send("GET", url)
        return [status, "" if body is None else body]

    async def delete(self, url: str, *_: Any, **__: Any) -> list[Any]:
        return self._send("DELETE", url)

    def _send(self, method: str, url: str, body: str = "") -> list[Any]:
        parts = urlsplit(url)
        path = parts.path.removeprefix(links.RPC_PATH)
        reply = self._api.handle(
            durable_api.Request(
                method=method,
                path=tuple(unquote(segment) for segment in path.split("/") if segment),
                query=dict(parse_qsl(parts.query)),
                body=body,
                url=url,
            ),
        )
        return [reply.status, json.loads(json.dumps(reply.body))]
