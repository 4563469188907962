"""Lists: pages, filters, order, and a list of builds that always finds back to the builds."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest

from local.functions_host.inline import Crash
from local.memory_tables import MemoryTable
from shared.base import names
from shared.model.requests import Mode
from shared.store import build_list
from tests.happened import world_in_which
from tests.world import World, a_pool, image_only, pools_only
from triggers import builds, changes, contexts, http, images, intake, pools
from triggers.route import Route
from triggers.routes import ROUTES

Json = dict[str, Any]
URL = "http://app/api/builds"


def listed(world: World, query: str = "", handler: http.Handler = builds.list_builds) -> Json:
    """GET of a list."""
    answer = world.ask(handler, url=f"{URL}?{query}")
    assert answer.status == 200, answer.body
    return answer.body


def ids(page: Json) -> list[str]:
    return [each["buildId"] for each in page["builds"]]


def one_of_seven(number: int) -> Json:
    return image_only(f"b{number}", name=f"image{number}")


def six(world: World) -> None:
    """Six builds, an hour apart: the even ones end well, the odd ones are cancelled."""
    for number in range(6):
        build = world.start(one_of_seven(number))
        if number % 2:
            world.ask(builds.cancel_build, id=build)
        world.engine.run_until_complete(build)
        world.engine.advance(3600)


@pytest.fixture
def seven() -> tuple[World, list[str]]:
    """These six, and a newer one that has only been accepted."""
    world = world_in_which(six)
    newest = world.start(one_of_seven(6))
    return world, [*(names.build_id(f"b{number}") for number in range(6)), newest]


def test_builds_of_the_same_second_are_in_order() -> None:
    """Their keys count milliseconds, newest first; a build without a time comes before all."""
    times = [None, "2026-01-01T00:00:01+00:00", "2026-01-01T00:00:00.002+00:00"]
    times += ["2026-01-01T00:00:00.001+00:00", "2025-12-31T23:59:59+00:00"]
    keys = [build_list.inverted(moment) for moment in times]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize("is_swept", [False, True])
def test_pages_show_every_build_once_newest_first(
    seven: tuple[World, list[str]], is_swept: bool
) -> None:
    """Before the first sweep of a deployment, whose builds have no list yet, and after it."""
    world, started = seven
    if is_swept:
        world.begin_sweep()
    for limit in (1, 2, 3, 7, 8, 1000):
        pages = [listed(world, f"limit={limit}")]
        while "nextLink" in pages[-1]:
            link = urlsplit(pages[-1]["nextLink"])
            assert link.geturl().startswith(f"{URL}?limit={limit}&")
            pages.append(listed(world, link.query))
        assert [len(page["builds"]) for page in pages[:-1]] == [limit] * (len(pages) - 1)
        assert [build for page in pages for build in ids(page)] == started[::-1]


@pytest.mark.parametrize("is_swept", [False, True])
def test_a_list_has_the_builds_of_one_state(seven: tuple[World, list[str]], is_swept: bool) -> None:
    """A build that was only accepted is shown as running, and is found as that."""
    world, started = seven
    if is_swept:
        world.begin_sweep()
    assert ids(listed(world, "state=running")) == [started[6]]
    assert ids(listed(world, "state=cancelled")) == [started[5], started[3], started[1]]
    assert listed(world, "state=failed") == {"builds": []}
    first = listed(world, "state=succeeded&limit=2")
    assert ids(first) == [started[4], started[2]]
    assert "state=succeeded" in first["nextLink"]
    assert ids(listed(world, urlsplit(first["nextLink"]).query)) == [started[0]]


def test_new_builds_do_not_shift_a_page(seven: tuple[World, list[str]]) -> None:
    """A page begins after a build, not after a number of builds."""
    world, started = seven
    first = listed(world, "limit=3")
    world.start(image_only("newest", name="newest"))
    assert ids(listed(world, urlsplit(first["nextLink"]).query)) == started[3::-1][:3]


def test_bad_parameters_are_refused_all_at_once(world: World) -> None:
    """With the name of each."""
    bad = "limit=0&state=odd&after=x"
    problems = world.ask(builds.list_builds, url=f"{URL}?{bad}").body["error"]["details"]
    assert [problem["field"] for problem in problems] == ["limit", "after", "state"]
    for handler in (images.list_images, pools.list_pools, intake.list_refused):
        for query in ("limit=1001", "limit=many", "limit=", "after=a/b", "after=%0a"):
            assert world.ask(handler, url=f"{URL}?{query}").status == 400, query
    answer = world.ask(builds.list_builds, url=f"{URL}?limit=1&code=key&state=running")
    assert answer.body == {"builds": []}


def test_images_pools_and_refused_messages_come_in_pages(built: World) -> None:
    """As builds do."""
    built.build(image_only("r2", name="second"))
    built.build(pools_only("r3", a_pool("one"), a_pool("two")))
    for number in range(3):
        built.deliver("no JSON", f"message-{number}")
    lists: list[tuple[http.Handler, str, str]] = [
        (images.list_images, "images", "imageName"),
        (pools.list_pools, "pools", "poolId"),
        (intake.list_refused, "refused", "messageId"),
    ]
    for handler, name, key in lists:
        whole = [each[key] for each in listed(built, "", handler)[name]]
        assert len(whole) == len(set(whole)) > 1
        page, found = listed(built, "limit=1", handler), []
        while True:
            found += [each[key] for each in page[name]]
            if "nextLink" not in page:
                break
            page = listed(built, urlsplit(page["nextLink"]).query, handler)
        assert found == whole
    of_none = listed(built, "account=other&limit=1", pools.list_pools)
    assert of_none == {"pools": []}


def test_a_page_follows_a_row_of_its_own_list(built: World) -> None:
    """A place in another list would skip rows without a sign."""
    built.build(image_only("r2", name="second"))
    built.build(pools_only("r3", a_pool("one"), a_pool("two")))
    for number in range(2):
        built.deliver("no JSON", f"message-{number}")
        built.records.note_change(f"2026-01-01T00:00:0{number}Z", "x", "y", caller=None, build=None)
    handlers: tuple[http.Handler, ...] = (
        builds.list_builds,
        images.list_images,
        pools.list_pools,
        intake.list_refused,
        changes.list_changes,
    )
    after = {h: urlsplit(listed(built, "limit=1", h)["nextLink"]).query for h in handlers}
    made_up = ("after=Cg", "after=AAo", "after=YQpi", "after=YnVpbGQKYg")
    for handler in handlers:
        for query in after.values():
            status = built.ask(handler, url=f"{URL}?{query}").status
            assert status == (200 if query == after[handler] else 400), (handler, query)
        cut_off = (after[handler][:-number] for number in range(1, 5))
        for query in (*made_up, *cut_off):
            assert built.ask(handler, url=f"{URL}?{query}").status == 400, (handler, query)
    place = after[pools.list_pools]
    assert len(listed(built, f"{place}&account=MYBATCH12345", pools.list_pools)["pools"]) == 1
    other = built.ask(pools.list_pools, url=f"{URL}?{place}&account=other").body["error"]
    assert [each["field"] for each in other["details"]] == ["after"]


@pytest.mark.parametrize("query", ["limit=1_0", "limit=1.0", "limit=%201", "limit=%2B1"])
def test_a_number_is_written_in_digits(world: World, query: str) -> None:
    """Python reads more as a number."""
    (problem,) = world.ask(builds.list_builds, url=f"{URL}?{query}").body["error"]["details"]
    assert problem["field"] == "limit"
    assert (
        problem == world.ask(builds.list_builds, url=f"{URL}?limit=x").body["error"]["details"][0]
    )


@pytest.mark.parametrize("account", ["", "%00", "a'b", "x" * 25])
def test_pools_are_listed_of_an_account_that_can_be(world: World, account: str) -> None:
    """An empty name would list the pools of all accounts."""
    answer = world.ask(pools.list_pools, url=f"{URL}?account={account}")
    assert [each["field"] for each in answer.body["error"]["details"]] == ["account"]


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_a_parameter_that_is_there_twice_is_refused(world: World, route: Route) -> None:
    """Either value could be the one that was meant. Their texts may be secret."""
    query = "limit=1&code=a%20b&limit=2&after=x&code=c&state="
    answer = world.ask(route.find_handler(), {}, url=f"{URL}?{query}")
    problems = answer.body["error"]["details"]
    assert answer.status == 400
    assert [(each["field"], each["code"]) for each in problems] == [
        ("limit", "InvalidValue"),
        ("code", "InvalidValue"),
    ]
    assert "a b" not in str(answer.body)


@pytest.mark.parametrize(
    ("handler", "name"),
    [
        *((builds.list_builds, name) for name in ("limit", "after", "state")),
        (pools.list_pools, "account"),
        (images.show_image, "resourceGroup"),
        (images.show_bill_of_materials, "resourceGroup"),
        (images.change_image, "resourceGroup"),
        (contexts.upload_context, "purpose"),
    ],
)
def test_a_parameter_has_a_value(world: World, handler: http.Handler, name: str) -> None:
    """An empty one is a mistake of the caller's, such as a variable that is not set."""
    place = {"gallery": "g", "name": "n", "version": "1.0.0"}
    body = {"excludeFromLatest": True}
    answer = world.ask(handler, body, url=f"{URL}?{name}=", **place)
    (problem,) = answer.body["error"]["details"]
    assert (answer.status, problem["field"]) == (400, name)
    assert "is empty" in problem["message"]


