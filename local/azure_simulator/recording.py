"""Writes down what is sent to Azure Resource Manager, for those who check it elsewhere."""

from __future__ import annotations

import json
import pathlib

from local.azure_simulator import model


class Recording:
    """A file with a JSON object a line: {"method", "url", "body"}, for each request with a body.

    Several processes may write to one file.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self._path = path

    def add(self, request: model.Request) -> None:
        """Write down the request; one without a body, or with one that is no text, is left out."""
        try:
            body = request.body.decode()
        except UnicodeDecodeError:
            return
        if body:
            line = json.dumps({"method": request.method, "url": request.url, "body": body}) + "\n"
            with self._path.open("ab", buffering=0) as file:  # one write, so that lines stay whole
                file.write(line.encode())
