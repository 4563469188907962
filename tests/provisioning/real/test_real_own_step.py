"""A step of the image's owner in a real machine: files, secrets, users, time, and what is left."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import builder as builders
import pytest

from local.machines import machine

pytestmark = pytest.mark.root

SECRET = "hush-hush-of-the-vault"
VAULT = "keys.vault.azure.net"
UPLOADS = "uploads.blob.core.windows.net"
HOME = "var/lib/batch-prep/own"


@pytest.fixture(scope="module")
def builder(make_builder: Callable[[str], builders.Builder]) -> builders.Builder:
    """A machine with a vault and a storage account around it."""
    made = make_builder("own")
    serve(made, f"{VAULT}/secrets/deploy", json.dumps({"value": SECRET}).encode())
    return made


def serve(builder: builders.Builder, place: str, data: bytes) -> None:
    """What https gives there, from now on."""
    file = builder.machine.home / "sites" / place
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    builder.machine.surround(machine.Surroundings(identities=("", builders.IDENTITY)))


def run(builder: builders.Builder, source: bytes, **more: str) -> builders.Outcome:
    """With the source as the script, unless `OWN_URL` says where it is."""
    given = {
        "OWN_NAME": "setup",
        "OWN_SHA256": hashlib.sha256(source).hexdigest(),
        "OWN_SECONDS": "60",
        "OWN_EXIT_CODES": "0",
        **({} if "OWN_URL" in more else {"OWN_SCRIPT": base64.b64encode(source).decode()}),
    }
    return builder.step("own_step", **{**given, **more})


def log(builder: builders.Builder, name: str = "setup") -> str:
    return builder.read(f"var/log/batch-prep/own_step-{name}.log")


def archive(**files: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        for name, text in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            packed.addfile(entry, io.BytesIO(text.encode()))
    return buffer.getvalue()


def test_a_script_changes_the_machine_and_its_output_is_in_its_log(
    builder: builders.Builder,
) -> None:
    """As root, and with nothing of ours around it."""
    outcome = run(builder, b"#!/bin/bash\nid -un; pwd; env | sort; touch /opt/made\n")

    assert outcome.exit_code == 0, outcome.words
    said = log(builder)
    assert "\nroot\n" in said
    assert f"\n/{HOME}/setup\n" in said
    assert "NONCE" not in said.replace("nonce", "")
    assert "OWN_" not in said
    assert (builder.machine.root / "opt/made").exists()
    assert not (builder.machine.root / HOME / "setup").exists()


def test_a_script_that_fails_says_how(builder: builders.Builder) -> None:
    """Its last words come with the result."""
    outcome = run(builder, b"echo the reason >&2; exit 3\n", OWN_NAME="bad")
    assert outcome.exit_code == 60
    assert outcome.result["message"] == "step bad ended with exit code 3; expected is 0"
    assert "the reason" in outcome.result["logTail"]


def test_a_script_that_hangs_is_ended_with_its_children(builder: builders.Builder) -> None:
    """Also one that does not want to end."""
    text = b"trap '' TERM\nsleep 612 & echo begun\nwhile :; do sleep 0.2; done\n"
    outcome = run(builder, text, OWN_NAME="slow", OWN_SECONDS="2")
    assert outcome.exit_code == 61, outcome.words
    assert "begun" in log(builder, "slow")
    assert builder.ask("pgrep -fc 'sleep 612' || true") in {"0", "1"}  # the shell that asks


def test_the_files_of_an_upload_come_from_a_signed_address(builder: builders.Builder) -> None:
    """They stay in their destination; the file to run finds them beside it."""
    packed = archive(
        **{"bin/setup.sh": "#!/bin/sh\ncp notes.txt /opt/copied\n", "notes.txt": "n\n"}
    )
    serve(builder, f"{UPLOADS}/contexts/a.tar.gz", packed)
    outcome = run(
        builder,
        packed,
        OWN_NAME="files",
        OWN_URL=f"https://{UPLOADS}/contexts/a.tar.gz?sig=the-signature",
        OWN_ARCHIVE="true",
        OWN_RUN="bin/setup.sh",
        OWN_DESTINATION="/opt/app",
    )
    assert outcome.exit_code == 0, outcome.words
    assert builder.read("opt/copied") == builder.read("opt/app/notes.txt") == "n\n"
    assert "the-signature" not in log(builder, "files") + outcome.stderr


def test_a_secret_is_read_as_the_machines_identity_and_left_nowhere(
    builder: builders.Builder,
) -> None:
    """Neither on the disk nor in the log: the words of the script are masked."""
    outcome = run(
        builder,
        b'#!/bin/bash\necho "the key is $DEPLOY_KEY"; [[ ${#DEPLOY_KEY} -eq 22 ]]\n',
        OWN_NAME="secret",
        OWN_SECRETS=f"DEPLOY_KEY https://{VAULT}/secrets/deploy",
        IDENTITY_CLIENT_ID=builders.IDENTITY,
    )
    assert outcome.exit_code == 0, outcome.words
    assert "the key is ***" in log(builder, "secret")
    assert places_of(SECRET, builder.machine.root) == []
    assert SECRET not in outcome.stderr


def places_of(text: str, root: Path) -> list[str]:
    """The files below the places that the step writes to which hold it."""
    folders = ("var", "run", "tmp", "root", "opt", "home", "etc")
    files = (path for folder in folders for path in (root / folder).rglob("*"))
    plain = (path for path in files if path.is_file() and not path.is_symlink())
    return [str(path.relative_to(root)) for path in plain if text.encode() in path.read_bytes()]


@pytest.mark.parametrize(
    ("secret", "identity", "words"),
    [
        ("another", builders.IDENTITY, "404"),
        ("deploy", builders.TENANT, "token of the managed identity"),
    ],
)
def test_a_secret_that_cannot_be_read_ends_the_step(
    builder: builders.Builder, secret: str, identity: str, words: str
) -> None:
    """Nothing of the owner's has run."""
    outcome = run(
        builder,
        b"touch /opt/never\n",
        OWN_NAME="refused",
        OWN_SECRETS=f"DEPLOY_KEY https://{VAULT}/secrets/{secret}",
        IDENTITY_CLIENT_ID=identity,
    )
    assert outcome.exit_code == 62, outcome.words
    assert words in outcome.result["message"]
    assert not (builder.machine.root / "opt/never").exists()


def test_without_elevation_it_is_the_builders_user(builder: builders.Builder) -> None:
    """Who may write in the step's directory, and not in the system's."""
    text = b"#!/bin/bash\nid -un; echo $HOME; touch here && ! touch /opt/there\n"
    outcome = run(builder, text, OWN_NAME="user", OWN_USER=builders.USER)
    assert outcome.exit_code == 0, outcome.words
    assert f"\n{builders.USER}\n/home/{builders.USER}\n" in log(builder, "user")


def test_a_step_that_worked_is_not_repeated(builder: builders.Builder) -> None:
    """Its stored result answers."""
    text = b"echo x >>/opt/count\n"
    for _ in range(2):
        assert run(builder, text, OWN_NAME="once").exit_code == 0
    assert builder.read("opt/count") == "x\n"
