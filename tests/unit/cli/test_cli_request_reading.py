"""Request files as people write them: YAML or JSON, with the lines of what is wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cli_world import CommandLine, FakeService, accepted

from cli import errors, request_reading, request_schema

YAML = """\
# yaml-language-server: $schema=request.schema.json
mode: image-only
image:
  os: ubuntu
  osVersion: 24.10   # a number for YAML, a text for the service
  zones: [1, 2]
  gpu: true
  osDiskSizeGiB: 128
"""


def _content(text: str, name: str = "request.yaml") -> object:
    return request_reading.parse(text, Path(name))[0]


def test_a_number_is_a_text_where_the_service_wants_one() -> None:
    """YAML reads 24.10 as 24.1, and yes as true: a version and a value would be others."""
    assert _content(YAML) == {
        "mode": "image-only",
        "image": {
            "os": "ubuntu",
            "osVersion": "24.10",
            "zones": ["1", "2"],
            "gpu": True,
            "osDiskSizeGiB": 128,
        },
    }
    pool = "pools: [{id: 1_2, metadata: [{name: on, value: 010}], ttlHours: 1.5, nodes: 2}]"
    assert _content(pool) == {
        "pools": [
            {"id": "1_2", "metadata": [{"name": "on", "value": "010"}], "ttlHours": 1.5, "nodes": 2}
        ]
    }


def test_anchors_and_merges_mean_what_they_say() -> None:
    """What an object says itself has the last word."""
    text = "pools:\n- &dev {id: dev, nodes: 1}\n- {<<: *dev, id: test}\n"
    pools = [{"id": "dev", "nodes": 1}, {"id": "test", "nodes": 1}]
    assert _content(text) == {"pools": pools}


@pytest.mark.parametrize(
    ("text", "name", "said"),
    [
        ("mode: full\nmode: image-only\n", "r.yaml", "r.yaml:2: the field mode is there twice"),
        ('{"mode": "full", "mode": "full"}', "r.json", "the field mode is there twice"),
        (
            "image: &a {os: ubuntu}\nbatchAccount: &b {name: c}\npools:\n- <<: *a\n  <<: *b\n",
            "r.yaml",
            "r.yaml:5: << is there twice",
        ),
        ("image: [", "r.yaml", "r.yaml:1 is not YAML: expected the node content"),
        ("image:\n\tgpu: true\n", "r.yaml", "r.yaml:2 is not YAML: found character"),
        ("{", "r.json", "is not JSON"),
        ("pools: &a [*a]\n", "r.yaml", "the anchor is part of what it names"),
        ("image: !!python/name:os.system\n", "r.yaml", "the tag"),
        ("image: !!python/object/apply:os.system [id]\n", "r.yaml", "the tag"),
        ("pools: !!set {a, b}\n", "r.yaml", "the tag"),
        ("image: {gpu: !!bool maybe}\n", "r.yaml", "the tag"),
        ("{[a]: b}", "r.yaml", "must be a text"),
    ],
)
def test_what_is_no_request_is_refused_with_its_line(text: str, name: str, said: str) -> None:
    """A parser's own answer names no file, and takes the last of two fields."""
    with pytest.raises(errors.Refused, match=r"r\.(yaml|json)") as refused:
        _content(text, name)
    assert said in refused.value.message


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("pools: [{ttlHours: 1e999}]", "request.yaml"),
        ('{"pools": [{"ttlHours": NaN}]}', "request.json"),
        ('pools: [{displayName: "\\ud800"}]', "request.yaml"),
        ('{"pools": [{"displayName": "\\ud800"}]}', "request.json"),
    ],
)
def test_what_json_cannot_hold_is_refused(
    text: str, name: str, line: CommandLine, service: FakeService
) -> None:
    """Before anything is sent, and by the name of the file."""
    (line.folder / name).write_text(text)
    ended = line.run("--file", name)
    assert ended.code == 2
    assert f"{name} holds what no request can" in ended.err
    assert service.sent("POST builds") == []


def test_a_folder_may_be_called_contexts(line: CommandLine, service: FakeService) -> None:
    """What was uploaded has a checksum as its name."""
    service.answers("POST builds", accepted("b1"))
    (line.folder / "contexts").mkdir()
    (line.folder / "contexts" / "setup.sh").write_text("true\n")
    (line.folder / "request.yaml").write_text(
        "mode: image-only\nimage: {steps: [{name: one, upload: contexts/setup.sh}]}\n"
    )
    assert line.run("--file", "request.yaml", "--no-wait").code == 0
    (sent,) = service.sent("POST builds")
    assert sent["image"]["steps"] == [{"name": "one", "inline": "true\n"}]


def test_aliases_cannot_make_a_short_file_long() -> None:
    """Nine lists of nine aliases each are more than the service takes."""
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    with pytest.raises(errors.Refused, match="more than 20000 values"):
        _content("\n".join(lines))


def test_a_refusal_names_the_line_of_each_field(line: CommandLine, service: FakeService) -> None:
    """A field that is missing is shown where it would be."""
    (line.folder / "request.yaml").write_text("pools:\n- id: dev\n  vmSize: big\n")
    details = [
        {"field": "pools[0].vmSize", "code": "InvalidName", "message": "it is no size"},
        {"field": "pools[0].nodes", "code": "Missing", "message": "say how many"},
    ]
    error = {"code": "RequestRefused", "message": "no", "details": details}
    service.answers("POST builds", (400, {"error": error}))

    ended = line.run("--file", "request.yaml")

    assert ended.code == 2
    assert "  - request.yaml:3 pools[0].vmSize: it is no size" in ended.err
    assert "  - request.yaml:2 pools[0].nodes: say how many" in ended.err


