"""A step of the image's owner: it arrives as data, proves its checksum, and leaves nothing."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile

import pytest
import step_machine
from step_machine import Machine, Outcome

IMDS = "http://169.254.169.254/metadata/identity/oauth2/token"
SECRET = "https://keys.vault.azure.net/secrets/deploy"
URL = "https://files.example.org/setup.sh"
CLIENT = "11111111-2222-3333-4444-555555555555"


def encoded(text: str | bytes) -> str:
    return base64.b64encode(text if isinstance(text, bytes) else text.encode()).decode()


def parameters(text: str | bytes, **others: str) -> dict[str, str]:
    data = text if isinstance(text, bytes) else text.encode()
    digest = hashlib.sha256(data).hexdigest()
    known = {"OWN_NAME": "setup", "OWN_SECONDS": "60", "OWN_EXIT_CODES": "0"}
    return {**known, "OWN_SCRIPT": encoded(data), "OWN_SHA256": digest, **others}


def run(machine: Machine, text: str, **others: str) -> Outcome:
    return machine.run_step("own_step", **parameters(text, **others))


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, text in files.items():
            entry = tarfile.TarInfo(name.replace("__", "/"))
            entry.size = len(text)
            packed.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def everything_left(machine: Machine) -> str:
    """The text of every file below the root, but the log."""
    files = [path for path in machine.root.rglob("*") if path.is_file()]
    return "\n".join(path.read_text(errors="replace") for path in files)


def test_a_script_runs_and_its_output_is_in_its_own_log(machine: Machine) -> None:
    """The log has the name of the step; what it was made from is gone."""
    outcome = run(machine, "#!/bin/bash\necho made-it >$ROOT_OF_TEST/mark; echo done; pwd\n",
                  OWN_ENVIRONMENT=encoded(f"ROOT_OF_TEST={machine.root}"))  # fmt: skip

    assert outcome.exit_code == 0, outcome.log
    assert outcome.data == {"exitCode": 0}
    assert (machine.root / "mark").read_text() == "made-it\n"
    assert "\ndone\n" in (machine.root / "var/log/batch-prep/own_step-setup.log").read_text()
    assert "\ndone\n" in outcome.stderr
    assert not (machine.root / "var/lib/batch-prep/own/setup").exists()
    assert list((machine.root / "run/batch-prep").iterdir()) == []


def test_a_script_without_an_interpreter_is_run_by_bash(machine: Machine) -> None:
    """As `bash FILE` does."""
    outcome = run(machine, "[[ $BASH_VERSION ]] && echo in bash\n")
    assert "in bash" in outcome.log


def test_it_sees_its_own_environment_and_nothing_of_ours(machine: Machine) -> None:
    """Neither the nonce nor the other parameters; a value stays data."""
    evil = "$(touch /tmp/x) `id` ; 'a\"b\nc"
    outcome = run(machine, "#!/bin/bash\nenv -0 | tr '\\0' '|'\n",
                  OWN_ENVIRONMENT=encoded(f"ROOT=mine\0WORDS={evil}"))  # fmt: skip

    assert f"|WORDS={evil}|" in outcome.log
    assert "|ROOT=mine|" in outcome.log
    for ours in ("NONCE", "BUILD_ID", "OWN_", "BATCH_PREP_ROOT"):
        assert f"|{ours}" not in outcome.log


@pytest.mark.parametrize(("allowed", "code"), [("0", 60), ("0 3", 0)])
def test_its_exit_code_is_judged_by_the_request(machine: Machine, allowed: str, code: int) -> None:
    """The failure names the step, the code and the expected ones, and shows the last lines."""
    outcome = run(machine, "echo the reason; exit 3\n", OWN_EXIT_CODES=allowed)

    assert outcome.exit_code == code
    if code:
        assert outcome.result["message"] == "step setup ended with exit code 3; expected is 0"
        assert outcome.result["phase"] == "run"
        assert "the reason" in outcome.result["logTail"]
    else:
        assert outcome.data == {"exitCode": 3}


def test_it_ends_in_its_time(machine: Machine) -> None:
    """Also where it ignores the polite signal; the frame's own deadline is later."""
    outcome = run(machine, "echo begun; exec tail -f /dev/null\n", OWN_SECONDS="1")

    assert outcome.exit_code == 61
    assert outcome.result["message"] == "step setup did not end within 1 seconds"
    assert "begun" in outcome.log


def test_the_exit_code_of_a_timeout_is_no_timeout(machine: Machine) -> None:
    """A script may itself end with 124."""
    assert run(machine, "exit 124\n", OWN_EXIT_CODES="124").exit_code == 0


