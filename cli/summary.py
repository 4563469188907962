"""The last page: the outcome, what was made, how long each step took, what is left, what next."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from cli import tables, wording
from cli.documents import Build, Detail, Error, Pool, Step
from cli.progress import SYMBOLS, execution, symbol

_SCRIPTED = (
    "scripted: answered by the simulator's table; the script behind it, or the part that is "
    "named, was not really executed."
)
_STAND_IN = (
    "on a system: really executed there, in a container that stands in for the virtual machine."
)
_NOTES = {"scripted": _SCRIPTED, "on ": _STAND_IN}
_SHORT = 60  # characters of a piece of evidence that a line has room for
_LINES = 10  # of what a machine printed last
_LINE = 300  # characters of each
_IMAGE_LABELS = {
    "galleryName": "gallery",
    "imageName": "image",
    "version": "version",
    "imageId": "id",
    "baseOs": "base OS",
    "architecture": "architecture",
    "nodeAgentSku": "node agent",
    "gpuEnabled": "GPU",
    "driverVersion": "NVIDIA driver",
    "dockerVersion": "Docker",
    "kernel": "kernel",
    "vmSize": "built on",
    "location": "location",
}


def show(
    console: Console,
    build: Build,
    *,
    files: Sequence[Path] = (),
    stays: bool = True,
    leads_to_show: bool = True,
) -> None:
    """Print the whole summary."""
    _show_steps(console, build.steps)
    _lines(console, _logs(build.steps) if stays else (), "dim")
    if build.image:
        console.print("\nImage", style="bold")
        facts_lines(console, image_facts(build.image))
    _show_pools(console, build.pools)
    footnotes(console, [*_all_execution(build)])
    show_warnings(console, build.warnings)
    if build.leftovers:
        console.print("\nLeft in Azure", style="bold")
        _lines(console, (f"  {left}" for left in build.leftovers))
    console.print()
    _lines(console, (f"Wrote {file}" for file in files), "dim")
    _lines(console, [headline(build)], "bold " + SYMBOLS.get(build.state, ("", ""))[1])
    _lines(console, _what_next(build, stays=stays, leads_to_show=leads_to_show))


def footnotes(console: Console, marks: Sequence[str]) -> None:
    """Print what the marks of results that are not the real thing mean; see wording.execution."""
    notes = [note for word, note in _NOTES.items() if any(word in mark for mark in marks)]
    _lines(console, ["", *notes] if notes else [], "dim")


def _all_execution(build: Build) -> Iterator[str]:
    yield from map(execution, build.steps)
    yield from (wording.execution_of(pool.metadata) for pool in build.pools)
    yield wording.execution_of(build.image or {})


def headline(build: Build) -> str:
    """`Build b1 (full) succeeded in 24m 10s: image 1.0.0, 3 pools of 3.`"""
    took = f" in {wording.duration(build.seconds)}" if build.seconds is not None else ""
    made = []
    if build.image:
        made.append(f"image version {build.image.get('version', '?')}")
    pools = [pool for pool in build.pools if pool.state != "deleted"]
    if pools:
        good = sum(not _is_bad(pool) for pool in pools)
        some_are_bad = f" of {len(pools)}" if good < len(pools) else ""
        made.append(wording.count(good, "pool") + some_are_bad)
    mode = f" ({build.mode})" if build.mode else ""
    return (
        f"Build {build.id}{mode} {build.state}{took}"
        + (": " + ", ".join(made) if made else "")
        + "."
    )


def image_facts(image: Mapping[str, Any]) -> dict[str, str]:
    """An image as labels and values, in the order a reader wants them."""
    facts = {}
    for key, label in _IMAGE_LABELS.items():
        if image.get(key) is not None:
            facts[label] = wording.value(image[key])
    if state := unusable(image):
        facts["state"] = state
    if how := wording.execution_of(image):
        facts["its scripts"] = how
    if image.get("pending"):
        facts["not proved"] = f"{' '.join(map(str, image['pending']))} (each pool proves it)"
    preloaded = [str(made.get("name")) for made in image.get("containerImages") or []]
    if preloaded:
        facts["preloaded"] = ", ".join(preloaded)
    return facts


def unusable(image: Mapping[str, Any]) -> str:
    """Why `latest` is not this version; empty where it may be."""
    if image.get("goneAt"):
        return "gone"
    return "withdrawn" if image.get("excludedFromLatest") else ""


def error_lines(error: Error) -> Iterator[str]:
    """An error in full: what happened, to what, Azure's words, where to look."""
    yield f"{error.code}: {error.message}" if error.code else error.message
    yield from _detail_lines(error.details)
    known = {
        "resource": error.resource,
        "Azure's code": error.azure_code,
        "Azure's request id": error.request_id,
        "log": error.log_url,
    }
    yield from (f"  {label}: {value}" for label, value in known.items() if value)


def _detail_lines(details: Iterable[Detail]) -> Iterator[str]:
    """Each problem, and below it what its machine printed last, but the same lines only once."""
    shown: set[tuple[str, ...]] = set()
    for detail in details:
        yield f"  - {detail.text}"
        if detail.log in shown:
            yield "      The same last lines."
        elif detail.log:
            yield "      Last lines:"
            yield from (f"        {_cut(line)}" for line in detail.log[-_LINES:])
            shown.add(detail.log)


def _cut(line: str) -> str:
    return line if len(line) <= _LINE else f"{line[:_LINE]} ..."


