"""Azure's answers become failures of the right kind, with words that help."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from azure.core.exceptions import ServiceRequestError

from shared.azure import failures
from shared.base import errors, script_exits
from shared.base.errors import Failure, Kind, from_azure
from shared.base.script_exits import ScriptExit
from shared.model import catalogue

ROOT = Path(__file__).resolve().parents[2]
CORES = (
    "Operation could not be completed as it results in exceeding approved standardDSv5Family "
    "Cores quota. Additional details - Current Limit: 10, Current Usage: 8, Required: 4"
)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (429, "TooManyRequests", "", Kind.TRANSIENT),
        (429, "OperationNotAllowed", "The request is being throttled.", Kind.TRANSIENT),
        (409, "OperationNotAllowed", CORES, Kind.QUOTA),
        (409, "OperationNotAllowed", "Cannot generalize a running VM", Kind.CONFLICT),
        (400, "QuotaExceeded", "", Kind.QUOTA),
        (200, "AccountCoreQuotaReached", "", Kind.QUOTA),
        (409, "SkuNotAvailable", "", Kind.CAPACITY),
        (200, "AllocationFailed", "", Kind.CAPACITY),
        (200, "ZonalAllocationFailed", "", Kind.CAPACITY),
        (409, "AnotherOperationInProgress", "", Kind.TRANSIENT),
        (504, "GatewayTimeout", "", Kind.TRANSIENT),
        (500, "", "", Kind.TRANSIENT),
        (403, "AuthorizationFailed", "", Kind.PERMISSION),
        (401, "InvalidAuthenticationToken", "", Kind.PERMISSION),
        (403, "RequestDisallowedByPolicy", "", Kind.POLICY),
        (409, "ScopeLocked", "", Kind.PERMISSION),
        (404, "ResourceNotFound", "", Kind.MISSING),
        (409, "PropertyChangeNotAllowed", "", Kind.CONFLICT),
        (400, "InvalidParameter", "", Kind.REFUSED),
    ],
)
def test_kinds(status: int, code: str, message: str, kind: Kind) -> None:
    """By status and code; by text only where Azure gives nothing else."""
    assert errors.classify(status, code, message) is kind


@pytest.mark.parametrize(
    "kind", [k for k in Kind if k not in {Kind.SCRIPT, Kind.CANCELLED, Kind.BUG}]
)
def test_every_failure_says_what_to_do_next(kind: Kind) -> None:
    """A message without advice is half a message."""
    samples = {
        Kind.TRANSIENT: (503, "ServerBusy"),
        Kind.CAPACITY: (409, "SkuNotAvailable"),
        Kind.QUOTA: (409, "QuotaExceeded"),
        Kind.PERMISSION: (403, "AuthorizationFailed"),
        Kind.POLICY: (403, "RequestDisallowedByPolicy"),
        Kind.CONFLICT: (409, "X"),
        Kind.MISSING: (404, "X"),
        Kind.REFUSED: (400, "X"),
    }
    if kind is Kind.TIMEOUT:
        failure = errors.timeout(attempted="do it", resource="r", minutes=5)
    else:
        status, code = samples[kind]
        failure = errors.from_azure(
            attempted="create the thing", resource="/r", status=status, code=code, message="said"
        )
    assert failure.kind is kind
    assert failure.next_action
    assert failure.resource
    assert failure.message.startswith("Could not ")


def test_a_failure_survives_the_wire_and_shows_no_internals() -> None:
    """It crosses processes as data; an answer shows the contract's fields only."""
    failure = errors.from_azure(
        attempted="do it", resource="/r", status=409, code="X", message="m", request_id="id"
    )
    assert Failure.from_wire(failure.to_wire()) == failure
    assert failure.to_answer().keys() == {
        "code",
        "message",
        "details",
        "resource",
        "azureCode",
        "requestId",
        "nextAction",
        "logUrl",
    }


def test_scripts_and_errors_name_the_same_exit_codes() -> None:
    """Two lists of one thing, compared."""
    text = (ROOT / "provisioning" / "exit_codes.sh").read_text()
    named = {m[1]: int(m[2]) for m in re.finditer(r"readonly EXIT_(\w+)=(\d+)", text)}
    assert named == {code.name: code.value for code in ScriptExit}


def test_the_documents_list_the_exit_codes_with_their_meaning() -> None:
    """`its start task exited with 30` sends nobody into a script."""
    text = (ROOT / "provisioning" / "exit_codes.sh").read_text()
    said = re.findall(r"^readonly EXIT_(\w+)=(\d+) +# (.+)$", text, re.MULTILINE)
    table = [f"| {code} | `{name}` | {meaning} |" for name, code, meaning in said]
    documented = (ROOT / "docs" / "errors.md").read_text().splitlines()
    assert [line for line in table if line not in documented] == []
    assert len(table) == len(ScriptExit) - 1


@pytest.mark.parametrize("code", [c for c in ScriptExit if c])
def test_every_exit_code_has_a_meaning_and_advice(code: ScriptExit) -> None:
    """Nobody looks a number up in a script."""
    failure = script_exits.failure(
        step="driver", resource="vm", exit_code=code, message="said", log="last line"
    )
    assert failure.azure_code == code.name
    assert "driver" in failure.message
    assert "last line" in failure.message
    assert failure.next_action


def test_an_unknown_exit_code_is_not_hidden() -> None:
    """A script killed by a signal ends with none of ours."""
    failure = script_exits.failure(step="docker", resource="vm", exit_code=137, message="", log="")
    assert "137" in failure.message


def test_the_advice_for_an_unsupported_system_names_every_supported_one() -> None:
    """The advice is written by hand: errors are below the catalogue, and cannot ask it."""
    code = ScriptExit.UNSUPPORTED_OS
    failure = script_exits.failure(
        step="install", resource="vm", exit_code=code, message="", log=""
    )
    advice = failure.next_action or ""
    for system in catalogue.known_systems():
        assert set(system.split()) <= set(re.findall(r"[\w.]*\w", advice)), system


def test_the_deployment_leaves_out_only_what_is_there() -> None:
    """A name that no file has any more hides a misspelling."""
    lines = (ROOT / ".funcignore").read_text().splitlines()
    plain = {line for line in lines if not re.search(r"[#*.]", line)} - {"node_modules", "dist"}
    assert [name for name in plain if not (ROOT / name).exists()] == []


def test_an_answer_of_azure_is_told_with_its_code() -> None:
    """A reader looks for exactly that."""
    failure = from_azure(
        attempted="create it", resource="r", status=409, code="Conflict", message="As it is."
    )
    assert failure.message == "Could not create it: Azure answered Conflict: As it is."


def test_a_connection_that_breaks_is_no_answer_of_azure() -> None:
    """A number would lead a reader to look for that answer."""
    failure = failures.translate(
        ServiceRequestError("connection refused"), attempted="look at it", resource="r"
    )
    assert failure.message == "Could not look at it: no answer came: connection refused"
    assert failure.kind is Kind.TRANSIENT
