"""The whole command against a service that speaks the contract."""

from __future__ import annotations

import _thread
import io
import json
import signal
import socket
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest
from cli_world import KEY, CommandLine, FakeService, a_build, a_pool, a_step, accepted, an_image

ACCEPTED = accepted("b1")
RETIRED = {
    "field": "pools[1].vmSize",
    "code": "RetiredVmSize",
    "message": "Standard_NC6 is retired",
    "successor": "Standard_NC4as_T4_v3",
}


def refusal(*details: dict[str, object], code: str = "RequestRefused") -> dict[str, Any]:
    return {"error": {"code": code, "message": "refused", "details": list(details)}}


def test_a_build_is_started_watched_and_summed_up(service: FakeService, line: CommandLine) -> None:
    """The path of every day: exit 0, both metadata files, the outcome in the last lines."""
    running = a_build("running", steps=[a_step("docker", "running", percent=40)])
    done = a_build(steps=[a_step("docker")], image=an_image(), pools=[a_pool("dev")])
    service.answers("POST builds", ACCEPTED)
    service.answers("GET builds/b1", (200, running), (200, done))

    ended = line.run("--gpu", "--pool-id", "dev", "--nodes", "2", "--verify")

    assert ended.code == 0
    assert "Build b1 (full) succeeded in 24m 13s: image version 1.0.3, 1 pool." in ended.out
    written = json.loads((line.folder / "image_metadata.json").read_text())
    assert written == an_image(service=service.url)
    assert json.loads((line.folder / "batch_metadata.json").read_text())["poolId"] == "dev"
    [sent] = service.sent("POST builds")
    assert sent["pools"] == [{"id": "dev", "nodes": 2, "verify": True}]
    assert {call.key for call in service.calls} == {KEY}


def test_a_failed_build_exits_1_and_says_why_and_what_next(
    service: FakeService, line: CommandLine
) -> None:
    """A pipeline stops here, and its log holds everything a person needs."""
    error = {
        "code": "QuotaExceeded",
        "message": "no cores left",
        "resource": "/subscriptions/s/vm",
        "azureCode": "OperationNotAllowed",
        "requestId": "azure-1",
        "nextAction": "ask for more cores",
        "logUrl": "https://logs/1",
    }
    service.answers("POST builds", ACCEPTED)
    step = a_step("builder_vm", "failed", error=error)
    failed = a_build("failed", steps=[step], error=error, resumable=True)
    service.answers("GET builds/b1", (200, failed))

    ended = line.run("--image-only")

    assert ended.code == 1
    for told in (
        "QuotaExceeded: no cores left",
        "OperationNotAllowed",
        "azure-1",
        "Next: ask for more cores",
        "https://logs/1",
        "builds resume b1",
    ):
        assert told in ended.out

    line.environment["BATCH_PREP_PASSING"] = "1"
    ended = line.run("--image-only")
    assert "Next: ask for more cores" in ended.out
    assert "builds resume" not in ended.out  # the stack of `local run` is gone by then
    assert "builds show" not in ended.out


def test_impossible_flags_exit_2_and_send_nothing(service: FakeService, line: CommandLine) -> None:
    """All problems at once, before anything happens."""
    ended = line.run("--image-only", "--batch-only", "--gpu", "--cpu")
    assert ended.code == 2
    assert ended.err.count("exclude each other") == 2
    assert service.calls == []


def test_every_problem_of_a_refusal_is_shown(service: FakeService, line: CommandLine) -> None:
    """The service names each field; the exit code says that the request was refused."""
    details = ({"field": "image.os", "code": "UnknownSystem", "message": "no such system"}, RETIRED)
    service.answers("POST builds", (400, refusal(*details)))
    ended = line.run("--os", "plan9")
    assert ended.code == 2
    assert "image.os: no such system" in ended.err
    assert "its successor is Standard_NC4as_T4_v3" in ended.err
    assert "With --accept-successor the successor is taken." in ended.err


