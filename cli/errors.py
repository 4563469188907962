"""How the command ends: an exit code and, where something went wrong, words for a person.

Stop                     ends the command with a message
  Refused                bad flags: every problem at once, nothing was sent
  Rejected               the service answered 4xx; carries its error
  Unreachable            the service could not be reached or answers nonsense
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Self

from cli import documents, wording


class ExitCode(IntEnum):
    """The exit codes of the command, by which a pipeline decides."""

    DONE = 0
    BUILD_FAILED = 1
    REFUSED = 2
    UNREACHABLE = 3
    INTERRUPTED = 130  # 128 + SIGINT, as shells report it


def reason(error: Exception) -> str:
    """What the system says of a file, without its number and the file's name."""
    return (error.strerror if isinstance(error, OSError) else None) or str(error)


class Stop(Exception):  # noqa: N818  commands raise it to end
    """End the command with `code`, after printing why."""

    code = ExitCode.REFUSED
    kind = "Refused"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def document(self) -> dict[str, Any]:
        """What `--json` prints: the shape of the service's own errors."""
        return {"error": {"code": self.kind, "message": self.message, "details": []}}


class Refused(Stop):
    """The command line asks for something impossible; every problem is named at once."""

    def __init__(self, *problems: str) -> None:
        lines = problems if len(problems) == 1 else [f"  - {problem}" for problem in problems]
        heading = "" if len(problems) == 1 else "This cannot be done:\n"
        super().__init__(heading + "\n".join(lines))
        self.problems = problems


def unreadable(file: Path, error: Exception) -> Refused:
    """The refusal of a file that the system, or its encoding, does not let the command read."""
    return Refused(f"{file} cannot be read: {reason(error)}")


def unwritable(file: Path, error: OSError) -> Refused:
    """The refusal of a file that the system does not let the command write."""
    return Refused(f"{file} cannot be written: {reason(error)}")


class Unreachable(Stop):
    """The service does not answer, or not as batch-prep does."""

    code = ExitCode.UNREACHABLE
    kind = "Unreachable"


class Rejected(Stop):
    """The service refused: `status` is HTTP's, `error` its `{"code", "message", "details"}`."""

    def __init__(self, *, status: int, body: Mapping[str, Any]) -> None:
        self.status = status
        self.body = dict(body)
        error = body.get("error")
        self.error: dict[str, Any] = error if isinstance(error, dict) else {"message": str(body)}
        super().__init__(self._as_text())

    @property
    def details(self) -> Sequence[dict[str, Any]]:
        """The problems behind the refusal, each usually with field, code and message."""
        details = self.error.get("details") or []
        return [detail for detail in details if isinstance(detail, dict)]

    def running_build(self) -> str | None:
        """The id of the build that is in the way, where the refusal (409) names one."""
        build_id = self.error.get("buildId")
        return str(build_id) if build_id else None

    def hinted(self, hint: str) -> Self:
        """The same refusal with a last line of advice."""
        self.message += f"\n{hint}"
        return self

    def placed(self, place: Callable[[str], str]) -> Self:
        """The same refusal with the place of each field that is in the request file."""
        for field in {str(detail.get("field")) for detail in self.details if detail.get("field")}:
            here, there = f"\n  - {field}: ", f"\n  - {place(field)} {field}: "
            if place(field):
                self.message = self.message.replace(here, there)
        return self

    def document(self) -> dict[str, Any]:
        """The service's answer, unchanged."""
        return self.body

    def _as_text(self) -> str:
        code, message = self.error.get("code"), self.error.get("message") or "no reason given"
        if self.details and all(str(d.get("message")) in str(message) for d in self.details):
            message = "the request was refused"  # the message only repeats the details
        lines = [f"{code}: {message}" if code else str(message)]
        lines += [f"  - {documents.problem(detail)}" for detail in self.details]
        if action := self.error.get("nextAction"):
            lines.append(f"Next: {action}")
        if code == "NotSignedIn":
            lines.append("Set BATCH_PREP_SCOPE (api://CLIENT_ID/.default), and sign in: az login")
        elif self.status in {401, 403} and code != "RoleMissing":
            lines.append("The key comes from the environment variable BATCH_PREP_KEY.")
        return wording.as_commands("\n".join(lines))
