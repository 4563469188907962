"""The owner's steps on the builder: when they run, what they leave, and how they fail."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from shared.model import image_scripts, parsing, planning
from tests.packed import an_entry, tar
from tests.served import terminal
from tests.world import CONFIG, LOGS, WITH_LOGS, World, an_image, image_only
from triggers import builds, contexts, recipes

Json = dict[str, Any]
BUSYBOX = "docker.io/library/busybox:1.36"
TEXT = "#!/bin/bash\necho the words of the owner\n"
SHA = "5e" * 32
STEP = "image.steps[0]"
URL = "https://a.example.org/x"
VAULT = "https://keys.vault.azure.net/secrets/a"
FILES = gzip.compress(tar(an_entry("bin/setup.sh", b"true")), mtime=0)
STEPS = "http://app/api/contexts?purpose=step"
TAR = f"contexts/{'a' * 32}.tar.gz"


def a_step(name: str = "setup", **more: Any) -> Json:
    return {"name": name, "inline": TEXT, **more}


def with_steps(*steps: Json, **image: Any) -> Json:
    return image_only(**an_image(steps=list(steps), **image))


def steps_of(build: Json) -> dict[str, Json]:
    return {step["name"]: step for step in build["steps"]}


def begins(build: Json, *names: str) -> list[str]:
    """These steps in the order in which they began."""
    found = steps_of(build)
    return sorted(names, key=lambda name: str(found[name]["startedAt"]))


def test_steps_run_in_their_order_before_and_after_docker_and_the_restart(world: World) -> None:
    """One after the other; what comes before Docker also comes before the pulls."""
    steps = [
        a_step("late", when="after-restart"),
        a_step("early", when="before-docker"),
        a_step("first"),
        a_step("second"),
    ]
    build = world.build(with_steps(*steps, containerImages=[BUSYBOX]))

    assert build["state"] == "succeeded", build["error"]
    order = ["own_early", "install", "own_first", "own_second", "reboot", "own_late", "seal"]
    assert begins(build, *order) == order
    assert begins(build, "own_early", "preload", "own_first") == [
        "own_early",
        "preload",
        "own_first",
    ]
    assert {steps_of(build)[name]["scripted"] for name in order if "own" in name} == {True}


def test_a_step_may_ask_for_a_restart(world: World) -> None:
    """It follows at once; the build's own restart is not made a second time after it."""
    steps = [
        a_step("kernel", when="before-docker", restart=True),
        a_step("last", restart=True),
    ]
    build = world.build(with_steps(*steps, gpu=True))

    assert build["state"] == "succeeded", build["error"]
    order = ["own_kernel", "restart_after_kernel", "install", "own_last", "restart_after_last"]
    assert begins(build, *order) == order
    assert "reboot" not in steps_of(build)


def test_a_step_after_the_restart_has_one(world: World) -> None:
    """Also where nothing else would need it."""
    build = world.build(with_steps(a_step(when="after-restart")))
    assert steps_of(build)["reboot"]["state"] == "succeeded"


def test_a_build_without_own_steps_has_none(world: World) -> None:
    """Neither in its plan nor in its steps."""
    build = world.build(with_steps())
    assert not [name for name in steps_of(build) if "own" in name or "restart_after" in name]


@pytest.fixture
def failing(world: World) -> Json:
    """A build whose second step ends with an exit code that it may not have."""
    message = "step second ended with exit code 3; expected is 0"
    fault = {"effect": "script", "path": "runCommands/own-second", "exitCode": 60}
    world.fault({**fault, "message": message})
    return world.build(with_steps(a_step("first"), a_step("second"), a_step("third")))


def test_a_failure_says_which_step_failed_how_and_what_to_do(world: World, failing: Json) -> None:
    """As clearly as one of ours; nothing after it has begun, and the builder is gone."""
    error = failing["error"]
    assert (failing["state"], error["code"], error["azureCode"]) == (
        "failed",
        "ScriptFailed",
        "OWN_STEP",
    )
    assert "'own_second' exited with 60" in error["message"]
    assert "exit code 3; expected is 0" in error["message"]
    assert "image.steps" in error["nextAction"]
    states = {name: step["state"] for name, step in steps_of(failing).items()}
    assert (states["own_first"], states["own_second"]) == ("succeeded", "failed")
    assert "own_third" not in states
    assert world.resources("virtualMachines") == []


