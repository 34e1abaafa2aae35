"""The record and its stored form: what older versions wrote is read and written back to the byte."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from screentest.screening.models import ObjectRef
from screentest.screening.records import PUBLIC, Record, Result
from screentest.screening.table import decode, encode
from screentest.screening.telemetry import LOGGED
from screentest.verdicts.writing import COLUMNS

ITEMS: list[dict[str, Any]] = [
    json.loads(line) for line in Path(__file__).with_name("items.jsonl").read_text().splitlines()
]
"""Written by version 0.1.0 in its own tests: one for each set of attributes, verdict, tags, ratio and trigger."""


@pytest.mark.parametrize("item", ITEMS, ids=range(len(ITEMS)))
def test_an_item_survives_the_record_to_the_byte(item: dict[str, Any]) -> None:
    stored = encode(decode(encode(item)))  # DynamoDB writes 1.0 as 1
    assert encode(Record.from_item(decode(stored)).to_item()) == stored


def test_the_items_show_every_attribute() -> None:
    shown = {name for item in ITEMS for name in item}
    assert shown - {"of_a_later_version"} == {
        *PUBLIC,
        *("object", "screening", "lease_until", "deaths", "cause_code", "cause_message"),
    }


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


def test_log_line_and_columns_name_attributes_of_the_record() -> None:
    assert set(LOGGED) <= set(PUBLIC)
    assert set(COLUMNS) == set(PUBLIC) - {"sequencer", "image_count", "expires_at", "measured"}