def test_the_successor_of_a_retired_size_is_taken_where_accepted(
    service: FakeService, line: CommandLine
) -> None:
    """Old pipelines name sizes that Azure no longer has; one flag keeps them going, visibly."""
    service.answers("POST builds", (400, refusal(RETIRED)), ACCEPTED)
    service.answers("GET builds/b1", (200, a_build()))

    ended = line.run(
        *("--batch-only", "--accept-successor", "--pool-id", "a", "--pool-id", "b"),
        *("--vm-size", "D2s_v5", "--vm-size", "NC6"),
    )

    first, second = service.sent("POST builds")
    assert [pool["vmSize"] for pool in first["pools"]] == ["Standard_D2s_v5", "Standard_NC6"]
    assert [pool["vmSize"] for pool in second["pools"]] == [
        "Standard_D2s_v5",
        "Standard_NC4as_T4_v3",
    ]
    assert "pools[1].vmSize: Standard_NC4as_T4_v3 takes the place of a retired size." in ended.err
    assert ended.code == 0


def test_a_dropped_connection_is_tried_again_under_the_same_request_id(
    service: FakeService, line: CommandLine
) -> None:
    """The first try may have arrived; the id makes the second one harmless."""
    service.answers("POST builds", None, (503, "starting"), ACCEPTED)
    service.answers("GET builds/b1", None, (200, a_build()))
    ended = line.run()
    ids = {body["requestId"] for body in service.sent("POST builds")}
    assert ended.code == 0
    assert len(service.sent("POST builds")) == 3
    assert len(ids) == 1


def test_two_builds_have_two_request_ids(service: FakeService, line: CommandLine) -> None:
    """Typing the same command again means another build."""
    service.answers("POST builds", ACCEPTED)
    line.run("--no-wait")
    line.run("--no-wait")
    assert len({body["requestId"] for body in service.sent("POST builds")}) == 2


def test_a_service_that_cannot_be_reached_exits_3(line: CommandLine) -> None:
    """Not refused and not failed: a pipeline may try again later."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        endpoint = f"http://127.0.0.1:{closed.getsockname()[1]}"  # bound, but nothing listens
        ended = line.run("--endpoint", endpoint)
    assert ended.code == 3
    assert f"{endpoint} does not answer: Connection refused." in ended.err


def test_an_answer_that_is_no_batch_prep_exits_3(service: FakeService, line: CommandLine) -> None:
    """A wrong URL often answers, with a page."""
    service.answers("POST builds", (200, "<html>welcome</html>"))
    ended = line.run()
    assert ended.code == 3
    assert "welcome" in ended.err


@pytest.mark.parametrize(
    "endpoint", ["http://example.org", "http://127.0.0.1.example.org", "ftp://127.0.0.1", "x"]
)
def test_the_key_goes_nowhere_it_could_be_read(line: CommandLine, endpoint: str) -> None:
    """Plain http is for this machine only."""
    assert line.run("--endpoint", endpoint).code == 2


def test_a_wrong_key_says_where_the_key_comes_from(service: FakeService, line: CommandLine) -> None:
    """401 alone helps nobody."""
    service.answers("POST builds", (401, ""))
    ended = line.run()
    assert ended.code == 2
    assert "BATCH_PREP_KEY" in ended.err


def test_a_running_build_of_the_same_image_is_offered_to_watch(
    service: FakeService, line: CommandLine
) -> None:
    """The second person joins the first one's build instead of starting another."""
    body = refusal(code="BuildRunning")
    body["error"]["buildId"] = "b7"
    service.answers("POST builds", (409, body))
    ended = line.run("--image-only")
    assert ended.code == 2
    assert "./batch-prep.sh builds watch b7" in ended.err


