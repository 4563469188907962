"""The strings that a request for a pool may hold: each type checks Azure's rule."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import StringConstraints

from shared.model.fields import HOST_LABEL, Checked, hidden, named, refuse


def _public_url(value: str) -> str:
    """No message repeats it: it may hold a secret."""
    if not re.fullmatch(r"https://[^\s\x00-\x1f\x7f]+", value):
        raise refuse("InvalidValue", "it must be a URL that begins with https://")
    if re.search(r"[?#@]", value.removeprefix("https://")):
        message = (
            "a URL has no query, no signature (SAS) and no user name here: Azure, the app's tables "
            "and its histories would show them. Name an identity with access to the storage as "
            "identityReference"
        )
        raise refuse("SecretInUrl", message)
    return value


PublicUrl = Annotated[
    str, StringConstraints(max_length=2048), Checked(_public_url, r"https://[^?#@\s]+")
]
_IN_GROUP = r"/subscriptions/[^/\s]+/resourceGroups/[^/\s]+/providers"
RelativePath = Annotated[
    str,
    StringConstraints(max_length=255),
    named(
        r"(?!/)(?!(?:.*/)?\.\.(?:/|$))[^\\\x00-\x1f\x7f]+",
        "a path below the directory, without .. in it",
    ),
]
FileMode = Annotated[str, named("0?[0-7]{3}", "a mode in octal digits such as 0755")]
VariableName = Annotated[
    str,
    StringConstraints(max_length=255),
    named(
        "(?!AZ_BATCH_)[A-Za-z_][A-Za-z0-9_]*",
        "a variable has letters, digits and _, and Batch sets those that begin with AZ_BATCH_",
    ),
]
# The names that Linux takes, at most as long as Batch does.
AccountUser = Annotated[
    str,
    named(
        "(?!root$|_azbatch)[a-z_][a-z0-9_-]{0,19}",
        "1 to 20 lower-case letters, digits, _ and -, beginning with a letter or _; not root",
    ),
]
RegistryServer = Annotated[
    str,
    StringConstraints(max_length=255),
    named(rf"{HOST_LABEL}(?:\.{HOST_LABEL})+(?::[0-9]+)?", "a host"),
]
StorageAccountName = Annotated[
    str, named(r"[a-z0-9]{3,24}", "a storage account has 3 to 24 lower-case letters and digits")
]
ContainerName = Annotated[
    str,
    named(
        r"(?:\$root|(?!.*--)[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9]))",
        "a container has 3 to 63 lower-case letters, digits and single hyphens",
    ),
]
NfsSource = Annotated[
    str,
    StringConstraints(max_length=512),
    named(rf"{HOST_LABEL}(?:\.{HOST_LABEL})*:/[^\s\\\x00-\x1f\x7f]*", "HOST:/PATH"),
]
MountOptions = Annotated[
    str,
    StringConstraints(max_length=1024),
    hidden(
        "[A-Za-z0-9_=,.:/@ -]+",
        "options of mount, without a password or key and without characters of a shell",
        never=r"(?i:(?:password|passwd|secret|token|key|sas)\s*=)",
    ),
]
PublicAddressId = Annotated[
    str,
    named(
        rf"{_IN_GROUP}/Microsoft\.Network/publicIPAddresses/[^/\s]+",
        "the full resource id of a public IP address",
    ),
    StringConstraints(max_length=512),
]
# https://learn.microsoft.com/rest/api/batchmanagement/pool/create (InboundNatPool)
EndpointName = Annotated[
    str,
    named(
        "[A-Za-z0-9](?:[A-Za-z0-9_.-]{0,75}[A-Za-z0-9_])?",
        "1 to 77 letters, digits, _ . and -, beginning with a letter or digit",
    ),
]
_NOT_OURS = "(?![Bb][Aa][Tt][Cc][Hh]-[Pp][Rr][Ee][Pp])"  # JavaScript knows no flag in a pattern
MetadataName = Annotated[
    str,
    StringConstraints(max_length=512),
    named(rf"{_NOT_OURS}[^\x00-\x1f\x7f]+", "batch-prep keeps names that begin with batch-prep"),
]
# https://learn.microsoft.com/azure/azure-resource-manager/management/tag-resources#limitations
TagName = Annotated[
    str,
    StringConstraints(max_length=512),
    named(
        rf"{_NOT_OURS}[^<>%&\\?/\x00-\x1f\x7f]+",
        "Azure takes no < > % & \\ ? / in a tag's name, and batch-prep keeps those that begin with "
        "batch-prep",
    ),
]
TagValue = Annotated[str, StringConstraints(max_length=256)]
ApplicationName = Annotated[
    str,
    named("[A-Za-z0-9_-]{1,64}", "the name of an application: 1 to 64 letters, digits, _ and -"),
]
PackageVersion = Annotated[str, named("[A-Za-z0-9_.-]{1,64}", "1 to 64 letters, digits, _ . and -")]
