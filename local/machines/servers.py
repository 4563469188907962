"""What a machine can reach: package repositories, registries and the metadata service.

All run in the process that keeps the machine, in its network namespace. Requests are noted in
`requests.log`. A folder `sites/HOST` in the machine's directory holds what that host serves. A file
`troubles` there makes some requests go wrong, one line `WHAT TIMES PATTERN` each: WHAT is a status,
or `stall:SECONDS` to answer late, PATTERN a regular expression for `HOST/PATH`.
"""

from __future__ import annotations

import dataclasses
import http.server
import json
import re
import ssl
import threading
import time
import urllib.parse
from http import HTTPStatus
from pathlib import Path

from local.machines import image_registry, kit, network

_HTTP, _HTTPS = 80, 443
_METADATA_HEADER = "Metadata"
_STALL = "stall:"


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Site:
    """What the servers of one machine answer with; `home` is its directory."""

    kit: kit.Kit
    home: Path
    lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def answer(self, handler: http.server.BaseHTTPRequestHandler) -> image_registry.Answer:
        host = handler.headers.get("Host", "").split(":")[0]
        with self.lock:
            trouble = self._trouble(f"{host}{handler.path}")
        if trouble.startswith(_STALL):
            time.sleep(float(trouble.removeprefix(_STALL)))
        elif trouble:
            return image_registry.Answer(status=int(trouble))
        path = urllib.parse.unquote(urllib.parse.urlsplit(handler.path).path)
        site = self.home / "sites" / host
        if site.is_dir():
            return _file(site, path.removeprefix("/"))
        match host:
            case network.METADATA:
                return self._metadata(handler, path)
            case "deb.debian.org":
                return _file(self.kit.debian, path.removeprefix("/debian/"))
            case "download.docker.com":
                return _file(self.kit.docker, path.removeprefix("/linux/debian/"))
            case _:
                return self._registry(handler, host)

    def _trouble(self, place: str) -> str:
        """What goes wrong with this request; empty where nothing does."""
        file = self.home / "troubles"
        lines = file.read_text().splitlines() if file.exists() else []
        for number, line in enumerate(lines):
            what, times, pattern = line.split(maxsplit=2)
            if int(times) > 0 and re.search(pattern, place):
                lines[number] = f"{what} {int(times) - 1} {pattern}"
                file.write_text("\n".join(lines))
                return what
        return ""

    def _metadata(
        self, handler: http.server.BaseHTTPRequestHandler, path: str
    ) -> image_registry.Answer:
        """https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service"""
        if handler.headers.get(_METADATA_HEADER, "").lower() != "true":
            return image_registry.Answer(status=HTTPStatus.BAD_REQUEST)
        known = json.loads((self.home / "metadata.json").read_text())
        if path == "/metadata/instance/compute/vmSize":
            return image_registry.Answer(body=str(known["vmSize"]).encode())
        if path != "/metadata/identity/oauth2/token":
            return image_registry.Answer(status=HTTPStatus.NOT_FOUND)
        query = urllib.parse.parse_qs(urllib.parse.urlsplit(handler.path).query)
        [identity] = query.get("client_id") or query.get("msi_res_id", [""])
        if identity not in known["identities"]:
            return image_registry.Answer(
                status=HTTPStatus.BAD_REQUEST, body=b'{"error":"invalid_request"}'
            )
        token = {"access_token": image_registry.IDENTITY_TOKEN, "token_type": "Bearer"}
        return image_registry.Answer(body=json.dumps(token).encode())

    def _registry(
        self, handler: http.server.BaseHTTPRequestHandler, host: str
    ) -> image_registry.Answer:
        body = handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        registry = image_registry.Registry(
            images=self.kit.images, table=self.home / "registry.json"
        )
        return registry.answer(
            handler.command, host, handler.path, dict(handler.headers.items()), body
        )


def start(site: Site) -> None:
    """Serve in threads for as long as this process lives. The network must be up."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(site.kit.tls / "certificate.pem", site.kit.tls / "key.pem")
    for address, port in (
        (network.METADATA, _HTTP),
        (network.SERVERS, _HTTP),
        (network.SERVERS, _HTTPS),
    ):
        server = http.server.ThreadingHTTPServer((address, port), _handler(site))
        server.daemon_threads = True
        if port == _HTTPS:
            server.socket = context.wrap_socket(
                server.socket, server_side=True, do_handshake_on_connect=False
            )
        threading.Thread(target=server.serve_forever, daemon=True).start()


def _handler(site: Site) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            self._answer()

        def do_HEAD(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self._answer()

        def _answer(self) -> None:
            answer = site.answer(self)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  its name there
            host = self.headers.get("Host", "") if hasattr(self, "headers") else ""
            with site.lock, (site.home / "requests.log").open("a") as log:
                log.write(f"{host} {format % args}\n")

    return Handler


def _file(folder: Path, path: str) -> image_registry.Answer:
    found = (folder / path).resolve()
    if not found.is_relative_to(folder.resolve()) or not found.is_file():
        return image_registry.Answer(status=HTTPStatus.NOT_FOUND)
    return image_registry.Answer(body=found.read_bytes())
