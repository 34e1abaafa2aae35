"""Tables that fit, JSON lines that parse, CSV that no spreadsheet executes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from support.screening import record

from screentest.display import duration, printable
from screentest.screening.records import Item, Record
from screentest.screening.table import decode, encode
from screentest.verdicts import writing

Table = tuple[Any, str]
Run = Callable[..., Any]

keys = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=300)


SHOWN = Path(__file__).with_name("shown")
"""What version 0.1.0 made of the items of tests/pipeline/items.jsonl."""


@pytest.fixture(scope="module")
def items() -> list[Item]:
    lines = (Path(__file__).parents[1] / "pipeline" / "items.jsonl").read_text().splitlines()
    return [decode(encode(json.loads(line))) for line in lines]


def test_json_lines_are_what_is_stored_to_the_byte_and_its_words(items: list[Item]) -> None:
    out = io.StringIO()
    assert writing.write_json(zip(map(Record.from_item, items), items, strict=True), out) == len(items)
    for line, item in zip(out.getvalue().splitlines(), items, strict=True):
        words = {name: value for name, value in json.loads(line).items() if name in {"title", "advice"}}
        assert line == json.dumps(item | words, ensure_ascii=False, separators=(",", ":"))
        assert bool(words) is ("verdict" in item)
        if item.get("code") == "InvalidFile.NoHuman":
            assert words["title"] == "No person with a visible face was found"


def test_a_csv_file_stays_as_it_was_to_the_byte(items: list[Item]) -> None:
    out = io.StringIO(newline="")
    writing.write_csv(map(Record.from_item, items), out)
    assert out.getvalue() == (SHOWN / "verdicts.csv").read_bytes().decode()


@pytest.mark.parametrize("width", [60, 80, 140])
def test_a_table_stays_as_it_was_to_the_byte(items: list[Item], width: int) -> None:
    out = io.StringIO()
    writing.write_table(map(Record.from_item, items), Console(file=out, width=width, highlight=False))
    assert out.getvalue() == (SHOWN / f"table-{width}.txt").read_text()


@given(key=keys | st.builds(str.__add__, st.sampled_from("=+-@\t\r\n＝＋－＠"), keys), code=keys)
def test_no_cell_is_a_formula_and_nothing_is_lost(key: str, code: str) -> None:
    out = io.StringIO(newline="")
    rejected = record(key=key, code=code, verdict="reject", face_bbox=[1, 2, 3, 4])
    assert writing.write_csv([rejected], out) == 1
    header, row = csv.reader(io.StringIO(out.getvalue(), newline=""))
    assert header == list(writing.COLUMNS)
    for name, given_ in (("key", key), ("code", code)):
        cell = row[header.index(name)]
        assert len(cell) == 1 or not cell.startswith(tuple("=+-@\t\r\n＝＋－＠"))
        assert cell.removeprefix("'") == given_.removeprefix("'")
    assert row[header.index("face_bbox")] == "1 2 3 4"


@given(key=keys, width=st.sampled_from([40, 60, 80, 120, 200]))
def test_a_table_fits_and_a_key_has_no_power_over_the_terminal(key: str, width: int) -> None:
    rejected = record(
        key=key,
        verdict="reject",
        code="InvalidFile.FacePose",
        model="animate-anyone-detect-gen2",
        ratio="-",
        screened_at="2026-01-03T00:00:00.000Z",
    )
    out = io.StringIO()
    assert writing.write_table([rejected], Console(file=out, width=width, highlight=False)) == 1
    lines = out.getvalue().split("\n")
    assert max(map(cell_len, lines)) <= width
    assert "\x1b" not in out.getvalue()
    assert "FacePose" in out.getvalue()
    assert len(lines) == 3, "a heading, one line, and its end"


def test_a_pass_shows_its_boxes() -> None:
    head = record(verdict="pass", face_bbox=[1, 2, 3, 4], ext_bbox=[0, 0, 9, 9])
    figure = record(verdict="pass", body_style="full")
    for width, said in ((80, "1 2 3 4 "), (120, "1 2 3 4 / 0 0 9 9")):
        out = io.StringIO()
        writing.write_table([head, figure], Console(file=out, width=width))
        assert said in out.getvalue()
        assert "full body" in out.getvalue()


@given(st.text(max_size=100))
def test_printable_text_is_one_harmless_line(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable() or all(c.isprintable() or c.isspace() for c in shown)
    assert not set(shown) & {"\n", "\r", "\x1b", "\u202e", "\u2028"}


@given(st.text(st.characters(categories=["L", "N", "P"]), max_size=50))
def test_ordinary_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "1 s"),
        (59.2, "1 min"),
        (200, "3 min 20 s"),
        (7500, "2 h 5 min"),
        (273_600, "3 d 4 h"),
        (86_400 * 1500, "1,500 d"),
    ],
)
def test_spans_of_time(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_json_lines_are_the_items(table: Table, run_cli: Run) -> None:
    result = run_cli("--table", table[1], "--verdict", "reject", "--json")
    assert result.exit_code == 0
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["code"] for line in lines] == ["InvalidFile.FacePose", "InvalidFile.NoHuman"]
    assert result.stderr == ""


def test_csv_has_a_header_even_when_empty(table: Table, run_cli: Run) -> None:
    result = run_cli("--table", table[1], "--code", "Nothing", "--format", "csv")
    assert result.stdout.splitlines() == [",".join(writing.COLUMNS)]
    assert "no verdict matches" in result.stderr


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_a_terminal_of_any_width(table: Table, run_cli: Run, columns: int) -> None:
    result = run_cli("--table", table[1], columns=columns)
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= columns
    assert result.stdout.count("emo 1x1") == 6


def test_a_cut_table_says_so(table: Table, run_cli: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "--limit 0 shows all" not in run_cli("--table", table[1]).stderr
    result = run_cli("--table", table[1], "--limit", "2")
    assert result.stdout.count("s3://") == 2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["portraits"], "s3://BUCKET/PREFIX"),
        (["--since", "2026-02-01", "--until", "2026-01-01"], "--since is not before --until"),
        (["--verdict", "pass", "--code", "Throttling"], "only rejections and errors have a code"),
        (["--table", "no-such-table"], "cannot describe the table no-such-table"),
    ],
)
def test_what_cannot_be_answered_says_what_to_do(run_cli: Run, arguments: list[str], words: str) -> None:
    result = run_cli(*arguments)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert words in result.stderr
    assert len(result.stderr.splitlines()) == 1
