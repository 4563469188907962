"""The owner's steps of an image: scripts and files that the builder runs beside those of
`provisioning/`. What a request says of one, what is refused, and where its text goes. Pure.

A text is never part of a plan or of a record: it lies beside the uploaded contexts under a name
that is its checksum, and the plan has the name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from shared.base.errors import Problem
from shared.base.wire import Request, replace
from shared.model import fields, secrets
from shared.model.field_problems import impossible

STEPS_MAX = 16  # Azure takes 25 run commands for a VM, and four or five are batch-prep's own
# Of one text, in UTF-8: it travels with the run command, for which Azure names no limit.
TEXT_BYTES_MAX = 24 * 1024
_ENVIRONMENT_BYTES_MAX = 16 * 1024  # of all steps: each plan of the image holds them


class When(StrEnum):
    """When a step runs, as seen from the steps that every image has."""

    BEFORE_DOCKER = "before-docker"
    AFTER_DOCKER = "after-docker"
    AFTER_RESTART = "after-restart"


# A byte order mark would hide the `#!` of the first line from the system.
Text = Annotated[str, AfterValidator(lambda text: text.removeprefix("\ufeff"))]
VariableName = Annotated[
    str, fields.named("[A-Za-z_][A-Za-z0-9_]{0,63}", "the name of an environment variable")
]
VariableValue = Annotated[
    str,
    StringConstraints(max_length=4096),
    fields.hidden(r"[^\0]*", "a text without NUL characters"),
]
StepName = Annotated[
    str,
    StringConstraints(max_length=40),
    fields.named(
        "[a-z][a-z0-9]*(?:-[a-z0-9]+)*", "lower-case letters, digits and single hyphens between"
    ),
]
UploadId = Annotated[
    str, fields.named(r"contexts/[0-9a-f]{32}\.(?:tar\.gz|sh)", "what POST /api/contexts answered")
]
_PART = r"(?!\.\.?(?:/|$))[A-Za-z0-9_.][A-Za-z0-9_.\-]*"
PathInUpload = Annotated[
    str,
    StringConstraints(max_length=255),
    fields.named(
        rf"{_PART}(?:/{_PART})*", "the path of a file in the upload, such as bin/setup.sh"
    ),
]
Directory = Annotated[
    str,
    StringConstraints(max_length=255),
    fields.named(rf"(?:/{_PART})+", "the absolute path of a directory, such as /opt/app"),
]
# No user name and no query: both may hold a token.
FileUrl = Annotated[
    str,
    StringConstraints(max_length=2048),
    fields.hidden(
        rf"https://[A-Za-z0-9](?:[A-Za-z0-9.\-]*[A-Za-z0-9])?(?:{fields.PORT})?/[\w.\-~/%+]*",
        "https://HOST/PATH, without user name and query, which may hold a token",
    ),
]
Sha256 = Annotated[str, fields.named("[0-9a-f]{64}", "a SHA-256 in 64 lower-case digits")]
VaultSecret = Annotated[
    str,
    fields.hidden(
        r"https://[A-Za-z0-9](?:[A-Za-z0-9\-]{1,22}[A-Za-z0-9])"
        r"\.vault\.(?:azure\.net|azure\.cn|usgovcloudapi\.net)"
        r"/secrets/[A-Za-z0-9\-]{1,127}(?:/[0-9a-f]{32})?",
        "the address of a secret: https://VAULT.vault.azure.net/secrets/NAME",
    ),
]


class ImageStep(Request):
    """A step of the owner's on the builder VM.

    It has one source: `inline` is the text of a script, `upload` what POST /api/contexts stored,
    `url` with `sha256` a script to download. A script that begins with `#!` is executed as it says,
    any other by bash. It runs as root, or with `elevated` false as the builder's user, in a
    directory of its own that is removed afterwards. The files of an upload are unpacked there or,
    with `destination`, in a directory that stays; `run` names the one to execute.
    """

    name: StepName = Field(description="The step's name, in records and logs.")
    inline: Text | None = Field(default=None, min_length=1, description="The text of a script.")
    upload: UploadId | None = Field(
        default=None, description="What POST /api/contexts answered for its files."
    )
    run: PathInUpload | None = Field(default=None, description="The file of the upload to execute.")
    destination: Directory | None = Field(
        default=None, description="A directory that the files are put into and stay in."
    )
    url: FileUrl | None = Field(default=None, description="The address of a script to download.")
    sha256: Sha256 | None = Field(default=None, description="The checksum of what url names.")
    when: When = Field(
        default=When.AFTER_DOCKER,
        strict=False,
        description="When it runs, seen from Docker and the restart.",
    )
    environment: dict[VariableName, VariableValue] = Field(
        default={}, max_length=50, description="Variables of the script; no secrets."
    )
    secrets: dict[VariableName, VaultSecret] = Field(
        default={},
        max_length=20,
        description="Variables that hold secrets of Key Vault, by their addresses.",
    )
    timeout_minutes: int = Field(default=30, ge=1, le=240, description="How long it may take.")
    exit_codes: list[Annotated[int, Field(ge=0, le=255)]] = Field(
        default=[0], min_length=1, max_length=20, description="The exit codes that mean success."
    )
    restart: bool = Field(default=False, description="Whether the VM restarts after it.")
    elevated: bool = Field(default=True, description="Whether root runs it, or the builder's user.")

    @property
    def record(self) -> str:
        """The name of its step record, of its run command and of its log."""
        return f"own_{self.name}"

    @property
    def is_archive(self) -> bool:
        """Whether its source is a tar.gz."""
        return bool(self.upload and self.upload.endswith(".tar.gz"))

    @property
    def checksum(self) -> str:
        """The SHA-256 of its source or, of an upload, the first half: its name."""
        if self.upload:
            return self.upload.removeprefix("contexts/").partition(".")[0]
        return self.sha256 or upload_digest((self.inline or "").encode())


def upload_digest(data: bytes) -> str:
    """The name of what was uploaded: the first half of its SHA-256, which the builder compares."""
    return hashlib.sha256(data).hexdigest()[:32]


def without_texts(steps: Sequence[ImageStep]) -> tuple[list[ImageStep], dict[str, bytes]]:
    """The steps with the name of each text in its place, and the texts by name."""
    texts: dict[str, bytes] = {}
    made = []
    for step in steps:
        if step.inline is None:
            made.append(step)
            continue
        text = step.inline.encode()
        name = f"contexts/{upload_digest(text)}.sh"
        texts[name] = text
        made.append(replace(step, inline=None, upload=name))
    return made, texts


def uploads(steps: Sequence[ImageStep]) -> dict[str, str]:
    """What the steps need of what was uploaded, by field."""
    return {
        f"image.steps[{index}].upload": step.upload
        for index, step in enumerate(steps)
        if step.upload
    }


# -------------------------------------------------------------------------------------------------
# What is refused. No message repeats a text or a value: they may hold a secret.


def problems(steps: Sequence[ImageStep], *, has_identity: bool) -> list[Problem]:
    """Every combination in the steps that cannot work."""
    found: list[Problem] = []
    seen: set[str] = set()
    for index, step in enumerate(steps):
        field = f"image.steps[{index}]"
        if step.name in seen:
            found.append(impossible(f"{field}.name", f"step {step.name} is named twice"))
        seen.add(step.name)
        found += _source_problems(field, step)
        found += _text_problems(field, step)
        found += _variable_problems(field, step)
        if step.secrets and not has_identity:
            message = (
                "give image.identity: the builder reads the secrets with a user-assigned identity "
                "that has the role Key Vault Secrets User"
            )
            found.append(impossible(f"{field}.secrets", message))
    size = sum(len(n) + len(v.encode()) for s in steps for n, v in s.environment.items())
    if size > _ENVIRONMENT_BYTES_MAX:
        message = (
            f"the variables of all steps take {size} bytes; {_ENVIRONMENT_BYTES_MAX} are allowed. "
            "Upload a file that holds them"
        )
        found.append(Problem(field="image.steps", code="TooLarge", message=message))
    return found


def _source_problems(field: str, step: ImageStep) -> list[Problem]:
    found = []
    if sum(source is not None for source in (step.inline, step.upload, step.url)) != 1:
        found.append(impossible(field, "give inline, upload or url, exactly one"))
    if (step.url is None) != (step.sha256 is None):
        message = "url and sha256 belong together: nothing unproved runs as root"
        found.append(impossible(f"{field}.sha256", message))
    if step.is_archive and not (step.run or step.destination):
        message = "say what becomes of the upload: run, destination or both"
        found.append(impossible(f"{field}.upload", message))
    if not step.is_archive:
        found += [
            impossible(f"{field}.{name}", "only the files of an upload (tar.gz) have it")
            for name, value in (("run", step.run), ("destination", step.destination))
            if value
        ]
    return found


def _text_problems(field: str, step: ImageStep) -> list[Problem]:
    text, message = step.inline, ""
    if text is None:
        return []
    if not text.strip() or "\0" in text:
        message = "it is blank, or has a NUL character in it"
    elif "\r" in text:
        message = "it has carriage returns in it: save the script with Unix line ends"
    if message:
        return [Problem(field=f"{field}.inline", code="InvalidValue", message=message)]
    size = len(text.encode())
    if size > TEXT_BYTES_MAX:
        message = f"it takes {size} bytes; {TEXT_BYTES_MAX} are allowed. Upload a longer script"
        return [Problem(field=f"{field}.inline", code="TooLarge", message=message)]
    return []


def _variable_problems(field: str, step: ImageStep) -> list[Problem]:
    found = []
    for name, value in step.environment.items():
        if name in step.secrets:
            message = "the variable is among the secrets, too"
            found.append(impossible(f"{field}.environment.{name}", message))
        elif secrets.looks_secret(name, value):
            message = (
                "it looks like a secret, and a request is stored: keep it in Key Vault, and name "
                "its address under secrets"
            )
            problem_field = f"{field}.environment.{name}"
            found.append(Problem(field=problem_field, code="Secret", message=message))
    return found