def test_a_failed_step_keeps_the_builder_where_that_was_asked_for(world: World) -> None:
    """To look at it by hand."""
    world.fault({"effect": "script", "path": "runCommands/own-setup", "exitCode": 61})
    build = world.build(with_steps(a_step(), keepVm=True))
    assert build["error"]["azureCode"] == "OWN_STEP_TIME"
    assert len(world.resources("Microsoft.Compute/virtualMachines")) >= 1


def test_a_resumed_build_does_not_repeat_them(world: World) -> None:
    """What is sealed is published."""
    fault = {"effect": "allocation", "operation": "galleryVersions.create", "times": 1}
    world.fault({**fault, "code": "InternalExecutionError"})
    failed = world.build(with_steps(a_step()))
    assert failed["resumable"], failed["error"]
    ran = steps_of(failed)["own_setup"]

    build = world.resume(failed["buildId"])

    assert build["state"] == "succeeded", build["error"]
    assert steps_of(build)["own_setup"] == ran


def test_each_step_has_a_log_of_its_own() -> None:
    """Its address is in the step, and the failed one's also in the error."""
    world = World(own_settings=WITH_LOGS)
    world.fault({"effect": "script", "path": "runCommands/own-second", "exitCode": 60})
    build = world.build(with_steps(a_step("first"), a_step("second")))

    url = f"{LOGS}/{build['buildId']}/own-second-1.err.log"
    assert build["error"]["logUrl"] == url
    assert url in world.outbox.logs
    steps = steps_of(build)
    assert steps["own_second"]["logUrl"] == url
    assert steps["own_first"]["logUrl"] == url.replace("second", "first")
    assert steps["install"]["logUrl"] in world.outbox.logs
    assert steps["builder_vm"]["logUrl"] is None
    with terminal(world) as user:
        out = user.type(f"builds show {build['buildId']}").out
    assert f"Logs in {LOGS}/{build['buildId']}/: " in out
    assert "own-first-1.err.log" in out


def test_the_log_of_a_step_that_succeeded_can_be_read() -> None:
    """Each script of the builder has one, and its address holds no secret."""
    world = World(own_settings=WITH_LOGS)
    build = world.build(with_steps(a_step()))
    found = {name: step["logUrl"] for name, step in steps_of(build).items() if step["logUrl"]}
    assert found == {
        name: f"{LOGS}/{build['buildId']}/{command}-1.err.log"
        for name, command in (("own_setup", "own-setup"), ("install", "install"), ("seal", "seal"))
    }


# -- where the text goes --------------------------------------------------------------------------


def test_the_text_is_in_no_record_and_no_history(tmp_path: Path) -> None:
    """It lies where uploads lie, under its checksum; Azure gets it as a protected parameter."""
    world = World(hub=tmp_path / "hub")
    build = world.build(with_steps(a_step(environment={"MODE": "fast"})))

    assert build["state"] == "succeeded", build["error"]
    assert list(world.outbox.contexts.values()) == [TEXT.encode()]
    kept = json.dumps(world.table_service.dump(), default=str).encode()
    kept += b"".join(file.read_bytes() for file in tmp_path.iterdir())
    kept += json.dumps(world.resources("runCommands")).encode()
    assert kept.count(b"own_setup") > 5
    assert b"the words of the owner" not in kept
    assert base64.b64encode(TEXT.encode())[:40] not in kept


def test_the_same_request_is_the_same_build(world: World) -> None:
    """The stored request has the name of the text, which derives from it."""
    request = with_steps(a_step())
    first = world.start(request)
    assert world.start(request) == first
    other = world.ask(builds.start_build, with_steps(a_step(inline="true\n")))
    assert (other.status, other.body["error"]["code"]) == (409, "RequestIdUsed")


def test_a_byte_order_mark_is_no_part_of_a_script(world: World) -> None:
    """The system would not see its `#!`."""
    build = world.build(with_steps(a_step(inline=f"\ufeff{TEXT}")))

    assert build["state"] == "succeeded", build["error"]
    assert list(world.outbox.contexts.values()) == [TEXT.encode()]


def test_a_text_that_is_another_one_by_now_is_not_executed(world: World) -> None:
    """The builder compares the checksum that the request was accepted with."""
    build = world.start(with_steps(a_step()))
    [name] = world.outbox.contexts
    world.outbox.contexts[name] = b"rm -rf /\n"
    world.engine.run_until_complete(build)

    error = world.show(build)["error"]
    assert error["azureCode"] == "DOWNLOAD"
    assert "has the checksum" in error["message"]


