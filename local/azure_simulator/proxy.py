"""A proxy for clients that reach a registry by its own name: every host leads to the simulator.

It takes `CONNECT name.azurecr.io:443` and passes on what follows to the port that speaks https.
"""

from __future__ import annotations

import asyncio
import contextlib

HOST = "127.0.0.1"
_CHUNK_BYTES = 64 * 1024
_REFUSAL = b"HTTP/1.1 405 Method Not Allowed\r\nAllow: CONNECT\r\nContent-Length: 0\r\n\r\n"


async def start(port: int, tls_port: int) -> asyncio.Server:
    """Listen on a port of the loopback address; 0 takes a free one."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            asked = await reader.readuntil(b"\r\n\r\n")
            if asked.startswith(b"CONNECT "):
                await _connect(reader, writer, tls_port)
            else:
                writer.write(_REFUSAL)
        writer.close()

    return await asyncio.start_server(serve, HOST, port)


async def _connect(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, tls_port: int
) -> None:
    there, here = await asyncio.open_connection(HOST, tls_port)
    writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
    try:
        await asyncio.gather(_pass_on(reader, here), _pass_on(there, writer))
    finally:
        here.close()


async def _pass_on(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while data := await source.read(_CHUNK_BYTES):
        target.write(data)
        await target.drain()
    if target.can_write_eof():
        target.write_eof()
