"""The owner's steps of an image: `--script` as steps, and local files as what the service takes."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from cli import contexts, errors
from cli.client import Client

_TIMES = ("before-docker", "after-docker", "after-restart")
_TEXT_BYTES_MAX = 24 * 1024  # of a script in the request itself; the service refuses more
_UPLOADED = re.compile(r"contexts/[0-9a-f]{32}\.(?:tar\.gz|sh)")


def steps(given: Sequence[str]) -> list[dict[str, Any]]:
    """The steps of `--script [WHEN:]FILE`, each named after its file."""
    made: list[dict[str, Any]] = []
    for text in given:
        when, colon, file = text.partition(":")
        if not colon or when not in _TIMES:
            when, file = "", text
        step = {"name": _name(file, [step["name"] for step in made]), "upload": file}
        made.append({**step, "when": when} if when else step)
    return made


def _name(file: str, taken: Sequence[str]) -> str:
    """`/src/01 Set up.sh` as `step-01-set-up`, with a number where two files are named alike."""
    words = re.sub(r"[^a-z0-9]+", "-", Path(file).stem.lower()).strip("-")
    name = words if words[:1].isalpha() else f"step-{words}".strip("-")
    name = name[:36].strip("-")
    numbers = (f"{name}-{number}" for number in range(2, len(taken) + 3))
    return next(each for each in (name, *numbers) if each not in taken)


def with_files(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """The request with each step's `upload` that is a file or folder of this machine in a form that
    the service takes: a short script as its text, anything else uploaded. Raises Refused.
    """
    check_files(request)
    found = list(_local(request))
    if not found:
        return request
    sent = copy.deepcopy(request)
    for number, path in found:
        step = sent["image"]["steps"][number]
        step |= _contents(client, step, path)
        if step["upload"] is None:
            del step["upload"]
    return sent


def _local(request: dict[str, Any]) -> Iterator[tuple[int, Path]]:
    """The steps, by number, whose `upload` is no name of the service's."""
    image = request.get("image")
    given = image.get("steps") if isinstance(image, dict) else None
    for number, step in enumerate(given if isinstance(given, list) else []):
        upload = step.get("upload") if isinstance(step, dict) else None
        if isinstance(upload, str) and not _UPLOADED.fullmatch(upload):
            yield number, Path(upload)


def check_files(request: dict[str, Any]) -> None:
    """Raises Refused for an `upload` or a `run` that is not there, before anything is started."""
    for number, path in _local(request):
        if not path.exists():
            times = f"; WHEN is {', '.join(_TIMES[:-1])} or {_TIMES[-1]}"
            hint = times if _looks_timed(path) else ""
            message = f"the step's upload {path}: there is no such file or folder{hint}"
            raise errors.Refused(message)
        step = request["image"]["steps"][number]
        run = step.get("run")
        if isinstance(run, str) and not _is_among(run, path):
            raise errors.Refused(f"step {step.get('name')} runs {run}: {path} has no file {run}")


def _looks_timed(path: Path) -> bool:
    """Whether it may be `[WHEN:]FILE` of `--script` with another word than those of `WHEN`."""
    when, colon, file = str(path).partition(":")
    return bool(colon and re.fullmatch("[a-z-]+", when) and Path(file).exists())


def _is_among(run: str, path: Path) -> bool:
    """Whether the file to run is one of the upload, which is a folder or that file."""
    if path.is_dir():
        return not run.startswith("/") and (path / run).is_file()
    return Path(run) == Path(path.name)


def _contents(client: Client, step: dict[str, Any], path: Path) -> dict[str, Any]:
    is_script = path.is_file() and not {"run", "destination"} & step.keys()
    if is_script and (text := _text(path.read_bytes())):
        return {"inline": text, "upload": None}
    upload = client.upload_context(contexts.pack_step(path), "step")
    return {"upload": upload, **({"run": path.name} if is_script else {})}


def _text(data: bytes) -> str:
    """A short script as text; empty where it is none."""
    try:
        text = data.decode("utf-8") if len(data) <= _TEXT_BYTES_MAX else ""
    except UnicodeDecodeError:
        return ""
    return "" if "\0" in text else text