@pytest.mark.parametrize(
    "words",
    [("--file", "r.yaml", "--save-recipe", "a b"), ("recipes", "put", "a b", "r.yaml")],
    ids=["flag", "command"],
)
def test_a_recipe_that_is_refused_has_the_lines_of_its_request(
    line: CommandLine, service: FakeService, words: tuple[str, ...]
) -> None:
    """Its name is in no line: it was typed."""
    (line.folder / "r.yaml").write_text("mode: full\npools:\n- id: dev\n  vmSize: big\n")
    details = [
        {"field": "request.pools[0].vmSize", "code": "InvalidName", "message": "it is no size"},
        {"field": "name", "code": "InvalidName", "message": "it has a blank"},
    ]
    error = {"code": "RequestRefused", "message": "no", "details": details}
    service.answers("PUT recipes/a%20b", (400, {"error": error}))

    ended = line.run(*words)

    assert ended.code == 2
    assert "  - r.yaml:4 request.pools[0].vmSize: it is no size" in ended.err
    assert "  - name: it has a blank" in ended.err


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("image: {}\nmode: Full\n", "request.yaml:2: the request file's mode 'Full'"),
        ("mode: full\npools: 5\n", "request.yaml:2: the request file's pools"),
        ("mode: full\nimage:\n  registry: x\n", "request.yaml:3: the request file's image.reg"),
    ],
)
def test_what_the_command_itself_refuses_has_its_line(
    line: CommandLine, text: str, place: str
) -> None:
    """Nothing is sent."""
    (line.folder / "request.yaml").write_text(text)
    ended = line.run("--file", "request.yaml")
    assert (ended.code, place in ended.err) == (2, True), ended.err


@pytest.mark.parametrize(
    "words", [("--file", "none.yaml"), ("--request", "none.json"), ("import", "none.tf")]
)
def test_a_file_that_is_not_there_is_named_once(line: CommandLine, words: tuple[str, str]) -> None:
    """The system's words say why, without their number."""
    ended = line.run(*words)
    told = f"{words[1]} cannot be read: No such file or directory"
    assert (ended.code, ended.err.strip()) == (2, told)


def test_both_flags_take_both_forms(line: CommandLine, service: FakeService) -> None:
    """`--request` is as old as the command; what it took, it takes."""
    service.answers("POST builds", accepted("b1"))
    (line.folder / "a.yaml").write_text("mode: image-only\n")
    (line.folder / "a.txt").write_text('{"$schema": "x.json", "mode": "image-only"}')
    for flags in (["--file", "a.yaml"], ["--request", "a.yaml"], ["--request", "a.txt"]):
        assert line.run(*flags, "--no-wait").code == 0
    assert [body["mode"] for body in service.sent("POST builds")] == ["image-only"] * 3
    assert all("$schema" not in body for body in service.sent("POST builds"))
    assert "one" in line.run("--file", "a.yaml", "--request", "a.yaml").err


def test_the_schema_is_printed_for_editors(line: CommandLine) -> None:
    """It needs no service: it belongs to this version of the command."""
    ended = line.run("schema")
    assert ended.document["properties"]["image"]
    assert request_schema.at(("image", "osVersion")).is_text
    assert not request_schema.at(("pools", 0, "nodes")).is_text
    assert not request_schema.at(("image", "colour")).exists
    assert request_schema.at(("pools", 0, "certificates")).why_refused


def test_a_dockerfile_is_no_request_file(line: CommandLine) -> None:
    """Older scripts named one by --file."""
    ended = line.run("--file", "Dockerfile.gpu.ubuntu")
    assert ended.code == 2
    assert "--docker-context" in ended.err
    assert ".yaml" in ended.err


def test_folders_are_relative_to_the_file(line: CommandLine, service: FakeService) -> None:
    """Not to the folder that the command is typed in; what is uploaded already stays."""
    service.answers("POST builds", accepted("b1"))
    uploaded, kept = (f"contexts/{digit * 32}.tar.gz" for digit in "ab")
    service.answers("POST contexts", (201, {"context": uploaded}))
    here = line.folder / "team"
    (here / "app").mkdir(parents=True)
    (here / "app" / "Dockerfile").write_text("FROM scratch\n")
    (here / "setup.sh").write_text("true\n")
    steps = [{"name": "one", "upload": "./setup.sh"}, {"name": "b", "upload": kept, "run": "x"}]
    build = {"context": "app", "image": "app:v1"}
    image = {"registry": {"name": "abcde", "build": build}, "steps": steps}
    (here / "request.json").write_text(json.dumps({"mode": "image-only", "image": image}))

    assert line.run("--request", "team/request.json", "--no-wait").code == 0

    (sent,) = service.sent("POST builds")
    assert sent["image"]["registry"]["build"]["context"] == uploaded
    assert sent["image"]["steps"] == [{"name": "one", "inline": "true\n"}, steps[1]]
    (here / "setup.sh").unlink()
    assert "no such file or folder" in line.run("--request", "team/request.json").err


@pytest.mark.parametrize(
    "image",
    [
        {"steps": [{"name": "one", "upload": "absent"}]},
        {"registry": {"name": "abcde", "build": {"context": "absent", "image": "app:v1"}}},
    ],
    ids=["upload", "context"],
)
def test_a_file_that_is_missing_is_found_before_a_stack_is_started(
    line: CommandLine, image: dict[str, Any]
) -> None:
    """No stack can be started here: its folder would be below a file."""
    (line.folder / "file").write_text("")
    line.environment = {"BATCH_PREP_STATE": str(line.folder / "file" / "state")}
    (line.folder / "r.json").write_text(json.dumps({"mode": "image-only", "image": image}))

    ended = line.run("--request", "r.json")
    assert ended.code == 2
    assert "absent: there is no such" in ended.err
    assert "starting a local stack" not in ended.err + ended.out
