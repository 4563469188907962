"""Builds, images, pools and recipes: what is asked of the service, and what a person reads."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator

import pytest
from cli_world import (
    CommandLine,
    FakeService,
    a_build,
    a_pool,
    a_step,
    a_summary,
    accepted,
    an_image,
)

RECIPE = {
    "name": "weekly",
    "enabled": True,
    "request": {"mode": "image-only", "image": {"os": "ubuntu"}},
}
SHORT = {"name": "short", "enabled": True, "request": {"pools": [{"id": "dev"}]}}


LEFTOVER = {
    "id": "/subscriptions/s/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/vm-b1",
    "type": "Microsoft.Compute/virtualMachines",
    "buildId": "b1",
    "verdict": "remove",
    "why": "it was kept until 2026-01-31T14:00:00Z",
}


@pytest.mark.parametrize(
    ("words", "route", "answer", "told"),
    [
        ("builds list", "GET builds", {"builds": [a_summary()]}, ["b1", "succeeded", "24m 13s"]),
        ("builds list", "GET builds", {"builds": [a_summary()]}, ["b1", "2026-01-31 10:00:00"]),
        ("builds list", "GET builds", {"builds": []}, ["No builds yet."]),
        (
            "builds show b1",
            "GET builds/b1",
            a_build(steps=[a_step("docker")]),
            ["docker", "1m 00s"],
        ),
        ("images list", "GET images", {"images": [an_image()]}, ["batchImageGallery", "1.0.3"]),
        (
            "images list",
            "GET images",
            {"images": [an_image(excludedFromLatest=True), an_image(goneAt="2026-02-01")]},
            ["withdrawn", "gone"],
        ),
        (
            "images show batchImageGallery batchCustomImage",
            "GET images/batchImageGallery/batchCustomImage/latest",
            an_image(),
            [str(an_image()["imageId"]), "batch.node.ubuntu 24.04"],
        ),
        (
            "images show batchImageGallery batchCustomImage 1.0.3",
            "GET images/batchImageGallery/batchCustomImage/1.0.3",
            an_image(excludedFromLatest=True),
            ["  batchImageGallery\n", "  batchCustomImage\n", "state", "withdrawn"],
        ),
        ("images show g i 1", "GET images/g/i/1", an_image(goneAt="2026-02-01"), ["state", "gone"]),
        (
            "images show g i",
            "GET images/g/i/latest",
            an_image(scripted=True),
            ["its scripts", "scripted", "was not really executed"],
        ),
        (
            "pools show a dev",
            "GET pools/a/dev",
            a_pool("dev", scripted=True, proofs=[{"check": "gpu", "verdict": "pass", "nodes": 2}]),
            ["yes, scripted", "pass on 2 nodes, scripted", "was not really executed"],
        ),
        ("images show g i 1.0.0", "GET images/g/i/1.0.0", an_image(), ["1.0.3"]),
        (
            "images show g i",
            "GET images/g/i/latest",
            an_image(pending=["gpu"]),
            ["not proved", "gpu (each pool proves it)"],
        ),
        (
            "images bom g i 1.0.0",
            "GET images/g/i/1.0.0/bom",
            {"bomFormat": "CycloneDX", "components": []},
            ['"bomFormat": "CycloneDX"'],
        ),
        (
            "pools show a dev",
            "GET pools/a/dev",
            a_pool("dev", proofs=[{"check": "gpu", "verdict": "pass", "nodes": 2, "seconds": 3}]),
            ["check gpu", "pass on 2 nodes in 3s"],
        ),
        (
            "pools show a dev",
            "GET pools/a/dev",
            a_pool("dev", expiresAt="2026-01-31T10:20:30Z"),
            ["deleted at", "2026-01-31 10:20:30"],
        ),
        ("pools list", "GET pools", {"pools": [a_pool("dev")]}, ["dev", "batchCustomImage 1.0.3"]),
        ("pools show acc dev", "GET pools/acc/dev", a_pool("dev"), ["mybatch12345", "ready"]),
        (
            "pools refused",
            "GET refused",
            {
                "refused": [
                    {
                        "messageId": "m1",
                        "message": "{}",
                        "problems": [{"field": "pool", "code": "Missing", "message": "required"}],
                    }
                ]
            },
            ["m1", "pool", "required"],
        ),
        ("recipes list", "GET recipes", {"recipes": [RECIPE]}, ["weekly", "yes", "ubuntu"]),
        ("recipes list", "GET recipes", {"recipes": [SHORT]}, ["full", "ubuntu", "no"]),
        ("leftovers", "GET leftovers", {"leftovers": [LEFTOVER]}, ["vm-b1", "b1", "it was kept"]),
        ("leftovers", "GET leftovers", {"leftovers": []}, ["left nothing behind"]),
        ("recipes show weekly", "GET recipes/weekly", RECIPE, ['"enabled": true']),
    ],
)
def test_what_exists_can_be_looked_at(
    service: FakeService, line: CommandLine, words: str, route: str, answer: object, told: list[str]
) -> None:
    """Each list and each show has one route and a readable form."""
    service.answers(route, (200, answer))
    ended = line.run(*words.split())
    assert ended.code == 0, ended.err
    assert [text for text in told if text not in ended.out] == []


def test_a_sweep_can_be_asked_for(service: FakeService, line: CommandLine) -> None:
    """Nobody wants to wait for the timer with a VM that costs money."""
    service.answers("POST leftovers/sweep", (202, {"statusUrl": "http://app/api/leftovers"}))
    ended = line.run("leftovers", "sweep")
    assert ended.code == 0, ended.err
    assert "A sweep is running." in ended.out


@pytest.mark.parametrize(
    "words", ["builds list", "images list", "pools list", "recipes list", "leftovers"]
)
def test_json_of_a_list_is_the_services_answer(
    service: FakeService, line: CommandLine, words: str
) -> None:
    """Programs get what the service says, unchanged."""
    service.answers(f"GET {words.split(maxsplit=1)[0]}", (200, [{"any": "thing"}]), described=False)
    assert line.run(*words.split(), "--json").document == [{"any": "thing"}]


def test_documents_are_printed_as_they_are(service: FakeService, line: CommandLine) -> None:
    """Neither colour markup nor emoji codes nor long lines may change what a program reads."""
    answer = {"id": "a:key:b [bold]c[/bold] " + "x" * 300}
    service.answers("GET builds", (200, answer), described=False)
    assert line.run("builds", "list", "--json").document == answer


def test_a_list_is_followed_to_its_end(service: FakeService, line: CommandLine) -> None:
    """At this service, whatever the link names: its key is for no other."""
    link = "http://elsewhere.invalid/api/{}"
    message = {"messageId": "m1", "message": "?", "problems": []}
    change = {"at": "2026-01-31T10:00:00Z", "what": "POST /api/builds"}
    for words, name, row in (
        ("images list", "images", an_image()),
        ("pools list", "pools", a_pool("dev")),
        ("pools refused", "refused", message),
        ("changes", "changes", change),
    ):
        one = {name: [row], "nextLink": link.format(f"{name}?after=x")}
        service.answers(f"GET {name}", (200, one))
        service.answers(f"GET {name}?after=x", (200, {name: [row]}), described=False)
        assert line.run(*words.split(), "--json").document == {name: [row, row]}
    assert all(call.key for call in service.calls)


def test_builds_are_listed_as_far_as_wanted(service: FakeService, line: CommandLine) -> None:
    """Of one state, and several pages where that many are wanted."""
    first = {"builds": [a_summary()] * 2, "nextLink": "http://a/api/builds?limit=1000&after=x"}
    service.answers("GET builds?limit=1000&state=failed", (200, first), described=False)
    service.answers(
        "GET builds?limit=1000&after=x", (200, {"builds": [a_summary()]}), described=False
    )
    ended = line.run("builds", "list", "--limit", "1003", "--state", "failed", "--json")
    assert ended.document == {"builds": [a_summary()] * 3}

    service.calls.clear()
    service.answers("GET builds?limit=2", (200, first), described=False)
    ended = line.run("builds", "list", "--limit", "2")
    assert [call.path for call in service.calls] == ["builds?limit=2"]
    assert ended.out.count("b1") == 2
    assert "These are the newest 2; --limit shows more." in ended.err


def test_a_list_of_one_state_may_be_empty(service: FakeService, line: CommandLine) -> None:
    """There may be builds in other states."""
    service.answers("GET builds?state=failed", (200, {"builds": []}), described=False)
    assert line.run("builds", "list", "--state", "failed").out == "No build is failed.\n"


def test_show_does_not_lead_to_itself(service: FakeService, line: CommandLine) -> None:
    """It leads to the end of a build that runs."""
    service.answers("GET builds/b1", (200, a_build()), (200, a_build("running")))
    assert "builds show b1" not in line.run("builds", "show", "b1").out
    assert "builds watch b1" in line.run("builds", "show", "b1").out


def test_watch_ends_as_the_build_ended(service: FakeService, line: CommandLine) -> None:
    """After Ctrl-C the same pipeline step can be taken up again."""
    service.answers("GET builds/b1", (200, a_build("failed", image=an_image())))
    ended = line.run("builds", "watch", "b1", "--metadata-dir", "here")
    assert ended.code == 1
    assert (line.folder / "here" / "image_metadata.json").exists()


def test_cancel_asks_and_returns(service: FakeService, line: CommandLine) -> None:
    """Cleaning up takes minutes; whoever wants to see it watches."""
    service.answers("DELETE builds/b1", accepted("b1"))
    ended = line.run("builds", "cancel", "b1")
    assert ended.code == 0
    assert "builds watch b1" in ended.err


def test_resume_follows_the_build(service: FakeService, line: CommandLine) -> None:
    """It goes on as if it had never failed."""
    service.answers("POST builds/b1/resume", accepted("b1"))
    service.answers("GET builds/b1", (200, a_build()))
    assert line.run("builds", "resume", "b1").code == 0


def test_resize_sends_only_what_was_given(service: FakeService, line: CommandLine) -> None:
    """Spot nodes that nobody mentioned stay as they are."""
    service.answers("PATCH pools/acc/dev", accepted("b2"))
    service.answers("GET builds/b2", (200, a_build(mode="resize-pool")))
    ended = line.run("pools", "resize", "acc", "dev", "--nodes", "0")
    assert ended.code == 0, ended.err
    assert service.sent("PATCH pools/acc/dev") == [{"nodes": 0}]


def test_resize_to_nothing_in_particular_is_refused(
    service: FakeService, line: CommandLine
) -> None:
    """A resize without a size can only be a slip."""
    assert line.run("pools", "resize", "acc", "dev").code == 2
    assert service.calls == []


def test_delete_can_return_at_once(service: FakeService, line: CommandLine) -> None:
    """Deleting nodes takes minutes."""
    service.answers("DELETE pools/acc/dev", accepted("b2"))
    ended = line.run("pools", "delete", "acc", "dev", "--no-wait")
    assert ended.code == 0
    assert "Pool dev is being deleted." in ended.out


def test_a_bare_request_file_makes_an_enabled_recipe(
    service: FakeService, line: CommandLine
) -> None:
    """The file that --request takes serves recipes too."""
    (line.folder / "r.json").write_text(json.dumps({"mode": "image-only"}))
    service.answers("PUT recipes/weekly", (200, RECIPE))
    line.run("recipes", "put", "weekly", "r.json")
    line.run("recipes", "put", "weekly", "r.json", "--disabled")
    enabled, disabled = service.sent("PUT recipes/weekly")
    assert enabled == {"enabled": True, "request": {"mode": "image-only"}}
    assert disabled["enabled"] is False


@pytest.mark.parametrize("indent", ["", "  "])
def test_a_recipe_is_put_from_yaml(service: FakeService, line: CommandLine, indent: str) -> None:
    """As `--file` takes it, alone or inside a recipe; a refusal names the line."""
    request = f"{indent}image:\n{indent}  os: ubuntu\n{indent}  osVersion: 24.10\n"
    (line.folder / "r.yaml").write_text(f"request:\n{request}" if indent else request)
    service.answers("PUT recipes/weekly", (200, RECIPE))
    assert line.run("recipes", "put", "weekly", "r.yaml").code == 0
    (sent,) = service.sent("PUT recipes/weekly")
    assert sent == {"enabled": True, "request": {"image": {"os": "ubuntu", "osVersion": "24.10"}}}

    details = [{"field": "request.image.osVersion", "code": "X", "message": "no such system"}]
    error = {"code": "RequestRefused", "message": "no", "details": details}
    service.answers("PUT recipes/weekly", (400, {"error": error}))
    ended = line.run("recipes", "put", "weekly", "r.yaml")
    assert ended.code == 2
    assert f"r.yaml:{4 if indent else 3} request.image.osVersion: no such" in ended.err


@pytest.mark.parametrize("indent", ["", "  "])
def test_the_files_of_a_recipe_are_sent(
    service: FakeService, line: CommandLine, indent: str
) -> None:
    """Relative to the file, as in a request."""
    (line.folder / "in").mkdir()
    (line.folder / "in" / "a.sh").write_text("true\n")
    request = f"{indent}image: {{steps: [{{name: a, upload: a.sh}}]}}\n"
    (line.folder / "in" / "r.yaml").write_text(f"request:\n{request}" if indent else request)
    service.answers("PUT recipes/weekly", (200, RECIPE))
    assert line.run("recipes", "put", "weekly", "in/r.yaml").code == 0
    (sent,) = service.sent("PUT recipes/weekly")
    assert sent["request"] == {"image": {"steps": [{"name": "a", "inline": "true\n"}]}}


def test_the_files_of_a_recipe_from_standard_input_are_here(
    service: FakeService, line: CommandLine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Relative to the current folder: nothing says where the text comes from."""
    (line.folder / "a.sh").write_text("true\n")
    (line.folder / "app").mkdir()
    (line.folder / "app" / "Dockerfile").write_text("FROM scratch\n")
    request = "image: {registry: {build: {context: app}}, steps: [{name: a, upload: a.sh}]}\n"
    service.answers("POST contexts", (201, {"context": f"contexts/{'a' * 32}.tar.gz"}))
    service.answers("PUT recipes/weekly", (200, RECIPE))
    for text in (request, f"request: {{{request.strip()}}}\n"):
        with standard_input(text):
            assert line.run("recipes", "put", "weekly", "-").code == 0
    assert [sent["request"]["image"] for sent in service.sent("PUT recipes/weekly")] == [
        {
            "registry": {"build": {"context": f"contexts/{'a' * 32}.tar.gz"}},
            "steps": [{"name": "a", "inline": "true\n"}],
        }
    ] * 2


