"""Files of nodes and tasks: listed, described, downloaded whole or in ranges."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from local.azure_simulator import context, model, store
from local.azure_simulator.batch import iso8601, odata, planes, problems

_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)")
_MODE = "0o100644"

_Files = Mapping[str, str]
_Answer = Callable[[context.Azure, model.Request, _Files], model.Response]


def serve(
    plane: planes.DataPlane,
    path: str,
    files_of: Callable[[context.Azure, model.Request, store.Resource], _Files],
) -> None:
    """Serve below `path` the files, content by name, of the node or task that a request names."""

    def route(method: str, path: str, answer: _Answer) -> None:
        def handle(
            azure: context.Azure, request: model.Request, account: store.Resource
        ) -> model.Response:
            return answer(azure, request, files_of(azure, request, account))

        plane.route(method, path, handle)

    route("GET", path + "/files", _list)
    route("GET", path + "/files/{file}", _download)
    route("HEAD", path + "/files/{file}", _describe)


def _download(azure: context.Azure, request: model.Request, files: _Files) -> model.Response:
    """The content, or the part that `ocp-range: bytes=0-4095` asks for; 200 in both cases."""
    content = _find(request, files)
    part = _range(request, content)
    headers = {**_headers(azure, request), "Content-Type": "application/octet-stream"}
    return model.Response(status=200, headers=headers, body=part)


def _describe(azure: context.Azure, request: model.Request, files: _Files) -> model.Response:
    """HEAD: size and times as headers."""
    content = _find(request, files)
    headers = {**_headers(azure, request), "Content-Length": str(len(content))}
    return model.Response(status=200, headers=headers)


def _list(azure: context.Azure, request: model.Request, files: _Files) -> model.Response:
    base = request.path.strip("/").partition("/")[2]
    items = [
        {
            "name": name,
            "url": planes.service_url(request, f"{base}/{name}"),
            "isDirectory": False,
            "properties": {
                "contentLength": str(len(text.encode())),
                "contentType": "text/plain",
                "creationTime": iso8601.timestamp(azure.machine_now),
                "lastModified": iso8601.timestamp(azure.machine_now),
                "fileMode": _MODE,
            },
        }
        for name, text in sorted(files.items())
    ]
    return odata.listing(azure, request, "files", items)


def _find(request: model.Request, files: _Files) -> bytes:
    text = files.get(request.parameters["file"])
    if text is None:
        raise problems.not_found("File")
    return text.encode()


def _range(request: model.Request, content: bytes) -> bytes:
    text = request.headers.get("ocp-range") or request.headers.get("range")
    if not text:
        return content
    asked = _RANGE.fullmatch(text)
    first = int(asked["first"]) if asked else len(content)
    if asked is None or (first >= len(content) and content):
        message = "The range specified is invalid for the current size of the file."
        raise problems.refusal(416, "InvalidRange", message)
    last = int(asked["last"]) if asked["last"] else len(content) - 1
    return content[first : last + 1]


def _headers(azure: context.Azure, request: model.Request) -> dict[str, str]:
    return {
        "Last-Modified": iso8601.http_date(azure.machine_now),
        "ocp-creation-time": iso8601.http_date(azure.machine_now),
        "ocp-batch-file-isdirectory": "False",
        "ocp-batch-file-url": f"{request.base_url}{request.path}",
        "ocp-batch-file-mode": _MODE,
    }
