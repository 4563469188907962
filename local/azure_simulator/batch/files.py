"""Files on nodes: listed, described, downloaded whole or in ranges."""

from __future__ import annotations

import re
from collections.abc import Mapping

from local.azure_simulator import context, model
from local.azure_simulator.batch import iso8601, odata, planes, problems

_RANGE = re.compile(r"bytes=(?P<first>\d+)-(?P<last>\d*)")
_MODE = "0o100644"


def download(
    azure: context.Azure, request: model.Request, files: Mapping[str, str]
) -> model.Response:
    """The content, or the part that `ocp-range: bytes=0-4095` asks for; 200 in both cases."""
    content = _find(request, files)
    part = _range(request, content)
    headers = {**_headers(azure, request), "Content-Type": "application/octet-stream"}
    return model.Response(status=200, headers=headers, body=part)


def describe(
    azure: context.Azure, request: model.Request, files: Mapping[str, str]
) -> model.Response:
    """HEAD: size and times as headers."""
    content = _find(request, files)
    headers = {**_headers(azure, request), "Content-Length": str(len(content))}
    return model.Response(status=200, headers=headers)


def listing(
    azure: context.Azure, request: model.Request, files: Mapping[str, str]
) -> model.Response:
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


def _find(request: model.Request, files: Mapping[str, str]) -> bytes:
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
