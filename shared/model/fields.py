"""The strings that a request may hold: each type checks Azure's rule, and refuses the rest."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core import PydanticCustomError, core_schema

from shared.base import durations, names
from shared.model import catalogue, secrets


def refuse(code: str, message: str, successor: str | None = None) -> PydanticCustomError:
    """The error that a validator raises; `code` becomes the problem's code."""
    # pydantic formats the message with its context, so braces that a user wrote must not reach the
    # template.
    return PydanticCustomError(code, "{text}", {"text": message, "successor": successor})


@dataclass(frozen=True, slots=True)
class Checked:
    """A string that `check` returns or refuses; `pattern` is what the API's description says of it,
    which the whole string matches. It may match more than `check` takes, and never less.
    """

    check: Callable[[str], str]
    pattern: str

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        """Check what the type itself has accepted."""
        return core_schema.no_info_after_validator_function(self.check, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        """The described schema, with the pattern."""
        return {**handler(schema), "pattern": _as_json_schema(self.pattern)}


def _as_json_schema(pattern: str) -> str:
    """A pattern of Python's as JSON Schema has it: it is searched for, in the dialect of
    JavaScript, whose letters are those of ASCII.
    https://json-schema.org/draft/2020-12/json-schema-core#name-regular-expressions
    """
    return f"^(?:{pattern})$".replace(r"\w", r"\w\u0080-\uffff")


def named(pattern: str, rule: str) -> Any:
    """A string that matches `pattern` wholly; `rule` says so in words, with Azure's source. In a
    pattern, backslash-w stands in brackets only.
    """
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise refuse("InvalidName", f"{shown(value)} is not allowed: {rule}")
        return value

    return Checked(check, pattern)


def hidden(pattern: str, rule: str, *, never: str | None = None) -> Any:
    """The same for a string that may hold a secret: no message repeats it. `never` is in none."""
    compiled = re.compile(pattern, re.DOTALL)

    def check(value: str) -> str:
        if not compiled.fullmatch(value) or (never and re.search(never, value)):
            raise refuse("InvalidValue", f"it must be {rule}")
        return value

    return Checked(check, pattern)


def shown(value: str) -> str:
    """A user's text as it appears in a message: never the secrets of a URL."""
    value = secrets.masked(value)
    return repr(value if len(value) <= 60 else value[:57] + "...")


def in_any_case(*words: str) -> Any:
    """One of Azure's words in any case, as Azure compares them: exports and the data plane write
    them in other cases than Resource Manager.
    """
    known = {word.lower(): word for word in words}

    def as_azure_writes(value: Any) -> Any:
        return known.get(value.lower(), value) if isinstance(value, str) else value

    return BeforeValidator(as_azure_writes)


def duration(*, minutes: int, days: int) -> Any:
    """A duration in ISO 8601 between two bounds."""
    least, most = minutes * 60, days * 86_400

    def check(value: str) -> str:
        seconds = durations.seconds(value)
        if seconds is None:
            raise refuse("InvalidValue", f"{shown(value)} is not a duration such as PT30M")
        if not least <= seconds <= most:
            bounds = f"between {minutes} minutes and {days} days"
            raise refuse("InvalidValue", f"{shown(value)} must be {bounds}: Batch takes no other")
        return value

    return Checked(check, "P[0-9DTHMS]+")


# Parts of sizes' names that are not in capitals: v5, cc, xl.
_SMALL_PARTS = re.compile(r"v\d{1,2}|cc|xl", re.IGNORECASE)


def _as_azure_writes(value: Any) -> Any:
    """`STANDARD_d2S_V5` and `d2s_v5` as `Standard_D2s_v5`: Azure takes any case, but its price list
    does not.
    """
    pattern = r"(?:standard_)?([a-z]{1,4})(\d+(?:-\d+)?)([a-z]*)((?:_[a-z0-9]+)*)"
    found = isinstance(value, str) and re.fullmatch(pattern, value, re.IGNORECASE | re.ASCII)
    if not found:
        return value
    family, count, features, rest = found.groups()
    parts = [_cased(part) for part in rest.split("_")[1:]]
    return "_".join(["Standard", f"{family.upper()}{count}{features.lower()}", *parts])


def _cased(part: str) -> str:
    if part.lower() == "promo":
        return "Promo"
    return part.lower() if _SMALL_PARTS.fullmatch(part) else part.upper()


def _size(value: str) -> str:
    if not re.fullmatch(r"Standard_[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*", value) or len(value) > 50:
        raise refuse("InvalidName", f"{shown(value)} is not a VM size such as Standard_D4s_v5")
    if successor := catalogue.retired_size(value):
        message = f"{value} is retired by Azure; {successor} does the same work today"
        raise refuse("RetiredVmSize", message, successor)
    if why := catalogue.not_served(value):
        raise refuse("UnsupportedVmSize", f"images cannot be built for {value}: {why}")
    return value


# Rules: https://learn.microsoft.com/azure/azure-resource-manager/management/resource-name-rules
GroupName = Annotated[
    str,
    named(r"[\w\-.()]{0,89}[\w\-()]", "1 to 90 letters, digits, _ - . ( ), not ending in a dot"),
]
GalleryName = Annotated[
    str,
    named(
        r"[A-Za-z0-9](?:[A-Za-z0-9_.]{0,78}[A-Za-z0-9])?",
        "1 to 80 letters, digits, _ and ., beginning and ending with a letter or digit, no hyphens",
    ),
]
ImageName = Annotated[
    str,
    named(
        r"[A-Za-z0-9](?:[A-Za-z0-9_.\-]{0,78}[A-Za-z0-9])?",
        "1 to 80 letters, digits, _ . and -, beginning and ending with a letter or digit",
    ),
]
Location = Annotated[
    str, named(r"[a-z0-9]{3,30}", "an Azure region's short name such as swedencentral")
]


def _version(value: str) -> str:
    if names.parse_version(value) is None:
        raise refuse("InvalidName", f"{shown(value)} is not Major.Minor.Patch, such as 1.0.0")
    return value


def _version_or_latest(value: str) -> str:
    return value if value == "latest" else _version(value)


VersionName = Annotated[str, Checked(_version_or_latest, r"latest|[0-9]+\.[0-9]+\.[0-9]+")]


def _date(value: str) -> str:
    try:
        if re.fullmatch("[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
            return date.fromisoformat(value).isoformat()
    except ValueError:
        pass
    raise refuse("InvalidValue", f"{shown(value)} is not a date such as 2027-06-30")


Date = Annotated[str, Checked(_date, "[0-9]{4}-[0-9]{2}-[0-9]{2}")]
AccountName = Annotated[str, named(r"[a-z0-9]{3,24}", "3 to 24 lower-case letters and digits")]
PoolId = Annotated[str, named(r"[A-Za-z0-9_-]{1,64}", "1 to 64 letters, digits, _ and -")]
RegistryName = Annotated[str, named(r"[A-Za-z0-9]{5,50}", "5 to 50 letters and digits")]
VmSize = Annotated[
    str,
    BeforeValidator(_as_azure_writes),
    Checked(_size, r"[A-Za-z0-9]+(?:[_-][A-Za-z0-9]+)*"),
]
RequestId = Annotated[
    str, named(r"[\x21-\x7e]{1,128}", "1 to 128 printable characters without blanks")
]
# https://github.com/distribution/reference (grammar of image references)
HOST_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_DOMAIN = rf"(?:{HOST_LABEL}(?:\.{HOST_LABEL})*(?::[0-9]+)?/)?"
_PATH = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
_TAG = r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?"
_REFERENCE = rf"{_DOMAIN}{_PATH}{_TAG}(?:@sha256:[0-9a-f]{{64}})?"
ImageReference = Annotated[
    str,
    StringConstraints(max_length=255),
    named(_REFERENCE, "a container image reference such as docker.io/library/busybox:1.36"),
]
BuiltImage = Annotated[
    str,
    StringConstraints(max_length=200),
    named(rf"{_PATH}{_TAG}", "a repository and tag such as myapp:v1.0"),
]
SubnetId = Annotated[
    str,
    named(
        r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.Network"
        r"/virtualNetworks/[^/\s]+/subnets/[^/\s]+",
        "the full resource id of a subnet",
    ),
    StringConstraints(max_length=512),
]
IdentityId = Annotated[
    str,
    named(
        r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers/Microsoft\.ManagedIdentity"
        r"/userAssignedIdentities/[A-Za-z0-9_-]+",
        "the full resource id of a user-assigned identity",
    ),
    StringConstraints(max_length=512),
]
PORT = (  # of a URL, with its colon
    r":(?:[1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5])"
)
GitSource = Annotated[
    str,
    StringConstraints(max_length=1024),
    hidden(
        r"https://[\w.\-~:/%@+]+\.git(?:#[\w.\-/]*(?::[\w.\-/]+)?)?",
        "https://HOST/PATH.git#BRANCH:FOLDER",
    ),
]
ContextId = Annotated[
    str, named(r"contexts/[0-9a-f]{32}\.tar\.gz", "what POST /api/contexts answered")
]
PublicKey = Annotated[
    str,
    StringConstraints(max_length=4096),
    named(r"(?:ssh-rsa|ssh-ed25519) [A-Za-z0-9+/=]+(?: [\w.@\-]{0,100})?", "an OpenSSH public key"),
]
CommandLine = Annotated[str, StringConstraints(min_length=1, max_length=8192)]
# The scripts accept nothing else (provisioning/parts).
DriverVersion = Annotated[
    str,
    named(
        r"[0-9]{3}\.[0-9]{1,3}(?:\.[0-9]{1,3})?",
        "a driver version such as 580.173.02",
    ),
]
ContainerToolkitVersion = Annotated[
    str, named(r"1\.[0-9]{1,2}\.[0-9]{1,2}", "a version of the container toolkit such as 1.20.0")
]
DockerVersion = Annotated[
    str, named(r"[0-9]{2}\.[0-9]{1,2}\.[0-9]{1,2}", "a Docker version such as 29.7.2")
]
