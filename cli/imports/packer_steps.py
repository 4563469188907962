"""Provisioners of Packer -> `steps` of an image, in their order.

| provisioner | step |
|---|---|
| shell, `inline` | `inline` |
| shell, `script` and `scripts` | `upload` of each file, which is run |
| file | `upload` with a `destination` |

The lines that remove the builder's user and keys (`waagent -deprovision`) go: batch-prep seals
every image itself. A line that only restarts the machine becomes `restart`. What never says sudo
runs as the builder's user.
"""

from __future__ import annotations

import dataclasses
import math
import posixpath
import re
import shlex
from pathlib import Path as File
from typing import Any

from cli.imports.draft import (
    NO_SECRETS,
    Draft,
    Path,
    Unresolved,
    holds_secret,
    looks_secret,
    shown,
)
from cli.imports.tables import NOTHING, Source, Table, follow, left

_DEPROVISION = re.compile(r"waagent\b.*-deprovision")
_RESTART = re.compile(r"(?:sudo\s+)?(?:/s?bin/)?(?:systemctl\s+)?(?:reboot|shutdown\s+-r)\b.*")
_OTHERS = {
    "ansible": "let a step install ansible-core, upload the playbook as a folder, and run it there",
    "ansible-local": "let a step install ansible-core, upload the playbook as a folder, and run it",
    "powershell": "steps run on Linux",
    "windows-shell": "steps run on Linux",
    "windows-restart": "steps run on Linux",
    "shell-local": "run it before the command: it concerns this machine and not the image",
    "breakpoint": "keepVm of a request keeps the builder",
    "sleep": "let a step sleep",
}
_OF_SHELL: Table = {
    "execute_command": NOTHING,  # read before: whether it is sudo
    "use_env_var_file": NOTHING,
    "env_var_format": NOTHING,
    "skip_clean": NOTHING,  # a step's own directory is always removed
    "remote_*": left("a step has a directory of its own"),
    "binary": NOTHING,
    "expect_disconnect": NOTHING,  # restart says so
    "pause_before": left("let the step wait for what it needs"),
    "pause_after": left("let the step wait for what it needs"),
    "start_retry_timeout": left("Azure's Run Command starts the step"),
    "max_retries": left(
        "let the step try again: a step that failed ends the build, and is resumed"
    ),
    "override": left("the file has other values for some builders: compare them"),
}


@dataclasses.dataclass(frozen=True, kw_only=True, slots=True)
class Provisioner:
    """One of a template, with its place there."""

    kind: str
    body: dict[str, Any]
    place: Path


def into(draft: Draft, provisioners: list[Provisioner], folder: File) -> None:
    """Map all of them; `folder` is the one that paths are relative to."""
    for each in provisioners:
        source = Source(each.body, each.place)
        if each.kind == "shell":
            _shell(draft, source, folder)
        elif each.kind == "file":
            _file(draft, source, folder)
        else:
            draft.leave(each.place, _OTHERS.get(each.kind, f"no step does what {each.kind} does"))


# -- shell ----------------------------------------------------------------------------------------


def _shell(draft: Draft, source: Source, folder: File) -> None:
    more = _options(draft, source)
    inline, shebang = source.take("inline"), source.take("inline_shebang")
    scripts = [source.take("script"), *_listed(source.take("scripts"))]
    if inline is not None:
        _inline(draft, source, _listed(inline), shebang, more)
    for script in filter(None, scripts):
        if isinstance(script, Unresolved):
            draft.leave(source.place("scripts"), f"the file has no value of {script}")
        else:
            _script(draft, source, str(script), folder, more)
    _of_builders(source)
    follow(_OF_SHELL, source, draft, below=(), same_names=False)


def _options(draft: Draft, source: Source) -> dict[str, Any]:
    """What all steps of a provisioner have."""
    more: dict[str, Any] = {}
    codes = _listed(_known(draft, source, "valid_exit_codes"))
    if all(re.fullmatch(r"\d{1,3}", str(code)) for code in codes):
        more |= {"exitCodes": [int(code) for code in codes]} if codes else {}
    else:
        draft.leave(source.place("valid_exit_codes"), "they are no exit codes")
    timeout = _known(draft, source, "timeout")
    if minutes := _minutes(timeout):
        more["timeoutMinutes"] = minutes
    elif timeout:
        draft.leave(source.place("timeout"), "it is no duration such as 1h30m")
    if kept := _environment(draft, source):
        more["environment"] = kept
    return more


def _known(draft: Draft, source: Source, name: str) -> Any:
    """A value, which is named as left out where the file does not have it."""
    value = source.take(name)
    if isinstance(value, Unresolved):
        draft.leave(source.place(name), f"the file has no value of {value}")
        return None
    return value


def _environment(draft: Draft, source: Source) -> dict[str, str]:
    given: list[tuple[Path, str, Any]] = []
    for index, line in enumerate(_listed(source.take("environment_vars"))):
        name, _, value = str(line).partition("=")
        place = source.place("environment_vars", index)
        given.append((place, name, line if isinstance(line, Unresolved) else value))
    named = _known(draft, source, "env")
    given += [
        (source.place("env", name), name, value)
        for name, value in (named.items() if isinstance(named, dict) else ())
    ]
    kept = {}
    for place, name, value in given:
        if isinstance(value, Unresolved):
            draft.leave(place, f"the file has no value of {value}")
        elif looks_secret(name, value):
            draft.leave(place, "keep it in Key Vault, and name its address under secrets of a step")
        else:
            kept[name] = str(value)
    return kept