def test_a_file_that_is_another_one_is_not_executed(machine: Machine) -> None:
    """Nothing unproved runs as root."""
    outcome = run(machine, f"touch {machine.root}/ran\n", OWN_SHA256="0" * 64)

    assert outcome.exit_code == 24
    assert "has the checksum" in outcome.result["message"]
    assert not (machine.root / "ran").exists()


def test_a_download_is_compared_and_its_address_is_nowhere(machine: Machine) -> None:
    """An address may hold a signature."""
    text = "echo from afar\n"
    machine.serves(URL, text)
    address = f"{URL}?sig=very-secret"
    outcome = run(machine, text, OWN_SCRIPT="", OWN_URL=address)

    assert outcome.exit_code == 0, outcome.log
    assert "from afar" in outcome.log
    assert "very-secret" not in everything_left(machine) + machine.asked("curl")


def test_a_download_that_is_not_there_fails_at_once(machine: Machine) -> None:
    """404 does not heal."""
    outcome = run(machine, "x", OWN_SCRIPT="", OWN_URL=URL)
    assert outcome.exit_code == 24
    assert "404" in outcome.result["message"]


def test_an_upload_is_unpacked_and_its_file_is_run_there(machine: Machine) -> None:
    """Beside the other files; then all of it is removed."""

    packed = archive(**{"bin/go.sh": "#!/bin/bash\ncat data.txt\n", "data.txt": "the data\n"})
    outcome = machine.run_step(
        "own_step", **parameters(packed, OWN_ARCHIVE="true", OWN_RUN="bin/go.sh")
    )

    assert outcome.exit_code == 0, outcome.log
    assert "the data" in outcome.log
    assert not (machine.root / "var/lib/batch-prep/own/setup").exists()


def test_an_upload_stays_in_its_destination(machine: Machine) -> None:
    """A step may bring files only."""
    packed = archive(**{"etc/app.conf": "key=value\n"})
    given = parameters(packed, OWN_ARCHIVE="true", OWN_DESTINATION="/opt/app")
    outcome = machine.run_step("own_step", **given)

    assert outcome.exit_code == 0, outcome.log
    assert (machine.root / "opt/app/etc/app.conf").read_text() == "key=value\n"


def test_an_upload_without_the_file_to_run_says_so(machine: Machine) -> None:
    """By the name that the request gave."""
    given = parameters(archive(a="x"), OWN_ARCHIVE="true", OWN_RUN="b.sh")
    outcome = machine.run_step("own_step", **given)
    assert outcome.exit_code == 60
    assert outcome.result["message"] == "the upload of step setup holds no file b.sh"


def gives_secret(machine: Machine, value: str) -> dict[str, str]:
    machine.serves(IMDS, '{"access_token": "the-token"}')
    machine.serves(SECRET, json.dumps({"value": value}))
    return {"OWN_SECRETS": f"DEPLOY_KEY {SECRET}", "IDENTITY_CLIENT_ID": CLIENT}


def test_a_secret_reaches_the_script_and_nothing_else(machine: Machine) -> None:
    """The machine's identity reads it; it is in no argument, no file and no log."""
    given = gives_secret(machine, "hush-hush\nsecond line")
    outcome = run(
        machine,
        "[[ $DEPLOY_KEY == hush-hush* ]] || exit 9; echo key $DEPLOY_KEY\n",
        **given,
    )

    assert outcome.exit_code == 0, outcome.log
    assert "key *** ***" in outcome.log
    assert (machine.home / "received/headers").read_text() == "Authorization: Bearer the-token\n"
    asked = machine.asked("curl")
    assert f"resource=https%3A//vault.azure.net&client_id={CLIENT}" in asked
    everything = everything_left(machine) + outcome.stderr + outcome.stdout
    everything += "\n".join(machine.everything_asked())
    for secret in ("hush-hush", "second line", "the-token"):
        assert secret not in everything


def test_what_a_script_leaves_running_does_not_hold_the_step(machine: Machine) -> None:
    """It may keep the output open, which a step with secrets copies."""
    given = gives_secret(machine, "hush-hush")
    outcome = run(machine, "tail -f /dev/null & echo begun $DEPLOY_KEY\n", **given)
    assert outcome.exit_code == 0
    assert "begun ***" in outcome.log


