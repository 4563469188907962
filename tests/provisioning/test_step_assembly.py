"""The pieces fit together: complete, small enough to travel, and clean to the tools' eyes."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
import sys
from pathlib import Path

import pytest
import step_assembler
import step_machine

from shared.base import scripts
from shared.base.errors import Bug

RUN_COMMAND_BYTES_MAX = 64 * 1024  # inline script of a run command
START_TASK_BYTES_MAX = 16 * 1024  # what the verify script may add to a command line, encoded
LINES_MAX = 150  # of a piece, its headers not counted
PROVISIONING = step_assembler.PROVISIONING
SCRIPTS = sorted(PROVISIONING.rglob("*.sh"))
FAKES = sorted((Path(__file__).parent / "fakes").iterdir())
TOOLS = Path(sys.executable).parent
NAMES = sorted(step_assembler.STEPS)


def tool(name: str, *arguments: str, text: str | None = None) -> str:
    """What a tool complains about; nothing, if nothing."""
    done = subprocess.run(
        [str(TOOLS / name), *arguments], input=text, capture_output=True, text=True, check=False
    )
    return done.stdout + done.stderr


def test_the_scripts_are_formatted() -> None:
    """One style, decided by the tool."""
    assert tool("shfmt", "-d", "-i", "2", "-ci", *map(str, SCRIPTS + FAKES)) == ""


def test_the_pieces_are_clean() -> None:
    """Each by itself; what crosses pieces is looked at below."""
    assert tool("shellcheck", *map(str, SCRIPTS)) == ""


def defined_names() -> dict[str, str]:
    """Every function and every variable that a piece brings, with the piece's path."""
    found = {}
    for file in SCRIPTS:
        piece = str(file.relative_to(PROVISIONING))
        for line in file.read_text().splitlines():
            if function := re.match(r"([a-z_]+)\(\) \{", line):
                found[function[1]] = piece
            elif re.match(r"(?:readonly )?[A-Z][A-Z0-9_]+=", line):
                names = re.findall(r"(?:^|\s)([A-Z][A-Z0-9_]+)=", line)
                found |= dict.fromkeys(names, piece)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_an_assembled_step_has_all_it_names(name: str) -> None:
    """What a header forgot would be found out on a machine that costs money."""
    text = step_assembler.assemble(name)
    called = set(re.findall(r"(?<![\w./$-])[a-z]+(?:_[a-z]+)+(?![\w=.)/-])", text))
    read = set(re.findall(r"(?:\$\{?[#!]?|\(\(|[ (])([A-Z][A-Z0-9_]{2,})\b", text))

    needed = {file for word, file in defined_names().items() if word in called | read}

    assert needed <= set(step_assembler.STEPS[name]["files"])


def test_no_function_is_defined_twice() -> None:
    """A helper lives in one file."""
    names = [
        function
        for file in SCRIPTS
        for function in re.findall(r"^([a-z_]+)\(\) \{", file.read_text(), re.MULTILINE)
    ]

    assert sorted(names) == sorted(set(names))


def test_nothing_is_defined_in_vain_and_nothing_is_missing() -> None:
    """All files as one script: what no piece uses is dead, what no piece defines is a mistake."""
    files = [str(file.relative_to(PROVISIONING)) for file in SCRIPTS]
    functions = [name for step in NAMES for name in step_assembler.STEPS[step]["functions"]]
    text = step_assembler.assemble_files("all", ["lib.sh", *files], functions)

    complaints = tool("shellcheck", "--norc", "-S", "warning", "-", text=text)

    assert complaints == ""


@pytest.mark.parametrize("file", SCRIPTS, ids=lambda file: file.name)
def test_a_piece_names_what_it_uses_and_nothing_else(file: Path) -> None:
    """A header is to be believed: it neither relies on other pieces' headers nor pulls in vain."""
    own = str(file.relative_to(PROVISIONING))
    code = re.sub(r"(^|\s)#.*", "", file.read_text(), flags=re.MULTILINE)
    words = set(re.findall(r"(?<![\w./-])\w+(?![\w/=])", code))
    used = {word: piece for word, piece in defined_names().items() if word in words}
    surely = {piece for word, piece in used.items() if "_" in word}  # others are plain words, too
    surely -= {own, *step_assembler.FRAME}

    needed = set(step_assembler.needs(own))

    assert surely <= needed
    assert needed <= set(used.values())


