"""Progress and summary as text."""

from __future__ import annotations

import io
from typing import Any

import pytest
from cli_world import a_build, a_pool, a_step, an_image
from rich.console import Console, RenderableType

from cli import documents, progress, summary, tables, wording


def build(*more: Any, **fields: Any) -> documents.Build:
    return documents.Build.from_wire(a_build(*more, **fields))


def text_of(*shown: RenderableType, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width)
    for part in shown:
        console.print(part)
    return console.file.getvalue()  # type: ignore[attr-defined]


def summary_of(shown: documents.Build) -> str:
    console = Console(file=io.StringIO(), width=100)
    summary.show(console, shown)
    return console.file.getvalue()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0, "0s"),
        (59.4, "59s"),
        (60, "1m 00s"),
        (1453, "24m 13s"),
        (3720, "1h 02m"),
        (-1, "0s"),
    ],
)
def test_durations_are_short(seconds: float | None, text: str) -> None:
    """Seconds matter for a minute, minutes for a day."""
    assert wording.duration(seconds) == text


# ---------------------------------------------------------------------------------------
# Plain lines


def test_a_log_gets_one_line_for_each_change() -> None:
    """Polling a hundred times must not print a hundred lines."""
    first = build("running", seconds=5, steps=[a_step("a", "running"), a_step("b", "pending")])
    again = build(
        "running", seconds=7, steps=[a_step("a", "running", percent=50), a_step("b", "pending")]
    )
    last = build(seconds=65, steps=[a_step("a"), a_step("b", scripted=True, pool="dev")])
    assert list(progress.changes(None, first)) == ["     5s  a  running"]
    assert list(progress.changes(first, again)) == []
    assert list(progress.changes(again, last)) == [
        " 1m 05s  a  succeeded in 1m 00s",
        " 1m 05s  pool dev: b  succeeded in 1m 00s (scripted)",
        " 1m 05s  build b1  succeeded",
    ]


def test_a_failed_step_says_why_in_the_log() -> None:
    """Whoever greps for failed wants the reason on that line."""
    failed = a_step("driver", "failed", error={"code": "Script", "message": "no such kernel"})
    [line] = progress.changes(None, build("running", steps=[failed]))
    assert line.endswith("driver  failed in 1m 00s: no such kernel")


# ---------------------------------------------------------------------------------------
# The live view


def test_a_frame_shows_steps_pools_percent_and_time() -> None:
    """One look tells what runs and how far it is."""
    steps = [
        a_step("docker"),
        a_step("driver", "running", percent=62, seconds=30, note="compiling"),
        a_step("create", "pending", pool="dev", seconds=None),
    ]
    frame = text_of(progress.picture(build("running", steps=steps, seconds=700), height=40))
    for told in (
        "build b1",
        "running",
        "11m 40s",
        "✓ docker",
        "driver",
        "62%",
        "compiling",
        "pool dev",
        "· ",
    ):
        assert told in frame


@pytest.mark.parametrize("height", [5, 8, 12, 40])
def test_a_frame_fits_the_screen_and_keeps_what_runs(height: int) -> None:
    """On a small terminal what is done gives way to what runs."""
    steps = [a_step(f"done{i}") for i in range(15)]
    steps += [a_step("now", "running"), *(a_step(f"later{i}", "pending") for i in range(9))]
    frame = text_of(progress.picture(build("running", steps=steps), height=height))
    assert len(frame.rstrip("\n").splitlines()) <= height
    assert "now" in frame


def test_unknown_states_are_shown_as_they_are() -> None:
    """A newer service may know states that this command does not."""
    strange = documents.Build.from_wire(a_build() | {"steps": [a_step("a", "hibernating")]})
    assert "?" in text_of(progress.picture(strange, height=20))
    assert "hibernating" in summary_of(strange)


def test_a_pipe_gets_lines_and_a_terminal_the_live_view() -> None:
    """Escape sequences have no place in a log file."""
    assert isinstance(progress.view(Console(file=io.StringIO())), progress.PlainView)
    terminal = Console(file=io.StringIO(), force_terminal=True, _environ={"TERM": "xterm"})
    assert isinstance(progress.view(terminal), progress.LiveView)