def test_a_recipe_keeps_the_name_of_the_text(world: World) -> None:
    """And the sweep keeps the text for as long as the recipe is there."""
    request = {k: v for k, v in with_steps(a_step()).items() if k != "requestId"}
    answer = world.ask(recipes.put_recipe, {"request": request}, name="weekly")

    assert answer.status == 200, answer.body
    [name] = world.outbox.contexts
    [step] = answer.body["request"]["image"]["steps"]
    assert step["upload"] == name
    assert "inline" not in step
    world.engine.advance(40 * 86400)
    world.sweep()
    assert list(world.outbox.contexts) == [name]


def test_a_plan_shows_the_steps_and_stores_nothing(world: World) -> None:
    """No build has been asked for yet."""
    plan = world.ask(builds.plan_build, with_steps(a_step(restart=True), a_step("other"))).body
    names = [step["name"] for step in plan["steps"]]
    assert names.index("install") < names.index("own_setup") < names.index("restart_after_setup")
    assert plan["blockers"] == []
    assert world.outbox.contexts == {}


# -- uploads --------------------------------------------------------------------------------------


def uploaded(world: World) -> str:
    answer = world.ask(contexts.upload_context, FILES, STEPS)
    assert answer.status == 201, answer.body
    return str(answer.body["context"])


def test_the_files_of_a_step_need_no_dockerfile(world: World) -> None:
    """Those of a container build do; all else is looked at in the same way."""
    assert world.ask(contexts.upload_context, FILES).status == 400
    assert world.ask(contexts.upload_context, FILES, STEPS).status == 201
    outside = gzip.compress(tar(an_entry("../setup.sh", b"true")))
    assert world.ask(contexts.upload_context, outside, STEPS).status == 400


def test_the_files_of_an_upload_are_read_from_a_signed_address(tmp_path: Path) -> None:
    """The signature is in no record and no history; the checksum is the upload's name."""
    world = World(hub=tmp_path / "hub")
    step = a_step(inline=None, upload=uploaded(world), run="bin/setup.sh", destination="/opt/app")
    build = world.build(with_steps({n: part for n, part in step.items() if part is not None}))

    assert build["state"] == "succeeded", build["error"]
    kept = json.dumps(world.table_service.dump(), default=str).encode()
    kept += b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert kept.count(b"own_setup") > 5
    assert b"a-signature" not in kept


def test_an_upload_that_is_gone_is_a_blocker(world: World) -> None:
    """Before anything is made."""
    step = {"name": "setup", "upload": TAR, "run": "a.sh"}
    build = world.build(with_steps(step))
    [problem] = build["error"]["details"]
    assert (problem["field"], problem["code"]) == ("image.steps[0].upload", "ContextNotFound")


def test_a_repeated_start_is_no_second_run(world: World) -> None:
    """The app died after Azure had started the script. The address would be signed anew, and
    another body ends the first run.
    """
    request = with_steps(a_step(inline=None, upload=uploaded(world), run="bin/setup.sh"))
    request["image"]["steps"][0].pop("inline")
    build = world.start(request)
    commands = "Microsoft.Compute/virtualMachines/runCommands"

    def runs() -> list[int]:
        found = world.azure.store.of_type(commands)
        return [run.state["number"] for run in found if "own-setup" in run.id]

    while not runs():
        world.engine.advance(30)
    planned = planning.plan_build(parsing.parse_build(request, CONFIG), CONFIG).image
    assert planned is not None
    assert planned.build_id == build
    tick = {"now": world.services.now(), "elapsed": 0.0}
    payload = {"plan": image_scripts.own(planned, planned.steps[0]).to_wire(), "tick": tick}
    assert world.activities()["run_script"](payload)["state"] in {"wait", "done"}
    assert runs() == [1]


def test_the_same_upload_has_the_same_name(world: World) -> None:
    """A sweep leaves it for as long as a build on record needs it."""
    step = {"name": "setup", "upload": uploaded(world), "destination": "/opt/app"}
    assert uploaded(world) == step["upload"]
    world.build(with_steps(step))
    world.engine.advance(40 * 86400)
    world.sweep()
    assert list(world.outbox.contexts) == [step["upload"]]


# -- what is refused ------------------------------------------------------------------------------

SECRET = "hunter2-very-secret"


