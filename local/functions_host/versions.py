"""Versions of orchestrations, as host.json sets them (`defaultVersion` and the two strategies)."""

from dataclasses import dataclass
from enum import StrEnum


class Match(StrEnum):
    """Which instances this app runs, by their version and its own `defaultVersion`."""

    NONE = "None"
    STRICT = "Strict"
    CURRENT_OR_OLDER = "CurrentOrOlder"


class OnMismatch(StrEnum):
    """What happens to the others: `Reject` leaves them for a newer app, `Fail` ends them."""

    REJECT = "Reject"
    FAIL = "Fail"


@dataclass(frozen=True, kw_only=True, slots=True)
class Policy:
    """The extension's defaults."""

    default: str | None = None
    match: Match = Match.CURRENT_OR_OLDER
    on_mismatch: OnMismatch = OnMismatch.REJECT

    def assigned(self, version: str | None) -> str | None:
        """The version of a new instance that asks for `version`."""
        return self.default if version is None else version

    def accepts(self, version: str | None) -> bool:
        """Whether the orchestrators of this app may run an instance of `version`."""
        if self.default is None or self.match is Match.NONE:
            return True
        if self.match is Match.STRICT:
            return version == self.default
        return not version or _order(version) <= _order(self.default)

    def leaves_alone(self, version: str | None) -> bool:
        return self.on_mismatch is OnMismatch.REJECT and not self.accepts(version)


def _order(version: str) -> tuple[int, list[int], str]:
    """Numbers compare as numbers ("1.10" is after "1.9"), anything else as text, after these."""
    parts = version.split(".")
    if all(part.isdecimal() for part in parts):
        return (0, [int(part) for part in parts], "")
    return (1, [], version.lower())