@pytest.mark.parametrize("name", NAMES)
def test_the_app_assembles_the_same(name: str) -> None:
    """Two assemblers agree: what is tried here is what a machine receives, but for blank lines."""
    sent, tried = scripts.assemble(name), step_assembler.assemble(name)

    assert list(filter(None, sent.splitlines())) == list(filter(None, tried.splitlines()))


def written(home: Path, **needs: str) -> Path:
    """A folder of parts and helpers, each with the header given for it."""
    for name, needed in needs.items():
        folder = home / ("parts" if name == "part" else "helpers")
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.sh").write_text(f"# needs: {needed}\n{name}() {{ :; }}\n")
    return home


def test_each_piece_comes_once_and_after_what_it_needs(tmp_path: Path) -> None:
    """The order follows from the headers alone."""
    a, b, c = (f"helpers/{name}.sh" for name in "abc")
    home = written(tmp_path, part=f"{a} {b}", a=c, b=f"{c} {a}", c="")
    helpers = scripts.files_of(["part"], home)[len(step_assembler.FRAME) :]
    assert helpers == [c, a, b, "parts/part.sh"]


def test_pieces_that_need_each_other_are_a_bug(tmp_path: Path) -> None:
    """The message shows the whole circle."""
    home = written(tmp_path, part="helpers/a.sh", a="helpers/b.sh", b="helpers/a.sh")
    with pytest.raises(Bug, match=r"helpers/a\.sh -> helpers/b\.sh -> helpers/a\.sh"):
        scripts.files_of(["part"], home)


def test_a_piece_that_is_not_there_is_a_bug(tmp_path: Path) -> None:
    """It is found at assembly, before a machine is paid for."""
    home = written(tmp_path, part="helpers/none.sh")
    with pytest.raises(Bug, match=r"helpers/none\.sh is needed and does not exist"):
        scripts.files_of(["part"], home)


def test_every_part_defines_its_function() -> None:
    """So the table can be read without opening a file."""
    functions = {name for step in step_assembler.STEPS.values() for name in step["functions"]}
    assert {defined_names()[name] for name in functions} == {f"parts/{n}.sh" for n in functions}


def test_every_piece_belongs_to_a_step() -> None:
    """And no header names a file that is not there."""
    used = {file for step in step_assembler.STEPS.values() for file in step["files"]}

    assert used == {str(file.relative_to(PROVISIONING)) for file in SCRIPTS}


def test_no_piece_is_long() -> None:
    """One concern each."""
    headers = ("# shellcheck ", step_assembler.HEADER)
    for file in SCRIPTS:
        lines = [x for x in file.read_text().splitlines() if not x.startswith(headers)]
        assert len(lines) <= LINES_MAX, file.name


@pytest.mark.parametrize("name", NAMES)
def test_a_step_fits_a_run_command(name: str) -> None:
    """As it is sent, without its comments."""
    text = step_assembler.assemble(name)

    assert len(text.encode()) < RUN_COMMAND_BYTES_MAX
    assert text.startswith(
        f"#!/bin/bash\n# batch-prep step: {step_assembler.STEPS[name]['step']}\n"
    )


def test_the_verification_fits_a_command_line() -> None:
    """It travels inside the start task's command line, packed."""
    text = step_assembler.assemble("verify")

    assert len(base64.b64encode(gzip.compress(text.encode()))) < START_TASK_BYTES_MAX


def test_comments_may_be_left_out(machine: step_machine.Machine) -> None:
    """No line that matters begins with a number sign."""
    with_comments = step_assembler.assemble("verify", keep_comments=True)

    outcome = machine.run_text(with_comments, EXPECT_IMAGES="busybox:1")

    again = machine.run_step("verify", EXPECT_IMAGES="busybox:1")
    verdicts = [[(c["id"], c["code"]) for c in o.data["checks"]] for o in (outcome, again)]
    assert verdicts[0] == verdicts[1]