def test_a_secret_with_a_nul_character_ends_the_step(machine: Machine) -> None:
    """No variable can hold it; the owner's script does not run, and nobody sees the value."""
    outcome = run(machine, "touch ran\n", **gives_secret(machine, "hush\0hush"))

    assert outcome.exit_code == 62
    assert "cannot be the value of a variable" in outcome.result["message"]
    assert "the secret for DEPLOY_KEY holds a NUL character" in outcome.log
    assert "hush" not in outcome.log + everything_left(machine)


@pytest.mark.parametrize(
    ("lacks", "words"),
    [("token", "token of the managed identity for Key Vault"), ("secret", "secret for DEPLOY_KEY")],
)
def test_a_secret_that_cannot_be_read_ends_the_step(
    machine: Machine, lacks: str, words: str
) -> None:
    """Before anything of the owner's has run."""
    given = gives_secret(machine, "hush-hush")
    address = IMDS if lacks == "token" else SECRET
    (machine.home / f"web/{address.replace('/', ',')}").unlink()
    outcome = run(machine, f"touch {machine.root}/ran\n", **given)

    assert outcome.exit_code == 62
    assert words in outcome.result["message"]
    assert "404" in outcome.result["message"]
    assert not (machine.root / "ran").exists()


def test_a_step_without_elevation_runs_as_the_builders_user(machine: Machine) -> None:
    """Its files belong to that user."""
    variables = encoded(f"MACHINE={machine.home}")  # where the fake notes its calls
    outcome = run(machine, "echo $HOME $USER\n", OWN_USER="builder", OWN_ENVIRONMENT=variables)

    assert outcome.exit_code == 0, outcome.log
    assert "/home/builder builder" in outcome.log
    assert machine.calls("runuser")[0][:3] == ["-u", "builder", "--"]
    assert machine.calls("chown")[0] == ["-R", "--", "builder", "."]


@pytest.mark.parametrize("user", [{}, {"OWN_USER": "builder"}], ids=["root", "user"])
def test_the_owners_path_is_that_of_the_script_only(machine: Machine, user: dict[str, str]) -> None:
    """Without it a script that never ran would have ended with 1, which may be a success."""
    variables = encoded(f"PATH=/opt/app/bin\0MACHINE={machine.home}")
    outcome = run(machine, "#!/bin/bash\necho in $PATH\n", OWN_ENVIRONMENT=variables, **user)

    assert outcome.exit_code == 0, outcome.log
    assert "\nin /opt/app/bin\n" in outcome.log


def test_a_step_without_elevation_is_given_its_own_files_only(machine: Machine) -> None:
    """What was in the directory before stays the system's: the builder's user is removed, and on a
    node somebody else may have its number.
    """
    machine.write("root/opt/other/file", "of the system")
    given = {"OWN_ARCHIVE": "true", "OWN_DESTINATION": "/opt", "OWN_RUN": "run.sh"}
    user = {"OWN_USER": "builder", "OWN_ENVIRONMENT": encoded(f"MACHINE={machine.home}")}
    packed = archive(**{"run.sh": "true\n"})
    outcome = machine.run_step("own_step", **parameters(packed, **given, **user))

    assert outcome.exit_code == 0, outcome.log
    assert ["-R", "--", "builder", "."] not in machine.calls("chown")


def test_a_step_that_has_worked_is_not_run_again(machine: Machine) -> None:
    """Activities run at least once. After a restart it would look again."""
    text = f"echo x >>{machine.root}/count\n"
    assert run(machine, text).result["changed"] is True
    assert run(machine, text, NONCE="n-2").exit_code == 0
    assert (machine.root / "count").read_text() == "x\n"
    step_machine.boot_again(machine)
    run(machine, text)
    assert (machine.root / "count").read_text() == "x\nx\n"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OWN_NAME", "../x"),
        ("OWN_SHA256", "abc"),
        ("OWN_URL", "http://files.example.org/a"),
        ("OWN_RUN", "../../bin/sh"),
        ("OWN_DESTINATION", "/opt/../etc"),
        ("OWN_SECRETS", "KEY https://evil.example.org/secrets/a"),
        ("OWN_EXIT_CODES", "0;id"),
        ("OWN_USER", "-x"),
    ],
)
def test_a_malformed_parameter_is_refused(machine: Machine, name: str, value: str) -> None:
    """The second wall: the request was checked before."""
    given = parameters("true\n", **({"OWN_SCRIPT": ""} if name == "OWN_URL" else {}))
    outcome = machine.run_step("own_step", **{**given, name: value})
    assert outcome.exit_code == 11
    assert not (machine.root / "var/lib/batch-prep/own").exists()