@contextlib.contextmanager
def standard_input(text: str) -> Iterator[None]:
    """A pipe with this text in it."""
    before, (there, here) = os.dup(0), os.pipe()
    os.write(here, text.encode())
    os.close(here)
    os.dup2(there, 0)
    try:
        yield
    finally:
        os.dup2(before, 0)
        os.close(there)
        os.close(before)


@pytest.mark.parametrize("image", ["[]", "{registry: [1]}", "{registry: {build: {context: 1}}}"])
def test_a_recipe_of_another_shape_is_left_to_the_service(
    service: FakeService, line: CommandLine, image: str
) -> None:
    """It names the field."""
    (line.folder / "r.yaml").write_text(f"image: {image}\n")
    error = {"code": "RequestRefused", "message": "no", "details": []}
    service.answers("PUT recipes/weekly", (400, {"error": error}))
    assert line.run("recipes", "put", "weekly", "r.yaml").code == 2


def test_what_show_prints_can_be_put_back(service: FakeService, line: CommandLine) -> None:
    """Edit and put: the name in the file is no field of a recipe."""
    service.answers("GET recipes/weekly", (200, RECIPE))
    service.answers("PUT recipes/weekly", (200, RECIPE))
    (line.folder / "r.json").write_text(line.run("recipes", "show", "weekly").out)
    line.run("recipes", "put", "weekly", "r.json")
    [sent] = service.sent("PUT recipes/weekly")
    assert sent == {"enabled": True, "request": RECIPE["request"]}


