"""`screentest report` over a table and a bucket: pictures as they were screened, and why some are missing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from page.page_bench import BUCKET, TABLE, Bench
from support.screening import record
from typer.testing import CliRunner

from screentest.cli.report import app
from screentest.demo import pictures
from screentest.reports import stored
from screentest.screening.models import ObjectRef, Screening
from screentest.screening.records import Record

pytestmark = pytest.mark.stack

EMO = Screening.of("emo-detect-v1", "3:4")
PREFIX = "emo/3x4/reported/"


@pytest.fixture(scope="module")
def uploads(bench: Bench) -> dict[str, ObjectRef]:
    refs = {
        name: bench.put(f"{PREFIX}{name}.jpg", pictures.data("calm_face")) for name in ("kept", "gone", "old")
    }
    for number, (name, ref) in enumerate(refs.items()):
        code = "InvalidFile.FullBody" if name == "old" else None
        verdict = "reject" if code else "pass"
        bench.decide(
            bench.claim(ref, EMO),
            at=1_700_000_000.0 + number,
            verdict=verdict,
            **({"code": code} if code else {}),
        )
    bench.put(f"{PREFIX}old.jpg", pictures.data("cat"))
    bench.s3.delete_object(Bucket=BUCKET, Key=refs["gone"].key, VersionId=refs["gone"].version_id)
    bench.claim(bench.put(f"{PREFIX}pending.jpg", b"x"), EMO)
    return refs


def report(bench: Bench, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    endpoint = bench.s3.meta.endpoint_url
    fixed = ["--endpoint-url", endpoint, "--region", "us-east-1", "--table", TABLE]
    return CliRunner().invoke(app, [*arguments, *fixed], env={"COLUMNS": "60"})


def entries(file: Path) -> list[dict[str, Any]]:
    blocks = re.findall(r'<script type="application/json" class="entries">(.*?)</script>', file.read_text())
    return [entry for block in blocks for entry in json.loads(block)]


def test_an_item_with_an_impossible_bucket_name_is_shown_without_its_picture(bench: Bench) -> None:
    shown = stored.entry(record(bucket="Not a bucket!", verdict="pass"), bench.s3)
    assert (shown.picture, shown.absent) == (None, "deleted")


def test_a_report_shows_versions_as_they_were_screened(
    bench: Bench, uploads: dict[str, ObjectRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "sheet.html"
    done = report(
        bench, monkeypatch, f"s3://{BUCKET}/{PREFIX}", "--out", str(out), "--lang", "zh", "--limit", "0"
    )
    assert done.exit_code == 0, done.output
    found = {Path(str(entry["name"])).stem: entry for entry in entries(out)}
    assert set(found) == set(uploads)
    # The cat that replaced it would have another size.
    assert found["old"]["size"] == found["kept"]["size"] == [700, 700]
    assert found["gone"]["absent"] == "deleted"
    assert found["kept"]["ratio"] == "3:4"
    assert "3 screenings, 1 without their picture" in done.output


def test_filters_and_summary(
    bench: Bench, uploads: dict[str, ObjectRef], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "sheet.html"
    asked = [
        f"s3://{BUCKET}/{PREFIX}",
        "--verdict",
        "reject",
        "--code",
        "InvalidFile.",
        "--until",
        "2024-01-01",
        "--json",
        "--out",
        str(out),
    ]
    done = report(bench, monkeypatch, *asked)
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) == {"report": str(out), "screenings": 1, "without_picture": 0}
    (entry,) = entries(out)
    assert entry["code"] == "InvalidFile.FullBody"


def test_nothing_found_is_said(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = report(bench, monkeypatch, "s3://nowhere/at-all/", "--out", str(tmp_path / "sheet.html"))
    assert done.exit_code == 0
    assert "no verdict matches" in done.output


def test_what_cannot_be_written_or_read_is_said(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    done = report(bench, monkeypatch, "--out", str(tmp_path / "file" / "sheet.html"))
    assert done.exit_code == 2
    assert "--out" in done.output
    fixed = ["--endpoint-url", bench.s3.meta.endpoint_url, "--region", "us-east-1"]
    done = CliRunner().invoke(app, ["--table", "no-such-table", "--out", str(tmp_path / "s.html"), *fixed])
    assert done.exit_code == 2
    assert "no-such-table" in done.output
    assert list(tmp_path.glob("s*.html*")) == []


def test_without_versions_a_replaced_picture_is_not_shown(bench: Bench) -> None:
    bucket = "uploads-without-versions"
    bench.s3.create_bucket(Bucket=bucket)
    first = bench.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"first")["ETag"].strip('"')
    screened = record(bucket=bucket, key="a.jpg", verdict="pass", etag=first)
    assert stored.entry(screened, bench.s3).picture == b"first"
    bench.s3.put_object(Bucket=bucket, Key="a.jpg", Body=b"second")
    replaced = stored.entry(screened, bench.s3)
    assert (replaced.picture, replaced.absent) == (None, "replaced")


def test_many_items_keep_their_order_and_are_read_as_they_are_asked_for(bench: Bench) -> None:
    keys = [f"{PREFIX}many-{number}.jpg" for number in range(40)]
    for key in keys:
        bench.s3.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
    taken = []

    def records() -> Iterator[Record]:
        for key in keys:
            taken.append(key)
            yield record(bucket=BUCKET, key=key, verdict="pass")

    reading = stored.entries(records(), bench.s3, workers=2)
    assert next(reading).name == keys[0]
    assert len(taken) <= 5
    assert [entry.name for entry in reading] == keys[1:]


class Refusing:
    """S3 as it answers an identity that may not read, or when it is in trouble itself."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_object(self, **_: Any) -> Any:
        raise ClientError({"Error": {"Code": self._code}}, "GetObject")


@pytest.mark.parametrize(
    ("code", "absent"),
    [("AccessDenied", "denied"), ("NoSuchVersion", "deleted"), ("InvalidObjectState", "archived")],
)
def test_why_a_picture_is_missing_is_said(code: str, absent: str) -> None:
    assert stored.entry(record(verdict="error", code="Throttling"), Refusing(code)).absent == absent


def test_trouble_of_s3_is_no_missing_picture() -> None:
    with pytest.raises(ClientError, match="SlowDown"):
        list(stored.entries([record(verdict="pass")], Refusing("SlowDown")))


def test_what_decided_is_drawn_where_it_agrees_with_the_verdict(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefix, head = "emo/1x1/explained/", Screening.of("emo-detect-v1", "1:1")
    for name, code in (("tilted", "InvalidFile.FacePose"), ("cat", "InvalidFile.Value")):
        ref = bench.put(f"{prefix}{name}.jpg", pictures.data(name))
        bench.decide(bench.claim(ref, head), verdict="reject", code=code)
    out = tmp_path / "sheet.html"
    done = report(
        bench, monkeypatch, f"s3://{BUCKET}/{prefix}", "--out", str(out), "--explain", "--limit", "0"
    )
    assert done.exit_code == 0, done.output
    found = {Path(str(entry["name"])).stem: entry for entry in entries(out)}
    assert found["tilted"]["checks"][-1]["rule"] == "head tilted"
    assert any(mark["style"] == "axis" for mark in found["tilted"]["marks"])
    assert "checks" not in found["cat"], "this detector says something else than the verdict"