@pytest.fixture
def at_a_terminal() -> Iterator[None]:
    """Where Ctrl-C counts: what a shell starts in the background is born deaf to it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("at_a_terminal")
def test_ctrl_c_leaves_the_build_running(service: FakeService, line: CommandLine) -> None:
    """Watching is not owning: the message says how to come back and how to cancel."""
    service.answers("POST builds", ACCEPTED)
    service.answers("GET builds/b1", (200, a_build("running")))
    service.on_call = lambda call: _thread.interrupt_main() if call.path == "builds/b1" else None

    ended = line.run()

    assert ended.code == 130
    assert "./batch-prep.sh builds watch b1" in ended.err
    assert "./batch-prep.sh builds cancel b1" in ended.err
    assert not [call for call in service.calls if call.method == "DELETE"]


def test_no_wait_returns_once_the_build_is_accepted(
    service: FakeService, line: CommandLine
) -> None:
    """Nothing is polled and nothing written."""
    service.answers("POST builds", ACCEPTED)
    ended = line.run("--no-wait")
    assert ended.code == 0
    assert "Build b1 is running." in ended.out
    assert len(service.calls) == 1


# ---------------------------------------------------------------------------------------
# --json


def test_json_prints_the_final_document_and_nothing_else(
    service: FakeService, line: CommandLine
) -> None:
    """`| jq` must work; the progress goes to stderr."""
    final = a_build(steps=[a_step("docker")], image=an_image())
    service.answers("POST builds", ACCEPTED)
    service.answers("GET builds/b1", (200, a_build("running")), (200, final))
    ended = line.run("--json", "--image-only")
    assert ended.document == final
    assert "docker  succeeded in 1m 00s" in ended.err


def test_json_prints_refusals_too(service: FakeService, line: CommandLine) -> None:
    """A program reads the codes of the details, a person the words on stderr."""
    body = refusal(RETIRED)
    service.answers("POST builds", (400, body))
    ended = line.run("--json")
    assert ended.code == 2
    assert ended.document == body
    assert line.run("--json", "--gpu", "--cpu").document["error"]["code"] == "Refused"


def test_json_of_a_sub_command_tells_its_errors_in_json(
    service: FakeService, line: CommandLine
) -> None:
    """The flag means the same before and after the sub-command."""
    for words in (("--json", "builds", "show", "x"), ("builds", "show", "x", "--json")):
        ended = line.run(*words)
        assert ended.code == 2
        assert ended.document["error"]["code"] == "NotFound"


# ---------------------------------------------------------------------------------------
# Plans, recipes, contexts, request files


def test_a_plan_starts_nothing(service: FakeService, line: CommandLine) -> None:
    """Steps, names, minutes and cost are shown; only /api/plan is asked."""
    answer = {
        "mode": "full",
        "steps": [
            {"name": "install", "state": "pending", "seconds": 120, "endsAfterSeconds": 270},
        ],
        "names": {"gallery": "gallery1"},
        "blockers": [],
        "warnings": [{"field": "image.os", "code": "SystemExperimental", "message": "ask first"}],
        "minutes": 24,
        "cost": {
            "currency": "USD",
            "build": 0.104,
            "poolsPerHour": 1234.5,
            "note": "disks are not in it",
        },
    }
    service.answers("POST plan", (200, answer))
    ended = line.run("--plan", "--gpu")
    assert ended.code == 0
    prices = ("0.10 USD", "1,234.50 USD an hour", "disks are not in it")
    warned = "Warnings\n  - image.os: ask first"
    for told in ("install", "2.0", "gallery1", "24", *prices, warned, "Nothing stands in the way"):
        assert told in ended.out
    assert [call.path for call in service.calls] == ["plan"]


def test_a_plan_with_blockers_exits_2(service: FakeService, line: CommandLine) -> None:
    """A pipeline can ask beforehand whether the build would be refused."""
    blocker = {
        "field": "pools[0].nodes",
        "code": "QuotaExceeded",
        "message": "8 cores left, 40 needed",
    }
    answer = {"mode": "full", "steps": [], "names": {}, "minutes": 0, "cost": {"note": "none"}}
    service.answers("POST plan", (200, {**answer, "blockers": [blocker]}))
    ended = line.run("--plan")
    assert ended.code == 2
    assert "pools[0].nodes: 8 cores left, 40 needed" in ended.out


def test_a_recipe_can_be_made_from_flags(service: FakeService, line: CommandLine) -> None:
    """Nobody writes the JSON of a recipe by hand."""
    recipe = {"name": "weekly", "enabled": True, "request": {"mode": "image-only"}}
    service.answers("PUT recipes/weekly", (200, recipe))
    ended = line.run("--image-only", "--gpu", "--save-recipe", "weekly")
    assert ended.code == 0
    request = {"mode": "image-only", "image": {"gpu": True}}
    assert service.sent("PUT recipes/weekly") == [{"enabled": True, "request": request}]


def test_a_folder_is_packed_and_uploaded_before_the_build(
    service: FakeService, line: CommandLine
) -> None:
    """The registry builds from what the person has here."""
    (line.folder / "Dockerfile").write_text("FROM scratch\n")
    service.answers("POST contexts", (201, {"context": "contexts/abc.tar.gz"}))
    service.answers("POST builds", ACCEPTED)

    ended = line.run(
        "--acr", "myacr", "--docker-context", ".", "--docker-image", "app:1", "--no-wait"
    )

    assert ended.code == 0, ended.err
    upload, build = service.calls
    with tarfile.open(fileobj=io.BytesIO(upload.content)) as archive:
        assert archive.getnames() == ["Dockerfile"]
    assert build.body["image"]["registry"] == {
        "name": "myacr",
        "build": {"context": "contexts/abc.tar.gz", "image": "app:1"},
    }


def test_a_folder_that_is_no_context_is_refused(service: FakeService, line: CommandLine) -> None:
    """Without a Dockerfile the registry's build would fail minutes later."""
    ended = line.run("--acr", "myacr", "--docker-context", ".")
    assert ended.code == 2
    assert "no Dockerfile" in ended.err
    assert service.calls == []


