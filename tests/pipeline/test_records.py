"""The record and its stored form: what older versions wrote is read and written back to the byte."""

from __future__ import annotations

import ast
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import pytest

from screentest.screening.models import ObjectRef
from screentest.screening.records import Attribute, Record, Result
from screentest.screening.table import decode, encode
from screentest.screening.telemetry import LOGGED
from screentest.stack import REPOSITORY
from screentest.verdicts.writing import COLUMNS

ITEMS: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("items.jsonl").read_text().splitlines()
]
"""Written by version 0.1.0 in its own tests: one for each set of attributes, verdict, tags, ratio and trigger."""

KEY = {Attribute.OBJECT, Attribute.SCREENING}
CLAIM = {
    Attribute.LEASE_UNTIL,
    Attribute.CRASHES,
    Attribute.CAUSE_CODE,
    Attribute.CAUSE_MESSAGE,
    Attribute.ANSWER,
    Attribute.IS_RETRIED,
}
PUBLIC = set(Attribute) - KEY - CLAIM
"""What others than the claim rules read (docs/notifications.md)."""

LAYER = "layers/screening/screentest/screening"
EVENT = {"bucket", "etag", "key", "object", "sequencer", "size"}
WIRE = {"code", "ext_bbox", "face_bbox", "image_count", "message", "model", "ratio", "request_id"}
ROUTE = {"model", "ratio"}
HEADINGS = {"code", "model", "object", "ratio", "verdict"}
LOG = {"key", "request_id", "retried", "screening"}
PAGE = {"attempts", "code", "detector", "key", "message", "model", "ratio", "tags", "trigger", "verdict"}
OTHER_WORDS = {
    f"{LAYER}/backfill.py": EVENT,
    f"{LAYER}/contract.py": WIRE,
    f"{LAYER}/events.py": EVENT,
    f"{LAYER}/families.py": WIRE,
    f"{LAYER}/routes.py": ROUTE,
    f"{LAYER}/screen.py": {"request_id"},  # of an exception
    f"{LAYER}/tags.py": {"code"},  # part of a tag's name
    f"{LAYER}/telemetry.py": LOG,
    f"{LAYER}/uploads.py": WIRE | {"key", "verdict", "version_id"},
    "screentest/backfill/estimate.py": {"measured"},  # of an estimate
    "screentest/demo/run.py": HEADINGS | LOG,
    "screentest/doctor/checks.py": {
        "bucket",
        "code",
        "detector",
        "model",
    },  # names of checks, words of errors
    "screentest/page/verdicts.py": PAGE,
    "screentest/reports/command.py": {"screening"},  # a noun
    "screentest/verdicts/screening.py": EVENT,
    "screentest/verdicts/writing.py": HEADINGS,
}
"""Of modules that read records: strings that are spelled like an attribute and name a part of something else."""

MODULES = sorted(
    file.relative_to(REPOSITORY)
    for folder in ("functions", LAYER, "screentest")
    for file in (REPOSITORY / folder).rglob("*.py")
    if file != REPOSITORY / LAYER / "records.py"
)


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_an_item_survives_the_record_to_the_byte(item: dict[str, Any]) -> None:
    stored = encode(decode(encode(item)))  # DynamoDB writes 1.0 as 1
    assert encode(Record.from_item(decode(stored)).to_item()) == stored


def test_the_items_show_every_attribute() -> None:
    shown = {name for item in ITEMS for name in item}
    assert shown - {"of_a_later_version"} == set(Attribute) - {"answer", "retried"}  # of later versions


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_decided_is_a_result_without_a_lease_and_nothing_of_the_claim(item: dict[str, Any]) -> None:
    record = Record.from_item(item)
    assert record.is_decided is ("verdict" in item and "lease_until" not in item)
    decided = record.decided(Result.of_error("Timeout", "no answer", now=1_795_250_000.0))
    assert decided.is_decided
    kept = {field.name for field in dataclasses.fields(ObjectRef)} | {"object", "screening", "model", "ratio"}
    known = kept | {"attempts", "expires_at", "of_a_later_version"}
    assert decided.to_item().keys() - known == {"verdict", "code", "message", "screened_at"}


def test_a_record_needs_no_more_than_its_key() -> None:
    record = Record.from_item({"object": "s3://uploads/emo/3x4/a b.jpg", "screening": "emo-detect-v1#3x4#v1"})
    assert record.ref == ObjectRef("uploads", "emo/3x4/a b.jpg", "v1")
    assert (record.screening.model, record.screening.ratio) == ("emo-detect-v1", "3:4")
    assert not record.is_decided


@pytest.mark.parametrize(
    "stored",
    [
        {"value": 50.3, "limit": "at most 25"},
        {"rule": "head tilted", "value": 50.3, "limit": "at most 25", "of_a_later_version": 1},
        {},
    ],
)
def test_what_decided_is_never_what_makes_an_item_unreadable(stored: dict[str, Any]) -> None:
    item = {
        "object": "s3://uploads/emo/1x1/a.jpg",
        "screening": "emo-detect-v1#1x1#v1",
        "verdict": "reject",
        "screened_at": "2026-11-21T09:55:14.002Z",
        "measured": stored,
    }
    result = Record.from_item(item).result
    assert result is not None
    assert (result.measured.rule if result.measured else None) == stored.get("rule")


def test_log_line_and_columns_name_attributes_of_the_record() -> None:
    assert set(LOGGED) <= PUBLIC
    assert set(COLUMNS) == PUBLIC - {"sequencer", "image_count", "expires_at", "measured"}


def test_the_names_are_those_of_the_fields() -> None:
    of_fields = {field.name for of in (ObjectRef, Result) for field in dataclasses.fields(of)}
    assert of_fields <= PUBLIC
    assert PUBLIC - of_fields == {"model", "ratio", "attempts", "expires_at"}


@pytest.mark.parametrize("module", MODULES, ids=str)
def test_no_attribute_is_named_by_a_string_outside_the_record_module(module: Path) -> None:
    source = (REPOSITORY / module).read_text()
    strings = {node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)}
    reads_records = re.search(r"screening\.(records|table) import|screening import .*records", source)
    elsewhere = OTHER_WORDS.get(
        str(module), set() if reads_records else EVENT | WIRE | PAGE | LOG | {"answer", "measured"}
    )
    assert strings & set(map(str, Attribute)) <= elsewhere