def _user(source: Source, text: str) -> dict[str, Any]:
    """Packer runs a script as the builder's user, which it has to leave by sudo."""
    is_root = "sudo" in f"{source.peek('execute_command')} {text}"
    return {} if is_root else {"elevated": False}


def _inline(
    draft: Draft, source: Source, lines: list[Any], shebang: Any, more: dict[str, Any]
) -> None:
    place = source.place("inline")
    if unknown := [line for line in (shebang, *lines) if isinstance(line, Unresolved)]:
        draft.leave(place, f"the file has no value of {unknown[0]}: write the step anew")
        return
    kept = [line for line in map(str, lines) if not _DEPROVISION.search(line)]
    if len(kept) < len(lines):
        draft.remarks.append(f"{shown(place)}: waagent -deprovision is not needed.")
    restart = bool(kept) and bool(_RESTART.fullmatch(kept[-1].strip()))
    kept = kept[:-1] if restart else kept
    text = "".join(line.rstrip("\n") + "\n" for line in kept)
    if holds_secret(text):
        draft.leave(place, NO_SECRETS)
    elif kept:
        text = f"#!{shebang or '/bin/sh -e'}\n{text}"
        fields = {"inline": text, **more, **_user(source, text)}
        _step(draft, place, "shell", fields, restart=restart)
    elif restart:
        _step(draft, place, "restart", {"inline": "true\n", **more}, restart=True)


def _script(draft: Draft, source: Source, script: str, folder: File, more: dict[str, Any]) -> None:
    place = source.place("script")
    path = folder / script
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not path.is_file():
        draft.remarks.append(f"{script}: there is no such file yet; the command uploads it.")
    if _DEPROVISION.search(text):
        draft.remarks.append(
            f"{script}: take waagent -deprovision out; batch-prep seals the image."
        )
    if holds_secret(text):
        draft.remarks.append(f"{script}: something in it looks like a secret.")
    name = posixpath.basename(script)
    user = _user(source, text) if text else {}
    _step(draft, place, name.partition(".")[0], {"upload": script, **more, **user})


def _of_builders(source: Source) -> None:
    """`only` and `except` choose builders: the reader has applied them."""
    source.take("only")
    source.take("except")


# -- file -----------------------------------------------------------------------------------------


def _file(draft: Draft, source: Source, folder: File) -> None:
    _of_builders(source)
    direction = source.take("direction")
    source.take("generated")
    content = source.take("content")
    destination = source.take("destination")
    sources = [source.take("source"), *_listed(source.take("sources"))]
    place = source.place("source")
    if direction == "download":
        draft.leave(source.place("direction"), "nothing is downloaded from a builder")
    elif content:
        why = "write the content into a file, and upload it"
        draft.leave(source.place("content"), why)
    elif not isinstance(destination, str) or isinstance(destination, Unresolved):
        draft.leave(source.place("destination"), f"the file has no value of {destination}")
    else:
        for each in filter(None, sources):
            if isinstance(each, Unresolved):
                draft.leave(place, f"the file has no value of {each}")
            else:
                _upload(draft, place, str(each), destination, folder)
    follow({}, source, draft, below=(), same_names=False)


def _upload(draft: Draft, place: Path, local: str, destination: str, folder: File) -> None:
    """Packer's rules: the content of a folder that ends in a slash, else the folder itself; a file
    has the name that the destination ends in.
    """
    if not destination.startswith("/"):
        draft.leave(place, f"its destination {destination!r} is not absolute")
        return
    name = posixpath.basename(local.rstrip("/")) or "files"
    is_folder = local.endswith("/") or (folder / local).is_dir()
    if not (folder / local).exists():
        draft.remarks.append(f"{local}: there is no such file yet; the command uploads it.")
    target = destination.rstrip("/") or "/"
    if is_folder:
        target = target if local.endswith("/") else posixpath.join(target, name)
        _step(draft, place, f"copy-{name}", {"upload": local, "destination": target})
        return
    directory, _, wanted = destination.rpartition("/")
    if not directory:
        draft.leave(place, "a step copies to a directory below the root")
        return
    step = {"upload": local, "destination": directory}
    _step(draft, place, f"copy-{name}", step)
    if wanted and wanted != name:
        old, new = (shlex.quote(f"{directory}/{each}") for each in (name, wanted))
        _step(draft, place, f"rename-{name}", {"inline": f"mv -- {old} {new}\n"})


# -- both -----------------------------------------------------------------------------------------


def _step(
    draft: Draft, place: Path, name: str, fields: dict[str, Any], *, restart: bool = False
) -> None:
    steps = draft.request.get("image", {}).get("steps", [])
    known = {step["name"] for step in steps}
    stem = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:30] or "step"
    stem = stem if stem[0].isalpha() else f"step-{stem}"
    numbered = next(
        n for i in range(1, 1000) if (n := stem if i == 1 else f"{stem}-{i}") not in known
    )
    index = len(steps)
    if not draft.put(("image", "steps", index, "name"), numbered, place):
        return
    for field, value in {**fields, **({"restart": True} if restart else {})}.items():
        draft.put(("image", "steps", index, field), value, place)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _minutes(duration: Any) -> int | None:
    """`1h30m` as 90, rounded up."""
    units = {"h": 3600, "m": 60, "s": 1, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
    part = r"(\d+(?:\.\d+)?)(h|ms|m|s|us|ns)"
    text = str(duration or "")
    if not re.fullmatch(f"(?:{part})+", text):
        return None
    seconds = sum(float(number) * units[unit] for number, unit in re.findall(part, text))
    return max(1, math.ceil(seconds / 60)) if seconds else None
