"""`python own_builds.py FILE`: builds images with own steps on the stack that runs, and writes what
came of them into FILE: the documents of a build that succeeds and of one that fails, and the
failed step's whole log.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.request
from pathlib import Path
from typing import Any

from azure.core.credentials import AzureNamedKeyCredential
from azure.storage.blob import BlobClient

from local.stack import layout
from tests import azurite

Json = dict[str, Any]
COMMAND = str(layout.ROOT / "batch-prep.sh")
NOTES = "the notes of the owner\n"
FILES = {"bin/setup.sh": "#!/bin/sh\ncp notes.txt /opt/copied\n", "notes.txt": NOTES}
EARLY = "command -v docker && exit 1\necho first >/opt/order\n"
BETWEEN = """#!/bin/bash
set -e
docker image ls -q | grep -c . >/opt/images
echo "$WORDS" >/opt/words
touch /run/until-the-restart
echo second >>/opt/order
"""
LATE = "[ ! -e /run/until-the-restart ] && echo third >>/opt/order\n"
STEPS: list[Json] = [
    {"name": "last", "when": "after-restart", "inline": LATE},
    {"name": "first", "when": "before-docker", "inline": EARLY},
    {"name": "second", "inline": BETWEEN, "environment": {"WORDS": "$(id) 'and' \"words\""}},
]
FAILING = {"name": "breaks", "inline": "echo what it says before; seq 20000; exit 7\n"}


def main() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, text in FILES.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    upload = ask("contexts?purpose=step", packed.getvalue())["context"]
    files = {"name": "files", "upload": upload, "run": "bin/setup.sh", "destination": "/opt/app"}
    made = build("own", [*STEPS, files])
    failed = build("broken", [FAILING])
    found = {"made": made, "failed": failed, "log": log(failed["error"]["logUrl"])}
    Path(sys.argv[1]).write_text(json.dumps(found))


def ask(path: str, data: bytes) -> Json:
    request = urllib.request.Request(f"{os.environ['BATCH_PREP_ENDPOINT']}/api/{path}", data)
    request.add_header("x-functions-key", os.environ["BATCH_PREP_KEY"])
    with urllib.request.urlopen(request) as answer:
        return dict(json.load(answer))


def build(name: str, steps: list[Json]) -> Json:
    images = ["docker.io/library/busybox:1.36"]
    image = {"name": name, "containerImages": images, "steps": steps, "os": "ubuntu"}
    file = Path(sys.argv[1]).with_suffix(f".{name}")
    file.write_text(json.dumps({"mode": "image-only", "image": image}))
    command = [COMMAND, "--request", str(file), "--json", "--metadata-dir", str(file.parent)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    try:
        return dict(json.loads(done.stdout))
    except ValueError:
        sys.exit(f"{done.stdout}\n{done.stderr}")


def log(url: str) -> str:
    credential = AzureNamedKeyCredential("devstoreaccount1", azurite.KEY)
    return BlobClient.from_blob_url(url, credential=credential).download_blob().readall().decode()


if __name__ == "__main__":
    main()
