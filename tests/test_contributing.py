"""The recipes of CONTRIBUTING.md fit the files that they change."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from tests.test_architecture import FILE_LINES_MAX

ROOT = Path(__file__).resolve().parent.parent
RECIPES = dict(
    recipe.split("\n", maxsplit=1)
    for recipe in (ROOT / "CONTRIBUTING.md").read_text().split("\n## Recipe: ")[1:]
)
NUMBERS = {"ten": 10}


@dataclasses.dataclass(frozen=True)
class Block:
    """What a step shows: the words before it, the kind of the block, and its lines."""

    words: str
    kind: str
    lines: list[str]

    @property
    def shown(self) -> str:
        """The lines that the file has already."""
        return "\n".join(line[1:] for line in self.lines if line[0] in " -")

    @property
    def grows_by(self) -> int:
        """The lines that a file gets, with the blank ones before a function."""
        if self.kind == "diff":
            return sum({"+": 1, "-": -1}.get(line[0], 0) for line in self.lines)
        return len(self.lines) + 2 * self.lines[0].startswith("def ")


@dataclasses.dataclass(frozen=True)
class Step:
    """A numbered step: the files that it begins with, and its blocks."""

    files: list[str]
    is_new: bool
    blocks: list[Block]

    def __str__(self) -> str:
        return self.files[0]


def steps_of(recipe: str) -> list[Step]:
    """The steps, in order."""
    found = []
    for text in re.split(r"^\d+\. ", RECIPES[recipe], flags=re.MULTILINE)[1:]:
        head = re.match(r"`[^`]+`(?: and `[^`]+`)*", text)
        assert head, text
        is_new = "a new file" in text.splitlines()[0]
        found.append(Step(re.findall("`([^`]+)`", head[0]), is_new, blocks_of(text)))
    return found


def blocks_of(text: str) -> list[Block]:
    """Every second piece between fences is a block; its indentation is that of its fence."""
    pieces = re.split(r"^( *)```(.*)\n", text, flags=re.MULTILINE)
    found = []
    for at in range(0, len(pieces) - 6, 6):
        words, indent, kind, body = pieces[at : at + 4]
        lines = [line.removeprefix(indent) for line in body.splitlines()]
        found.append(Block(words.strip().split("\n\n")[-1], kind, lines))
    return found


WITH_STEPS = [recipe for recipe in RECIPES if steps_of(recipe)]
STEPS = [
    pytest.param(step, id=f"{recipe}-{step}") for recipe in WITH_STEPS for step in steps_of(recipe)
]


@pytest.mark.parametrize("recipe", WITH_STEPS)
def test_a_recipe_counts_its_files(recipe: str) -> None:
    """A reader who has followed it looks at as many files."""
    counted = re.search(r"touches\s+(\w+)\s+files", RECIPES[recipe])
    assert counted
    files = {file for step in steps_of(recipe) for file in step.files}
    assert len(files) == NUMBERS.get(counted[1]) or str(len(files)) == counted[1]


@pytest.mark.parametrize("step", STEPS)
def test_a_step_names_a_file_that_is_there(step: Step) -> None:
    """Or one that is not there yet."""
    assert [(ROOT / file).exists() for file in step.files] == [not step.is_new] * len(step.files)


@pytest.mark.parametrize("step", [p for p in STEPS if not p.values[0].is_new])
def test_what_a_step_shows_of_a_file_is_in_it(step: Step) -> None:
    """The lines that it keeps or replaces, and the places that it names."""
    text = (ROOT / step.files[0]).read_text()
    for block in step.blocks:
        if block.kind == "diff":
            assert f"\n{text}".count(f"\n{block.shown}\n") == 1, block.shown
        for place in re.findall(r"\b(?:[Ii]n|[Bb]elow|[Bb]efore)(?: \w+){,2} `(.+?)`", block.words):
            assert place in text, place


@pytest.mark.parametrize("step", [p for p in STEPS if str(p.values[0]).endswith(".py")])
def test_a_file_has_room_for_what_a_recipe_adds(step: Step) -> None:
    """Else the recipe cannot be followed: the file is to be split, by subject."""
    file = step.files[0]
    lines = 0 if step.is_new else len((ROOT / file).read_text().splitlines())
    after = lines + sum(block.grows_by for block in step.blocks)
    assert after <= FILE_LINES_MAX[file.partition("/")[0]], f"{file}: {lines} would be {after}"


def test_these_checks_are_not_vacuous() -> None:
    """The recipes have steps, steps have blocks, and blocks show lines and name places."""
    steps = [step for recipe in WITH_STEPS for step in steps_of(recipe)]
    blocks = [block for step in steps for block in step.blocks]
    assert len(WITH_STEPS) == 2
    assert all(step.blocks for step in steps if not step.files[0].endswith(".json"))
    assert sum(block.kind == "diff" for block in blocks) >= 4
    assert sum(block.grows_by for block in blocks) > 100