def test_the_live_view_draws_and_cleans_up() -> None:
    """After it ends, the screen belongs to the summary."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, _environ={"TERM": "xterm"})
    with progress.view(console) as view:
        view.show(build("running", steps=[a_step("docker", "running", percent=10)]))
        view.note("No answer, looking again")
    drawn = console.file.getvalue()  # type: ignore[attr-defined]
    assert "docker" in drawn
    assert "No answer" in drawn


# ---------------------------------------------------------------------------------------
# The summary


def test_the_summary_has_everything_a_person_wants_to_know() -> None:
    """Outcome, durations, image, pools, what was left, what next."""
    text = summary_of(
        build(
            steps=[a_step("docker", seconds=90), a_step("create", pool="dev")],
            image=an_image(),
            pools=[a_pool("dev")],
            leftovers=["/subscriptions/s/vm1"],
        )
    )
    for told in (
        "✓ docker",
        "1m 30s",
        "dev: create",
        an_image()["imageId"],
        "batch.node.ubuntu 24.04",
        "1.0.3",
        "Standard_NC4as_T4_v3",
        "/subscriptions/s/vm1",
        "Build b1 (full) succeeded in 24m 13s: image version 1.0.3, 1 pool.",
        "./batch-prep.sh builds show b1",
    ):
        assert told in " ".join(text.split()) or told in text
    assert "scripted" not in text


def test_a_summary_leads_nowhere_where_the_service_ends_with_the_command() -> None:
    """The logs are in its storage, which ends as well."""
    log = "http://127.0.0.1:1/step-logs/b1/install-1.err.log"
    shown = build(steps=[a_step("install", logUrl=log)])
    console = Console(file=io.StringIO(), width=100)
    summary.show(console, shown, stays=False)
    assert "b1/" not in console.file.getvalue()  # type: ignore[attr-defined]
    assert "Logs in http://127.0.0.1:1/step-logs/b1/: install-1.err.log" in summary_of(shown)


def test_what_was_not_really_executed_says_so_once() -> None:
    """The simulator's answers must not pass for a proof; the footnote explains the mark."""
    steps = [a_step("docker", scripted=True), a_step("driver", scripted=True)]
    text = summary_of(build(steps=steps, pools=[a_pool("dev", scripted=True)]))
    assert text.count("was not really executed") == 1
    docker = next(line for line in text.splitlines() if "docker" in line)
    assert docker.endswith("scripted")
    assert "yes, scripted" in text


def test_every_part_of_a_summary_that_was_not_really_executed_says_so() -> None:
    """A build that only makes pools has an image and pools of which no step of its own says it."""
    proof = {"check": "gpu", "verdict": "pass", "nodes": 1}
    pool = a_pool("dev", scripted=True, proofs=[proof])
    text = summary_of(build(steps=[], image=an_image(scripted=True), pools=[pool]))
    assert "its scripts scripted" in " ".join(text.split())
    assert "dev: gpu pass on 1 node, scripted" in text
    assert text.count("was not really executed") == 1


def test_a_step_says_what_of_it_really_ran_and_where() -> None:
    """A stand-in that ran half of a step is neither the real thing nor nothing."""
    half = {"scripted": True, "scriptedParts": ["kernel", "gpu"], "standIn": "debian 12"}
    whole = {"scripted": False, "scriptedParts": [], "standIn": "debian 12"}
    shown = build(steps=[a_step("check", **half), a_step("seal", **whole)])
    lines = list(progress.changes(None, shown))
    assert lines[0].endswith("succeeded in 1m 00s (on debian 12, scripted: kernel, gpu)")
    assert lines[1].endswith("succeeded in 1m 00s (on debian 12)")
    text = summary_of(shown)
    told = {line.split()[1]: line.strip() for line in text.splitlines() if "✓" in line}
    assert told["check"].endswith("on debian 12, scripted: kernel, gpu")
    assert told["seal"].endswith("on debian 12")
    assert text.count("really executed there") == 1