@pytest.mark.parametrize(
    ("step", "field", "code"),
    [
        ({"inline": None}, "", "Impossible"),
        ({"url": URL, "sha256": SHA}, "", "Impossible"),
        ({"inline": None, "url": URL}, ".sha256", "Impossible"),
        ({"inline": None, "url": f"http://a/{SECRET}", "sha256": SHA}, ".url", "InvalidValue"),
        ({"inline": None, "url": f"{URL}?sig={SECRET}", "sha256": SHA}, ".url", "InvalidValue"),
        ({"inline": None, "url": f"https://u:{SECRET}@a/x"}, ".url", "InvalidValue"),
        ({"inline": None, "url": "https://a:99999/x", "sha256": SHA}, ".url", "InvalidValue"),
        ({"inline": "\ufeff \n"}, ".inline", "InvalidValue"),
        ({"inline": f"{SECRET}\0"}, ".inline", "InvalidValue"),
        ({"inline": f"{SECRET}\r\n"}, ".inline", "InvalidValue"),
        ({"inline": f"{SECRET}ä" * 1500}, ".inline", "TooLarge"),
        ({"inline": " \n"}, ".inline", "InvalidValue"),
        ({"name": "Setup"}, ".name", "InvalidName"),
        ({"run": "a.sh"}, ".run", "Impossible"),
        ({"inline": None, "upload": TAR, "run": "../a"}, ".run", "InvalidName"),
        ({"destination": "/opt/app"}, ".destination", "Impossible"),
        ({"inline": None, "upload": TAR}, ".upload", "Impossible"),
        ({"environment": {"API_KEY": SECRET}}, ".environment.API_KEY", "Secret"),
        ({"environment": {"X": f"AccountKey={SECRET}"}}, ".environment.X", "Secret"),
        ({"environment": {"DB_PWD": SECRET}}, ".environment.DB_PWD", "Secret"),
        ({"environment": {"X": f"https://{SECRET}@a/x"}}, ".environment.X", "Secret"),
        ({"environment": {"A-B": "1"}}, ".environment", "InvalidName"),
        ({"environment": {"A": f"{SECRET}\0"}}, ".environment.A", "InvalidValue"),
        ({"exitCodes": [300]}, ".exitCodes[0]", "InvalidValue"),
        ({"timeoutMinutes": 0}, ".timeoutMinutes", "InvalidValue"),
        ({"when": "never"}, ".when", "InvalidValue"),
        ({"secrets": {"KEY": "https://evil.example.org/a"}}, ".secrets.KEY", "InvalidValue"),
        ({"secrets": {"KEY": VAULT}}, ".secrets", "Impossible"),
    ],
)  # fmt: skip
def test_a_step_that_cannot_work_is_refused(
    world: World, step: Json, field: str, code: str
) -> None:
    """At once, by its field, and without a word of what may be secret."""
    whole = {name: part for name, part in {**a_step(), **step}.items() if part is not None}
    answer = world.ask(builds.start_build, with_steps(whole))

    assert answer.status == 400, answer.body
    found = [(p["field"], p["code"]) for p in answer.body["error"]["details"]]
    assert [1 for f, c in found if f.startswith(STEP + field) and c == code], found
    assert SECRET not in json.dumps(answer.body)
    assert world.outbox.contexts == {}


def test_the_variables_of_all_steps_are_few(world: World) -> None:
    """Every plan of the image holds them."""
    variables = {f"V{number}": "x" * 4000 for number in range(3)}
    steps = [a_step(name, environment=variables) for name in ("first", "second")]
    answer = world.ask(builds.start_build, with_steps(*steps))
    [problem] = answer.body["error"]["details"]
    assert (problem["field"], problem["code"]) == ("image.steps", "TooLarge")


def test_a_name_is_there_once(world: World) -> None:
    """It names the step's record, its run command and its log."""
    answer = world.ask(builds.start_build, with_steps(a_step(), a_step()))
    assert [p["field"] for p in answer.body["error"]["details"]] == ["image.steps[1].name"]


@pytest.mark.parametrize(
    "value", ["TOKENIZERS_PARALLELISM", "KEYBOARD", "MONKEY", "PATH", "OLDPWD", "PWD"]
)
def test_a_variable_that_only_sounds_like_a_secret_is_taken(world: World, value: str) -> None:
    """Words count, not syllables."""
    request = with_steps(a_step(environment={value: "false"}))
    assert world.ask(builds.start_build, request).status == 202