# -- the list and the builds ----------------------------------------------------------------------


def dying(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The process ends before it writes into the list of builds for the so-manieth time."""
    store, left = MemoryTable._store, [number]

    def write(self: MemoryTable, *args: Any) -> Any:
        left[0] -= self._name == "batchprepBuildList"
        if not left[0]:
            left[0] -= 1
            raise Crash
        return store(self, *args)

    monkeypatch.setattr(MemoryTable, "_store", write)


def test_a_repeated_request_repairs_the_list(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The app died between the two rows of a build."""
    world.begin_sweep()
    dying(monkeypatch, 1)
    with pytest.raises(Crash):
        world.start(image_only())
    assert listed(world) == {"builds": []}
    build = world.start(image_only())
    assert ids(listed(world)) == [build]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_sweep_repairs_the_list(
    world: World, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Whichever row of the list was not written: at the acceptance, the beginning or the end."""
    world.sweep()
    dying(monkeypatch, number)
    names = [image_only(f"r{n}", name=f"image{n}") for n in range(2)]
    for request in names:
        try:
            world.start(request)
        except Crash:
            continue
    try:
        world.engine.run_until_idle()
    except Crash:
        world.engine.run_until_idle()
    world.begin_sweep()
    world.engine.run_until_idle()
    world.begin_sweep()
    shown = listed(world)["builds"]
    assert [each["state"] for each in shown] == ["succeeded", "succeeded"]
    assert shown == [
        {name: built[name] for name in each}
        for each in shown
        if (built := world.show(each["buildId"]))
    ]


def test_a_withdrawn_request_leaves_the_list(world: World) -> None:
    """Another build has the image."""
    world.begin_sweep()
    first = world.start(image_only("r1"))
    assert world.ask(builds.start_build, image_only("r2")).status == 409
    assert ids(listed(world)) == [first]


def test_a_sweep_removes_the_row_of_a_build_that_is_gone(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The app died while it withdrew a request."""
    world.begin_sweep()
    first = world.start(image_only("r1"))
    delete, died = MemoryTable.delete_entity, []

    def dying_delete(self: MemoryTable, *args: Any, **options: Any) -> None:
        if self._name == "batchprepBuildList" and not died:
            died.append(1)
            raise Crash
        delete(self, *args, **options)

    monkeypatch.setattr(MemoryTable, "delete_entity", dying_delete)
    with pytest.raises(Crash):
        world.ask(builds.start_build, image_only("r2"))
    assert len(ids(listed(world))) == 2
    world.begin_sweep()
    assert ids(listed(world)) == [first]


def as_of_010(world: World) -> None:
    """Take away what version 0.1.0 did not write."""
    tables = world.table_service._tables
    tables.pop("batchprepBuildList")
    new = {"AcceptedAt", "Groups", "Context", "IsResumable", "HasLeftovers"}
    for row in tables["batchprepBuilds"]["build"].values():
        for column in new & row.keys():
            del row[column]


def test_builds_of_an_older_version_are_listed_and_cleaned_up(
    seven: tuple[World, list[str]],
) -> None:
    """They have no list, no moment of acceptance and none of the small columns."""
    world, started = seven
    world.engine.run_until_idle()
    as_of_010(world)
    older = listed(world, "limit=4")
    assert ids(older) == started[:2:-1]
    newest = world.build(image_only("newest", name="newest"))["buildId"]
    swept = world.sweep()
    assert swept.get("error") is None
    assert ids(listed(world)) == [newest, *started[::-1]]
    assert ids(listed(world, urlsplit(older["nextLink"]).query)) == started[2::-1]
    rows = world.table_service._tables["batchprepBuilds"]["build"]
    assert all("Groups" in row and "IsResumable" in row for row in rows.values())


def test_a_list_does_not_read_requests_and_outcomes(
    seven: tuple[World, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are what makes a build's row large."""
    world, started = seven
    read: list[str] = []
    query = MemoryTable.query_entities

    def watched(self: MemoryTable, *args: Any, **options: Any) -> Any:
        for row in query(self, *args, **options):
            read.extend(row)
            yield row

    monkeypatch.setattr(MemoryTable, "query_entities", watched)
    assert len(ids(listed(world))) == len(started)
    world.begin_sweep()
    assert len(ids(listed(world))) == len(started)
    assert world.records.builds()
    assert "Build" in read
    assert not {"Request", "Outcome"} & set(read)
    world.records.accept_build("b1", Mode.DELETE_POOL, {"account": "a", "pool": "p"}, "2026-01-01")
    assert list(world.records.pools_at_work()) == [("a", "p")]
