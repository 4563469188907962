"""Whatever JSON a client sends: an answer in Azure's form, and no trace of what was refused."""

from __future__ import annotations

import copy
import dataclasses
import functools
import pickle
import re
from collections.abc import Iterator
from typing import Any

import good_requests
import hypothesis
import pytest
from batch_sandbox import BatchSandbox
from hypothesis import strategies as st

from local import clock
from local.azure_simulator import core, model, tokens

JUNK: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], [None], ["x"], [{}], {}, {"a": None}]
ARM, SERVICE = "https://management.azure.com/", "https://batch.core.windows.net/"


class Everything:
    """A world in which each kind of resource exists; it can be brought back as it was."""

    def __init__(self) -> None:
        world = self.world = good_requests.make_everything()
        self.tokens = {name: tokens.new_token(world.azure, name)[0] for name in (ARM, SERVICE)}
        for name in ("ip", "nat"):
            assert self.send(good_requests.of(world)[name]).status == 201
            self.advance()
        self._frozen = pickle.dumps(world.azure.store)

    def thaw(self) -> None:
        """As it was at first."""
        self.world.azure.store = pickle.loads(self._frozen)
        self.world.azure.settle()

    def advance(self) -> None:
        """Let everything happen that is still to come, within hours."""
        self.world.wait(6 * 3600)
        self.world.azure.settle()

    def send(self, asked: good_requests.Good) -> model.Response:
        is_service = not asked.path.startswith("/subscriptions")
        token = self.tokens[SERVICE if is_service else ARM]
        path = f"{asked.path}?api-version={'2025-06-01' if is_service else '2025-04-01'}"
        return self.world.send(asked.method, path, asked.body, token=token)

    def kept(self) -> str:
        """All resources, as text."""
        return repr(sorted(self.world.azure.store.everything(), key=lambda item: item.key))


@functools.cache
def everything() -> Everything:
    return Everything()


NAMES = sorted(good_requests.of(BatchSandbox()))


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every member and item, at any depth."""
    items = dict(enumerate(value)) if isinstance(value, list) else value
    for key, child in items.items() if isinstance(items, dict) else ():
        yield (*path, key)
        yield from places(child, (*path, key))


def spoil(body: Any, place: tuple[Any, ...], junk: Any) -> None:
    """Put junk in a place, or take out what is there (`...`); what is not there any more, stays."""
    *parents, last = place
    try:
        for key in parents:
            body = body[key]
        body[last] = copy.deepcopy(junk)
        if junk is ...:
            del body[last]
    except (IndexError, KeyError, TypeError):
        return


def check(name: str, spoilt: list[tuple[tuple[Any, ...], Any]]) -> None:
    """A refusal in Azure's form that left no trace, or an answer; and a life after it."""
    there = everything()
    there.thaw()
    good = good_requests.of(there.world)[name]
    body = copy.deepcopy(good.body)
    for place, junk in spoilt:
        spoil(body, place, junk)
    before = there.kept()

    answer = there.send(dataclasses.replace(good, body=body))

    if answer.status >= 400:
        error = answer.json()
        assert error.get("error", error)["code"], error
        assert there.kept() == before
    else:
        there.advance()


@pytest.mark.parametrize("name", NAMES)
def test_the_whole_body_is_accepted(name: str) -> None:
    """Otherwise what is spoilt below would be refused for another reason."""
    there = everything()
    there.thaw()

    assert there.send(good_requests.of(there.world)[name]).status < (
        405 if name == "nodes" else 300
    )


@pytest.mark.parametrize("name", NAMES)
@hypothesis.settings(max_examples=60)
@hypothesis.given(data=st.data())
def test_a_spoilt_body_is_refused_or_accepted_and_never_an_error_of_the_server(
    name: str, data: st.DataObject
) -> None:
    """Members that are missing, null or of another type."""
    found = st.sampled_from(list(places(good_requests.of(everything().world)[name].body)))
    pairs = st.tuples(found, st.sampled_from([..., *JUNK]))
    check(name, data.draw(st.lists(pairs, min_size=1, max_size=3)))


class Routes(core.Simulator):
    """A simulator that remembers its routes."""

    def route(self, method: str, template: str, *args: Any, **options: Any) -> None:
        vars(self).setdefault("routes", []).append((method, template))
        super().route(method, template, *args, **options)


ROUTES: list[tuple[str, str]] = Routes(clock=clock.VirtualClock(0)).routes  # type: ignore[attr-defined]
KNOWN = {
    "subscription": core.LOCAL_SUBSCRIPTION,
    "group": good_requests.GROUP,
    "location": good_requests.LOCATION,
    "account": good_requests.ACCOUNT,
    "namespace": "Microsoft.Compute",
    "scope": good_requests.SUBSCRIPTION[1:],
    "pool": "dev",
    "job": "job",
}
QUERIES = ("", "&$skiptoken=abc", "&$top=x", "&$filter=x", "&$skip=-1", "&maxresults=x")


@pytest.mark.parametrize("query", QUERIES)
def test_every_address_answers(query: str) -> None:
    """Whatever the query says, for resources that exist and for those that do not."""
    there = everything()
    existing = [item.id for item in there.world.azure.store.everything()]
    for method, template in ROUTES:
        path = re.sub(r"{(\w+)}", lambda found: KNOWN.get(found[1], "{}"), template)
        pattern = re.compile(re.escape(path).replace(r"\{\}", "[^/]+"), re.IGNORECASE)
        matching = [found[0] for each in existing if (found := pattern.match(each))]
        there.thaw()
        for address in {*matching[:1], path.replace("{}", "x")}:
            for token in there.tokens.values():
                url = f"{address}?api-version=2025-04-01{query}"
                assert there.world.send(method, url, token=token).status < 500
