"""The tables in memory and the real table service tell the same stories."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from local.memory_tables import MemoryTableService
from shared.base.errors import Failure
from shared.model.outcomes import BuildOutcome
from shared.model.requests import Mode
from shared.store.builds import StepMark
from shared.store.records import Records
from shared.store.tables import Row, Tables, TooLong

NOW = "2026-01-01T00:00:00.000000Z"


@pytest.fixture(params=["memory", pytest.param("azurite", marks=pytest.mark.stack)])
def tables(request: pytest.FixtureRequest) -> Iterator[Tables]:
    """Fresh tables of either kind."""
    from azure.data.tables import TableServiceClient

    if request.param == "memory":
        yield Tables(MemoryTableService())  # type: ignore[arg-type]
        return
    account = request.getfixturevalue("storage_account")
    with TableServiceClient.from_connection_string(account.connection) as service:
        yield Tables(service)


def test_a_row_is_made_once(tables: Tables) -> None:
    """Inserting is how names are claimed."""
    assert tables.insert("things", "p", "r", {"A": 1})
    assert not tables.insert("things", "p", "r", {"A": 2})
    row = tables.get("things", "p", "r")
    assert row is not None
    assert row["A"] == 1


def test_writing_keeps_the_columns_it_does_not_name(tables: Tables) -> None:
    """A step's note must not wipe out its start."""
    tables.put("things", "p", "r", {"A": 1, "B": "x"})
    tables.put("things", "p", "r", {"A": 2})
    row = tables.get("things", "p", "r")
    assert row is not None
    assert (row["A"], row["B"]) == (2, "x")


def test_only_the_row_that_was_read_is_replaced(tables: Tables) -> None:
    """Two takers of one claim: one of them loses."""
    tables.insert("things", "p", "r", {"A": 1})
    seen = tables.get("things", "p", "r")
    assert seen is not None
    assert tables.replace("things", seen, {"A": 2})
    assert not tables.replace("things", seen, {"A": 3})
    tables.remove("things", "p", "r")
    assert not tables.replace("things", seen, {"A": 4})


def test_absent_rows_and_tables_are_no_error(tables: Tables) -> None:
    """Nothing has to be set up before the first request."""
    assert tables.get("nothing", "p", "r") is None
    assert tables.query("nothing", "p") == []
    assert tables.scan("nothing") == []
    tables.remove("nothing", "p", "r")


def test_a_partition_is_read_in_the_order_of_its_keys(tables: Tables) -> None:
    """The newest image version comes first because its key sorts first."""
    for row in ("b", "a", "c"):
        tables.put("things", "p'1", row, {"A": row})
    tables.put("things", "other", "d", {"A": "d"})
    assert [r.key for r in tables.query("things", "p'1")] == ["a", "b", "c"]
    assert len(tables.scan("things")) == 4


def test_the_service_picks_rows_and_columns(tables: Tables) -> None:
    """A list of small columns does not carry the large ones; a quote in a value is only a quote."""
    tables.put("things", "p", "a", {"State": "new", "Large": {"text": "x" * 40_000}})
    tables.put("things", "p", "b", {"State": "it's", "Small": True})
    tables.put("things", "p", "c", {"Small": False})
    tables.put("things", "q", "d", {"State": "new"})
    states = {"State": ["new", "it's"]}
    assert [r.key for r in tables.query("things", "p", among=states)] == ["a", "b"]
    found = tables.query("things", "p", among={"State": ["it's"]}, select=["Small", "State"])
    assert found == [{"PartitionKey": "p", "RowKey": "b", "Small": True, "State": "it's"}]
    assert tables.replace("things", found[0], {"State": "old"})
    narrow = tables.get("things", "p", "a", select=["State", "NoSuchColumn"])
    assert narrow == {"PartitionKey": "p", "RowKey": "a", "State": "new"}
    assert tables.query("things", "p", among={"State": ["' or PartitionKey eq 'q"]}) == []
    assert tables.query("nothing", "p", among=states) == []


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 5, 6])
def test_pages_together_are_the_whole(tables: Tables, limit: int) -> None:
    """Every row is on one page, in the order of the keys, of one partition and of the table."""
    places = [("p", "a"), ("p", "b"), ("p", "c"), ("q", "a"), ("q", "d")]
    for number, place in enumerate(places):
        tables.put("things", *place, {"State": "odd" if number % 2 else "even"})

    def pages(partition: str | None, **among: list[str]) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        after = None
        while True:
            rows, after = tables.page(
                "things", partition, limit=limit, after=after, among=among or None
            )
            assert 0 < len(rows) <= limit
            found += [(r["PartitionKey"], r.key) for r in rows]
            if after is None:
                return found
            assert len(rows) == limit

    assert pages(None) == places
    assert pages("p") == places[:3]
    assert pages(None, State=["even"]) == [places[0], places[2], places[4]]
    assert tables.page("things", "none", limit=limit) == ([], None)


