"""The deployment package: what runs and nothing else, the same bytes each time."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from local.stack.layout import ROOT
from release import bill, package

LOCK = ROOT / "requirements.txt"
IMPORT_EVERYTHING = """
import importlib, pkgutil, sys
sys.path[:0] = sys.argv[1:]
import function_app
for room in ("shared", "activities", "orchestrators", "triggers"):
    for module in pkgutil.walk_packages(importlib.import_module(room).__path__, room + "."):
        importlib.import_module(module.name)
print(len(function_app.app.get_functions()))
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what is deployed, among files that people leave lying around."""
    copy = tmp_path_factory.mktemp("checkout")
    for name in package.files(ROOT):
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    for stray in (
        ".env",
        "shared/.env",
        "shared/azure/id_rsa.pem",
        "local.settings.json",
        "image_metadata.json",
        "provisioning/image_metadata.json",
        "activities/.hidden/module.py",
        "shared/__pycache__/requests.cpython-313.pyc",
        "tests/test_it.py",
    ):
        (copy / stray).parent.mkdir(parents=True, exist_ok=True)
        (copy / stray).write_text("secret")
    return copy


def test_stray_files_are_not_deployed(checkout: Path, tmp_path: Path) -> None:
    """What lies beside the app may hold a key."""
    written = package.write(checkout, tmp_path / "package.zip")

    with zipfile.ZipFile(tmp_path / "package.zip") as packed:
        assert packed.namelist() == written == package.files(ROOT)
        assert {packed.read(name) for name in packed.namelist()}.isdisjoint({b"secret"})


def test_the_same_files_make_the_same_bytes(checkout: Path, tmp_path: Path) -> None:
    """Whoever builds it again can compare."""
    package.write(ROOT, tmp_path / "one.zip")
    (checkout / "host.json").touch()
    (checkout / "function_app.py").chmod(0o600)
    package.write(checkout, tmp_path / "two.zip")

    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "two.zip").read_bytes()
    assert (tmp_path / "one.zip").stat().st_size < 60 * 1024 * 1024


def test_the_app_needs_no_package_that_the_lock_lacks(checkout: Path, tmp_path: Path) -> None:
    """A development machine has more packages than a Function App gets."""
    for locked in bill.locked(LOCK):
        _install(locked, tmp_path)
    # The test's own path and a folder with nothing but the locked packages: -I and -S leave out
    # everything else.
    command = [sys.executable, "-I", "-S", "-c", IMPORT_EVERYTHING, str(checkout), str(tmp_path)]

    ended = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)

    assert ended.returncode == 0, ended.stderr
    assert int(ended.stdout) > 50


def _install(locked: bill.Locked, folder: Path) -> None:
    """Links to the files of an installed package."""
    distribution = metadata.distribution(locked.name)
    assert distribution.version == locked.version, f"run make setup for {locked.name}"
    for file in distribution.files or []:
        if ".." not in file.parts and file.suffix != ".pyc":
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).symlink_to(distribution.locate_file(file))


def test_the_bill_names_each_package_with_licence_and_hashes() -> None:
    """A reader of the bill needs neither the lock nor the index."""
    packages = bill.locked(LOCK)

    text = bill.document("batch-prep", "1.2.3", packages)

    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    shown = json.loads(text)["components"]
    assert len(shown) == len(packages) > 50
    assert all(each["licenses"] and each["hashes"] for each in shown)
    assert text == bill.document("batch-prep", "1.2.3", packages)


def test_every_licence_is_one_that_the_list_allows() -> None:
    """A new package may bring conditions that nobody has looked at."""
    assert bill.forbidden(bill.locked(LOCK)) == []
    assert bill.forbidden([bill.Locked(name="certifi", version="1", hashes=())]) == []


def test_a_licence_that_is_not_on_the_list_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the check could not fail."""
    monkeypatch.setattr(bill, "ALLOWED", bill.ALLOWED - {"MPL-2.0"})

    (named,) = bill.forbidden(bill.locked(LOCK))

    assert named.startswith("certifi ")
    assert named.endswith(": MPL-2.0")


def test_the_deny_list_of_other_tools_keeps_out_what_the_package_does() -> None:
    """`func azure functionapp publish` packs by .funcignore, which can only exclude."""

    def listed(*options: str) -> set[str]:
        command = ["git", "ls-files", "--cached", "--others", *options]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return set(ended.stdout.split())

    there = listed("--exclude-standard")
    packed = there - listed("--ignored", "--exclude-from", ".funcignore")
    assert sorted(packed) == package.files(ROOT)