def test_batch_only_reads_what_image_only_wrote(service: FakeService, line: CommandLine) -> None:
    """The two halves of the old script meet in image_metadata.json."""
    service.answers("POST builds", ACCEPTED)
    service.answers("GET builds/b1", (200, a_build(image=an_image())), (200, a_build()))
    line.run("--image-only", "--metadata-dir", "out")
    ended = line.run("--batch-only", "--metadata-dir", "out", "--pool-id", "dev")
    image = service.sent("POST builds")[1]["image"]
    assert (image["name"], image["version"]) == ("batchCustomImage", "1.0.3")
    assert "is taken from out/image_metadata.json" in ended.err


def test_the_image_file_of_another_service_is_used_only_where_its_folder_is_named(
    service: FakeService, line: CommandLine
) -> None:
    """It lies in the current folder since somebody tried the local stack there."""
    service.answers("POST builds", ACCEPTED)
    other = an_image(service="the local stack in /home/me/.batch-prep")
    (line.folder / "image_metadata.json").write_text(json.dumps(other))

    stray = line.run("--batch-only", "--pool-id", "dev", "--no-wait")
    named = line.run("--batch-only", "--pool-id", "dev", "--no-wait", "--metadata-dir", ".")
    versions = [sent["image"]["version"] for sent in service.sent("POST builds")]
    assert versions == ["latest", "1.0.3"]
    assert "was built by the local stack in /home/me/.batch-prep" in stray.err
    assert "--metadata-dir ." in stray.err
    assert "--image-version latest" in named.err


def test_flags_of_a_build_are_refused_before_a_sub_command(line: CommandLine) -> None:
    """`--gpu builds list` can only be a mistake."""
    ended = line.run("--gpu", "builds", "list")
    assert ended.code == 2
    assert "--gpu" in ended.err


def test_h_is_help_everywhere(line: CommandLine) -> None:
    """As in most commands."""
    for words in (["-h"], ["builds", "-h"], ["pools", "list", "-h"]):
        ended = line.run(*words)
        assert (ended.code, "Usage" in ended.out) == (0, True), words