def test_a_page_has_up_to_a_thousand_rows(tables: Tables) -> None:
    """The service answers with no more than that at once."""
    for number in range(3):
        tables.put("things", "p", f"{number}", {})
    rows, after = tables.page("things", "p", limit=1000)
    assert (len(rows), after) == (3, None)


def test_long_values_go_on_in_further_columns(tables: Tables) -> None:
    """An outcome of a hundred pools is longer than one column may be, and shrinks again later."""
    long = {"text": "ä" * 70_000, "list": [1, 2]}
    tables.put("things", "p", "r", {"Value": long})
    row = tables.get("things", "p", "r")
    assert row is not None
    assert row["Value"] == long
    tables.put("things", "p", "r", {"Value": {"short": True}})
    row = tables.get("things", "p", "r")
    assert row is not None
    assert row["Value"] == {"short": True}
    with pytest.raises(TooLong):
        tables.put("things", "p", "r", {"Value": {"text": "x" * 1_000_000}})


def test_a_column_and_a_row_are_measured_in_utf16(tables: Tables) -> None:
    """An emoji counts twice, as Azure counts it."""
    emoji = {"text": "\U0001f600" * 70_000}
    tables.put("things", "p", "emoji", {"Value": emoji})
    row = tables.get("things", "p", "emoji")
    assert row is not None
    assert row["Value"] == emoji
    with pytest.raises(TooLong):
        tables.put("things", "p", "r", {"Value": {"text": "\U0001f600" * 300_000}})
    with pytest.raises(TooLong):
        tables.put("things", "p", "r", {"A": {"t": "x" * 300_000}, "B": {"t": "x" * 300_000}})


def test_a_claim_belongs_to_one_build_while_it_runs(tables: Tables) -> None:
    """The lock of an image is a row; it falls to the next build when its holder has ended."""
    records = Records(tables)
    records.accept_build("b1", Mode.IMAGE_ONLY, {}, NOW)
    assert records.claim("image", "g|i", "b1") == "b1"
    assert records.claim("image", "g|i", "b2") == "b1"
    records.end_build(BuildOutcome(build_id="b1", state="failed"), NOW)
    assert records.claim("image", "g|i", "b2") == "b2"
    records.release("image", "g|i", "b1")
    assert records.holder("image", "g|i") == "b2"
    records.release("image", "g|i", "b2")
    assert records.holder("image", "g|i") is None
    assert records.claim("image", "g|i", "b3") == "b3"


def test_version_numbers_are_given_once(tables: Tables) -> None:
    """Two builds at once never get the same number, and one build always gets its own again."""
    records = Records(tables)
    assert records.claim_version("i", "b1", None, ["1.0.0"]) == "1.0.1"
    assert records.claim_version("i", "b2", None, ["1.0.0"]) == "1.0.2"
    assert records.claim_version("i", "b1", None, ["1.0.0", "1.0.1"]) == "1.0.1"
    assert records.claim_version("i", "b3", "1.0.2", ["1.0.0"]) is None
    assert records.claim_version("i", "b4", "2.0.0", ["1.0.0"]) == "2.0.0"


def test_a_step_is_recorded_from_start_to_failure(tables: Tables) -> None:
    """What a person sees while waiting."""
    records = Records(tables)
    mark = StepMark(build="b1", name="driver", started_at=NOW, typical=240)
    records.mark_step(mark, NOW, {"state": "wait", "note": "the script is running"})
    failure = Failure(code="ScriptFailed", message="no").to_wire()
    records.mark_step(mark, NOW, {"state": "failed", "error": failure})
    step = records.steps("b1")[0]
    assert (step.key, step["State"], step["Error"]["code"]) == ("driver", "failed", "ScriptFailed")


def test_only_the_row_that_was_read_is_removed(tables: Tables) -> None:
    """A request is withdrawn, unless somebody has cancelled or accepted it meanwhile."""
    made = tables.insert("things", "p", "r", {"A": 1})
    assert made is not None
    assert tables.replace("things", made, {"A": 2})
    assert not tables.remove_seen("things", made)
    seen = tables.get("things", "p", "r")
    assert seen is not None
    assert seen["A"] == 2
    assert tables.remove_seen("things", seen)
    assert not tables.replace("things", seen, {"A": 3})
    assert tables.get("things", "p", "r") is None
    tables.remove_seen("things", seen)


def test_a_change_needs_a_row_and_sees_the_newest(tables: Tables) -> None:
    """However many other writers come between."""
    assert not tables.update("things", "p", "r", lambda _: {"A": 1})
    tables.insert("things", "p", "r", {"A": 1})
    others = [5]

    def change(row: Row) -> dict | None:
        if others:
            tables.put("things", "p", "r", {"A": others.pop()})
        return {"A": row["A"] + 1} if row["A"] < 6 else None

    assert tables.update("things", "p", "r", change)
    assert not tables.update("things", "p", "r", change)
    row = tables.get("things", "p", "r")
    assert row is not None
    assert row["A"] == 6
