"""Trying again: only what time can cure, within limits, and each ending has its own exit code."""

from __future__ import annotations

import step_assembler
import step_machine

FILES = ["lib.sh", "exit_codes.sh", "helpers/outcome.sh", "helpers/result.sh", "helpers/retry.sh"]


def a_step_that_attempts(command: str, *, tries: int = 4) -> str:
    """A step that tries one command, failing with the code of a failed image pull."""
    body = f"try_it() {{ attempt 21 'the thing' {tries} 5 {command}; }}"
    return step_assembler.assemble_files("preload", FILES, ["try_it"], body)


PASSING = [
    "toomanyrequests: You have reached your pull rate limit",
    "received unexpected HTTP status: 503 Service Unavailable",
    "net/http: TLS handshake timeout",
    "read tcp 10.0.0.4:1->2.3.4.5:443: read: connection reset by peer",
    "E: Could not get lock /var/lib/apt/lists/lock. It is held by process 812",
    "E: Failed to fetch http://x/y.deb  Hash Sum mismatch",
    "File has unexpected size (1 != 2). Mirror sync in progress?",
    "Temporary failure resolving 'azure.archive.ubuntu.com'",
    "curl: (22) The requested URL returned error: 502",
    "curl: (28) Operation timed out after 20000 milliseconds",
    "Curl error (7): Couldn't connect to server for https://mirror",
]
FINAL = [
    "E: Unable to locate package docker-ceee",
    "E: Version '9' for 'docker-ce' was not found",
    "Error: Unable to find a match: docker-ce-9.9.9",
    "manifest unknown: manifest tagged by 'x' is not found",
    "no basic auth credentials",
    "unauthorized: authentication required",
    "pull access denied for x, repository does not exist or may require 'docker login'",
    "no matching manifest for linux/amd64 in the manifest list entries",
    "The following signatures couldn't be verified: NO_PUBKEY 7EA0A9C3F273FCD8",
    "curl: (22) The requested URL returned error: 404",
    "E: Failed to fetch https://x/docker-ce_9.deb  404  Not Found [IP: 1.2.3.4 443]",
    "unexpected status from HEAD request to https://x/v2/y: 401 Unauthorized",
    "something that nobody has ever seen",
]


SAY_WHICH_PASS = """
try_it() {
  local message
  while read -r message; do
    printf '%s\\n' "$message" >"$WORK/output"
    if passes 1 "$WORK/output"; then printf '%s\\n' "$message" >>"$MACHINE/passing"; fi
  done <"$MACHINE/messages"
}"""


def test_only_what_time_cures_is_tried_again(machine: step_machine.Machine) -> None:
    """The network, a busy mirror, a held lock. Not a plain mistake, and nothing unheard of."""
    machine.write("messages", "".join(f"{message}\n" for message in [*PASSING, *FINAL]))

    machine.run_text(step_assembler.assemble_files("preload", FILES, ["try_it"], SAY_WHICH_PASS))

    assert (machine.home / "passing").read_text().splitlines() == PASSING


def test_a_passing_fault_is_gone_past(machine: step_machine.Machine) -> None:
    """With growing pauses."""
    machine.fake("thing", "")
    machine.fails_first("thing", 2, "read: connection reset by peer")

    outcome = machine.run_text(a_step_that_attempts("thing"))

    assert outcome.exit_code == 0
    assert len(machine.calls("thing")) == 3
    assert machine.calls("sleep") == [["5"], ["10"]]


def test_a_plain_mistake_fails_at_once(machine: step_machine.Machine) -> None:
    """Blind retries turn it into minutes of waiting for the same answer."""
    machine.fake("thing", "echo 'E: Unable to locate package docker-ceee' >&2; exit 100")

    outcome = machine.run_text(a_step_that_attempts("thing"))

    assert outcome.exit_code == 21
    assert outcome.result["message"] == "the thing: E: Unable to locate package docker-ceee"
    assert len(machine.calls("thing")) == 1
    assert machine.calls("sleep") == []


def test_a_missing_command_is_not_tried_again(machine: step_machine.Machine) -> None:
    """127 stays 127, whatever the message says."""
    outcome = machine.run_text(a_step_that_attempts("nonsense_timeout"))

    assert outcome.exit_code == 21
    assert machine.calls("sleep") == []


def test_a_fault_that_does_not_pass_says_retry_later(machine: step_machine.Machine) -> None:
    """The caller may send the step again: a mirror that is down is no broken request."""
    machine.fake("thing", "echo '503 Service Unavailable' >&2; exit 100")

    outcome = machine.run_text(a_step_that_attempts("thing"))

    assert outcome.exit_code == 75
    assert "still failing after 4 tries: 503" in outcome.result["message"]
    assert machine.calls("sleep") == [["5"], ["10"], ["20"]]


def test_the_pause_has_a_limit(machine: step_machine.Machine) -> None:
    """Doubling for ever would sleep through the deadline."""
    machine.fake("thing", "echo timeout >&2; exit 1")

    machine.run_text(a_step_that_attempts("thing", tries=8))

    assert machine.calls("sleep")[-2:] == [["60"], ["60"]]


def test_a_full_disk_is_said_to_be_one(machine: step_machine.Machine) -> None:
    """Whatever command meets it: the answer is a larger disk."""
    machine.fake("thing", "echo 'write /var/lib/docker/x: no space left on device' >&2; exit 1")

    outcome = machine.run_text(a_step_that_attempts("thing"))

    assert outcome.exit_code == 20