def test_what_is_wrong_between_recipes_is_shown(service: FakeService, line: CommandLine) -> None:
    """The recipe is stored nevertheless."""
    warning = {"field": "request.image.name", "code": "X", "message": "[that] of other, too"}
    (line.folder / "r.json").write_text("{}")
    service.answers("PUT recipes/weekly", (200, {**RECIPE, "warnings": [warning]}))
    ended = line.run("recipes", "put", "weekly", "r.json")
    assert ended.code == 0
    assert "Recipe weekly is stored" in ended.out
    assert "request.image.name: [that] of other, too" in ended.out


def test_a_recipe_can_be_removed(service: FakeService, line: CommandLine) -> None:
    """An answer without a body is an answer."""
    service.answers("DELETE recipes/weekly", (204, ""))
    assert line.run("recipes", "delete", "weekly").code == 0


def test_ids_are_quoted(service: FakeService, line: CommandLine) -> None:
    """An id is data, not a path."""
    line.run("builds", "show", "../pools")
    assert [call.path for call in service.calls] == ["builds/..%2Fpools"]


def test_the_endpoint_may_stand_before_the_sub_command(
    service: FakeService, line: CommandLine
) -> None:
    """Shell aliases put it there."""
    service.answers("GET builds", (200, {"builds": []}))
    line.environment.pop("BATCH_PREP_ENDPOINT")
    assert line.run("--endpoint", f"{service.url}/api/", "builds", "list").code == 0
    assert line.run("builds", "list", "--endpoint", service.url).code == 0
