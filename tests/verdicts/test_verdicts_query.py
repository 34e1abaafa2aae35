"""From a question to the cheapest read."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from screentest.screening.records import Record
from screentest.screening.table import decode
from screentest.verdicts.query import Question, VerdictReader

Table = tuple[Any, str]


class Counting:
    """A client that tells which operations were called."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.called: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.called.append(name)
        return getattr(self._client, name)


def ask(table: Table, question: Question, limit: int = 0) -> tuple[list[str], list[str], list[str]]:
    """Keys, operations, remarks."""
    remarks: list[str] = []
    client = Counting(table[0])
    found = VerdictReader(client, table[1], remarks.append).read(question, limit)  # type: ignore[arg-type]
    return [record.ref.key.rpartition("/")[2] for record in found], client.called, remarks


def day(number: int) -> datetime:
    return datetime(2026, 1, number, tzinfo=UTC)


@pytest.mark.parametrize(
    ("question", "keys"),
    [
        (Question(), ["g.jpg", "e.jpg", "d.jpg", "c.jpg", "b.jpg", "a.jpg.bak", "a.jpg"]),
        (Question(verdicts=frozenset({"reject"})), ["c.jpg", "b.jpg"]),
        (Question(verdicts=frozenset({"reject", "error"})), ["e.jpg", "d.jpg", "c.jpg", "b.jpg"]),
        (Question(codes=("InvalidFile.",)), ["c.jpg", "b.jpg"]),
        (Question(codes=("InvalidFile.NoHuman", "Throttling")), ["d.jpg", "b.jpg"]),
        (Question(since=day(3), until=day(5)), ["c.jpg", "b.jpg"]),
        (Question(since=day(6)), ["g.jpg", "e.jpg"]),
        (Question(until=day(2)), ["a.jpg"]),
        (Question(models=frozenset({"emoji-detect-v1"})), ["g.jpg"]),
        (Question(address="s3://portraits/emo/", verdicts=frozenset({"pass"})), ["a.jpg.bak", "a.jpg"]),
    ],
)
def test_the_index_answers_newest_first(table: Table, question: Question, keys: list[str]) -> None:
    found, called, remarks = ask(table, question)
    assert found == keys
    assert "scan" not in called
    assert remarks == []


def test_words_of_the_table_are_understood(table: Table) -> None:
    assert ask(table, Question(models=frozenset({"emoji"})))[0] == ["g.jpg"]
    assert ask(table, Question(codes=("NoHuman",)))[0] == ["b.jpg"]


def test_an_object_is_read_from_its_own_partition(table: Table) -> None:
    found, called, remarks = ask(table, Question(address="s3://portraits/emo/1x1/a.jpg"))
    assert found == ["a.jpg"]
    assert called == ["query"]
    assert remarks == []


def test_what_is_no_object_is_a_prefix(table: Table) -> None:
    found, called, (remark,) = ask(table, Question(address="s3://portraits/emo/1x1/a.jp"))
    assert sorted(found) == ["a.jpg", "a.jpg.bak"]
    assert "scan" in called
    assert "reading the whole table" in remark


def test_what_is_undecided_is_in_no_index(table: Table) -> None:
    found, called, (remark,) = ask(table, Question(verdicts=frozenset({"pending"})))
    assert found == ["f.jpg"]
    assert "scan" in called
    assert "in no index" in remark


@pytest.mark.parametrize("question", [Question(), Question(verdicts=frozenset({"reject"}))])
def test_a_table_without_the_index_is_read_whole_and_said_so(plain_table: Table, question: Question) -> None:
    found, called, (remark,) = ask(plain_table, question)
    assert {"b.jpg", "c.jpg"} <= set(found)
    assert "scan" in called
    assert "no index by-verdict" in remark
    assert "make deploy" in remark


def test_a_limit_takes_the_newest_from_a_scan_too(plain_table: Table) -> None:
    found, _, _ = ask(plain_table, Question(verdicts=frozenset({"pass"})), limit=2)
    assert found == ["g.jpg", "a.jpg.bak"]


questions = st.builds(
    Question,
    address=st.sampled_from(
        ["", "s3://portraits/", "s3://portraits/emo/1x1/a.jpg", "s3://portraits/emoji/", "s3://x/"]
    ),
    verdicts=st.frozensets(st.sampled_from(["pass", "reject", "error", "pending"])),
    codes=st.lists(st.sampled_from(["InvalidFile.", "Throttling", "InvalidFile"]), max_size=2).map(tuple),
    models=st.frozensets(st.sampled_from(["emo-detect-v1", "emoji-detect-v1"])),
    since=st.none() | st.integers(1, 8).map(day),
    until=st.none() | st.integers(1, 8).map(day),
)


@given(question=questions, limit=st.integers(0, 4))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_way_of_reading_finds_the_same(
    table: Table, plain_table: Table, question: Question, limit: int
) -> None:
    """Index, partition and scan agree with a plain filter over all items."""
    everything = [Record.from_item(decode(item)) for item in table[0].scan(TableName=table[1])["Items"]]
    decided_only = not question.verdicts and not question.address
    expected = {
        record.ref.key.rpartition("/")[2]
        for record in everything
        if question.matches(record) and not (decided_only and record.result is None)
    }
    exact = {r.ref.key.rpartition("/")[2] for r in everything if r.ref.uri == question.address}
    if exact & expected:
        expected &= exact
    for where in (table, plain_table):
        found, _, _ = ask(where, question, limit)
        if where is plain_table and decided_only:
            found = [key for key in found if key != "f.jpg"]
        assert len(found) <= (limit or len(everything))
        assert set(found) <= expected
        if not limit:
            assert set(found) == expected