def test_no_piece_makes_shell_text_of_values() -> None:
    """No eval, no sourcing; the only `bash -c` is the pool owner's own start task."""
    text = "\n".join(file.read_text() for file in SCRIPTS)

    assert not re.search(r"\beval\b|^\s*(source|\.) |\bsh -c\b", text, re.MULTILINE)
    assert re.findall(r"bash -c.*", text) == ['bash -c "$USER_START_TASK" >&4 2>&4 || rc=$?']


def test_exit_codes_are_distinct() -> None:
    """The caller decides by them alone."""
    text = (PROVISIONING / "exit_codes.sh").read_text()
    codes = re.findall(r"^readonly EXIT_[A-Z_]+=(\d+)", text, re.MULTILINE)

    assert codes == sorted(set(codes), key=int)
    assert len(codes) == 20


def test_what_is_downloaded_is_pinned() -> None:
    """Every key by its whole fingerprint, every checksum in full length."""
    text = (PROVISIONING / "catalogue.sh").read_text()
    prints = re.findall(r"^readonly \w*FINGERPRINT=(\S+)", text, re.MULTILINE)
    tables = dict(re.findall(r"(EPEL_FINGERPRINTS|GRID_CHECKSUMS)=\(([^)]*)\)", text))

    assert [p for p in prints if not re.fullmatch(r"[0-9A-F]{40}", p)] == []
    assert len(prints) == 5
    assert set(re.findall(r"=(\S+)", tables["EPEL_FINGERPRINTS"])) == set(
        re.findall(r"[0-9A-F]{40}", tables["EPEL_FINGERPRINTS"])
    )
    assert re.findall(r"=(\S+)", tables["GRID_CHECKSUMS"]) == re.findall(
        r"=([0-9a-f]{64})\n", tables["GRID_CHECKSUMS"]
    )


def test_what_comes_from_outside_is_named_in_the_catalogue_alone() -> None:
    """Raising a version, or finding out where something comes from, takes one file."""
    code = "\n".join(
        re.sub(r"(^|\s)#.*", "", file.read_text(), flags=re.MULTILINE)
        for file in SCRIPTS
        if file.name != "catalogue.sh"
    )

    versions = re.findall(r"(?<![\d.])\d+\.\d+\.\d+(?![\d.])", code)
    hosts = set(re.findall(r"https://([a-z][a-z\\.]+)", code))
    assert versions == []
    # The registry's audience is no download; a parameter must begin with Microsoft's address.
    assert hosts == {
        "containerregistry.azure.net",
        r"download\.microsoft\.com",
        "download.microsoft.com",
    }


def test_every_version_in_the_catalogue_says_where_it_comes_from() -> None:
    """In the same line, or in the paragraph above it."""
    paragraphs = (PROVISIONING / "catalogue.sh").read_text().split("\n\n")
    with_versions = [
        p for p in paragraphs if re.search(r"_VERSION=\d|FINGERPRINTS?=|CHECKSUMS=\(", p)
    ]

    assert len(with_versions) >= 5
    assert [p for p in with_versions if not re.search(r"#.*https://", p)] == []


def test_every_exit_code_is_used_and_every_used_one_has_a_meaning() -> None:
    """A code that nothing gives misleads; one without a meaning tells a person nothing."""
    texts = {file.name: file.read_text() for file in SCRIPTS}
    named = set(
        re.findall(r"^readonly (EXIT_\w+)=\d+ +# \w+", texts["exit_codes.sh"], re.MULTILINE)
    )
    named |= {"EXIT_OK"}
    others = "\n".join(text for name, text in texts.items() if name != "exit_codes.sh")
    others = re.sub(r"(^|\s)#.*", "", others, flags=re.MULTILINE)

    assert set(re.findall(r"\bEXIT_[A-Z_]+\b", others)) == named
    assert re.findall(r"\b(?:exit|fail) [1-9]\d*\b", others) == ["exit 143"]