def proof_lines(pool: Mapping[str, Any]) -> Iterator[str]:
    """A line for each check of a pool's proof: verdict, how many nodes, time, what was seen."""
    how = wording.execution_of(pool)
    for proof in pool.get("proofs") or []:
        made = [f"{proof.get('check', '?')} {proof.get('verdict', '?')}"]
        if proof.get("nodes"):
            made.append(f"on {wording.count(int(proof['nodes']), 'node')}")
        if proof.get("seconds") is not None:
            made.append(f"in {wording.duration(proof['seconds'])}")
        seen = proof.get("evidence") or {}
        facts = ", ".join(f"{k} {wording.value(v)}" for k, v in seen.items() if _is_short(v))
        yield " ".join(made) + (f" ({facts})" if facts else "") + (f", {how}" if how else "")


def _is_short(value: object) -> bool:
    return isinstance(value, str | int | float) and len(str(value)) <= _SHORT


def _show_steps(console: Console, steps: Sequence[Step]) -> None:
    rows = []
    pools = ["", *dict.fromkeys(step.pool for step in steps if step.pool)]
    for step in sorted(steps, key=lambda step: pools.index(step.pool)):  # the build's own first
        name = f"{step.pool}: {step.name}" if step.pool else step.name
        remarks = ["" if step.state == "succeeded" else step.state, execution(step)]
        took = Text(wording.duration(step.seconds), justify="right")
        rows.append((symbol(step.state), name, took, Text(" ".join(filter(None, remarks)), "dim")))
    tables.show(console, ("", "Step", "Time", ""), rows, nothing="No step was taken.")


def _logs(steps: Iterable[Step]) -> Iterator[str]:
    """Where the logs of the scripts are: all of a build's are in one folder."""
    places = [step.log_url.rpartition("/") for step in steps if step.log_url]
    for folder in dict.fromkeys(folder for folder, _, _ in places):
        names = ", ".join(name for its, _, name in places if its == folder)
        yield f"\nLogs in {folder}/: {names}"


def _show_pools(console: Console, pools: Sequence[Pool]) -> None:
    if not pools:
        return
    console.print("\nPools", style="bold")
    rows = [
        (
            symbol("failed" if _is_bad(pool) else "succeeded"),
            *(pool.id, pool.state, pool.vm_size, pool.nodes),
            _verified(pool),
        )
        for pool in pools
    ]
    tables.show(console, ("", "Pool", "State", "Size", "Nodes", "Verified"), rows, nothing="")
    for pool in pools:
        _lines(console, (f"  {pool.id}: {line}" for line in proof_lines(pool.metadata)))
    _lines(console, _pool_problems(pools))


def _verified(pool: Pool) -> str:
    verdict = wording.value(pool.verified)
    if pool.pending:
        verdict += f", not proved: {' '.join(pool.pending)}"
    how = wording.execution_of(pool.metadata)
    return f"{verdict}, {how}" if how else verdict


def _is_bad(pool: Pool) -> bool:
    return pool.error is not None or pool.state == "failed"


def _pool_problems(pools: Sequence[Pool]) -> Iterator[str]:
    for pool in pools:
        if pool.error:
            lines = error_lines(pool.error)
            yield f"  {pool.id}: {next(lines)}"
            yield from (f"    {line}" for line in lines)
            if pool.error.next_action:
                yield f"    Next: {pool.error.next_action}"
        for check in pool.checks:
            if check.get("status") in {"fail", "warn"}:
                reason = check.get("message") or check.get("code") or ""
                place = f" on {check['node']}" if check.get("node") else ""
                yield f"  {pool.id}: check {check.get('id')} {check.get('status')}{place}: {reason}"


def _what_next(build: Build, *, stays: bool, leads_to_show: bool) -> Iterator[str]:
    """`stays`: whether the service is still there when this is read."""
    if build.error:
        yield from error_lines(_without_shown(build.error, build.pools))
    if build.error and build.error.next_action:
        yield f"Next: {build.error.next_action}"
    if not stays:
        return
    if build.resumable:
        yield f"Go on at the failed step: {wording.PROGRAM} builds resume {build.id}"
    if not build.is_over:
        yield f"Watch it: {wording.PROGRAM} builds watch {build.id}"
    elif leads_to_show:
        yield f"Look further: {wording.PROGRAM} builds show {build.id}"


def _without_shown(error: Error, pools: Sequence[Pool]) -> Error:
    """A build's error without what the errors of its pools have shown above it."""
    shown = {detail for pool in pools if pool.error for detail in pool.error.details}
    left = tuple(detail for detail in error.details if detail not in shown)
    return dataclasses.replace(error, details=left)


def show_warnings(console: Console, warnings: Sequence[str]) -> None:
    """Print the warnings of a plan, a build or a recipe."""
    if warnings:
        console.print("\nWarnings", style="bold")
    _lines(console, (f"  - {warning}" for warning in warnings), "yellow")


def facts_lines(console: Console, facts: Mapping[str, str]) -> None:
    """`label  value` lines; long ids are never broken, so that they can be copied."""
    width = max((len(label) for label in facts), default=0)
    _lines(console, (f"  {label.ljust(width)}  {value}" for label, value in facts.items()))


def _lines(console: Console, lines: Iterable[str], style: str = "") -> None:
    for line in lines:
        console.print(line, style=style, markup=False, soft_wrap=True)