def test_a_failed_pool_and_its_checks_are_told() -> None:
    """Good pools stay, so the summary must tell them from bad ones."""
    checks = [
        {"id": "gpu", "status": "fail", "code": "NoGpu", "message": "nvidia-smi found none"},
        {"id": "docker", "status": "pass", "code": "", "message": "fine"},
    ]
    error = {
        "code": "VerificationFailed",
        "message": "1 check failed",
        "nextAction": "use a GPU size",
    }
    bad = a_pool("prod", state="failed", verified=False, checks=checks, error=error)
    text = summary_of(build("failed", pools=[a_pool("dev"), bad]))
    assert "prod: VerificationFailed: 1 check failed" in text
    assert "prod: check gpu fail: nvidia-smi found none" in text
    assert "Next: use a GPU size" in text
    assert "1 pool of 2" in text
    assert "check docker" not in text


def test_the_warnings_of_a_build_are_told() -> None:
    """Also where it succeeded: they say what may go wrong later."""
    warning = {"field": "image.os", "code": "SupportEnds", "message": "Batch ends its support"}
    text = summary_of(build("succeeded", warnings=[warning]))
    assert "  - image.os: Batch ends its support" in text


def test_each_check_of_a_pools_proof_has_a_line() -> None:
    """Verdict, how many nodes, how long, and what was seen as far as a line has room."""
    proofs = [
        {
            "check": "gpu", "verdict": "pass", "nodes": 2, "seconds": 3.2,
            "evidence": {"count": 1, "name": "Tesla T4", "digests": ["sha256:ab"]},
        },
        {"check": "check-1", "verdict": "fail", "nodes": 1, "evidence": {"exitCode": 3}},
    ]  # fmt: skip
    text = summary_of(build("succeeded", pools=[a_pool("dev", proofs=proofs, pending=["gpu"])]))
    assert "dev: gpu pass on 2 nodes in 3s (count 1, name Tesla T4)" in text
    assert "dev: check-1 fail on 1 node (exitCode 3)" in text
    assert "yes, not proved: gpu" in text


def test_markup_in_the_services_words_is_text() -> None:
    """An image named [red] must not paint the terminal."""
    text = summary_of(build("failed", error={"code": "X", "message": "[bold]careful[/bold]"}))
    assert "[bold]careful[/bold]" in text


def test_a_sparse_answer_can_still_be_shown() -> None:
    """What an older or newer service leaves out must not stop the watching."""
    sparse = documents.Build.from_wire({"buildId": "b", "steps": [{}], "pools": [{}], "error": "?"})
    assert "Build b" in summary_of(sparse)
    assert "build b" in text_of(progress.picture(sparse, height=10))


def test_a_table_breaks_sentences_and_no_names() -> None:
    """A name is there to be copied, also where the screen is narrow."""
    console = Console(file=io.StringIO(), width=80)
    name, id_ = "batchCustomImage-ubuntu-24.04-gpu", "a-very-long-name-" * 6
    why = "it is kept because a person has asked for that with keepVm in the request of the build"
    rows = [(name, id_, "2026-01-01 00:31:17", why)]
    tables.show(console, ("Image", "Resource", "Made", "Why"), rows, nothing="")

    out = console.file.getvalue()  # type: ignore[attr-defined]
    lines = [line.rstrip() for line in out.splitlines()]
    assert f"{name}   {id_}   2026-01-01 00:31:17   " in lines[2]
    assert len(lines) > 3
    words = " ".join(" ".join(line[len(name) + len(id_) + 28 :].split()) for line in lines[2:])
    assert words == why


def test_a_table_that_fits_is_as_wide_as_it_must_be() -> None:
    """A short one does not reach the edge."""
    console = Console(file=io.StringIO(), width=80)
    tables.show(console, ("A", "B"), [("one", True), ("two", None)], nothing="")
    out = console.file.getvalue()  # type: ignore[attr-defined]
    assert max(len(line) for line in out.splitlines()) < 20
