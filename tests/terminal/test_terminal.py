"""Commands on a real terminal of 60, 80 and 120 columns: a bar and results do not share a line, nothing is cut."""

from __future__ import annotations

import re
import sys
import uuid
from pathlib import Path

import pytest
from rich.cells import cell_len
from terminal.pseudo import on_terminal

from screentest.demo import pictures
from screentest.stack import ACCESS_KEY, REGION, SECRET_KEY, LocalStack

SCREENTEST = Path(sys.executable).parent / "screentest"
WIDTHS = pytest.mark.parametrize("columns", [60, 80, 120])
BAR = re.compile(r"checking .*\d+/\d+")


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("terminal")
    (folder / "album").mkdir()
    for name in ("calm_face", "cat", "masked", "tilted", "too_dark", "two_people", "waist_up"):
        (folder / "album" / f"{name}.jpg").write_bytes(pictures.data(name))
    return folder


@WIDTHS
def test_check_keeps_its_bar_apart_from_its_results(album: Path, columns: int) -> None:
    shown = on_terminal(
        [SCREENTEST, "check", "album", "--model", "emo"], columns=columns, environment={}, folder=album
    )
    assert shown.status == 1
    results = [line for line in shown.lines if line.startswith(("pass", "reject"))]
    assert len(results) == 7
    assert "       Tilted 50°, at most 25°" in shown.lines
    assert not any(BAR.search(line) for line in shown.lines), "the bar goes at the end"
    bars = [line for frame in shown.frames for line in frame if BAR.search(line)]
    assert bars, "there was one"
    assert all(line.startswith("checking ") for line in bars)
    assert all(cell_len(line) <= columns for frame in shown.frames for line in frame)


@WIDTHS
def test_json_lines_stay_whole_beside_a_bar(album: Path, columns: int) -> None:
    shown = on_terminal(
        [SCREENTEST, "check", "album", "--model", "emo", "--json"],
        columns=columns,
        environment={},
        folder=album,
    )
    text = "".join(line.ljust(columns) if len(line) == columns else line + "\n" for line in shown.lines)
    assert "checking" not in text
    lines = re.findall(r'\{"file".*?"request_id": "[^"]+"\}\}', re.sub(r"\n", "", text))
    assert len(lines) == 7


@pytest.mark.stack
@WIDTHS
def test_verdicts_takes_one_line_a_row_from_80_columns_on(
    stack: LocalStack, tmp_path: Path, columns: int
) -> None:
    table, bucket = stack.outputs["VerdictTableName"], f"terminal-{uuid.uuid4().hex[:8]}"
    for number in range(5):
        stack.client("dynamodb").put_item(
            TableName=table,
            Item={
                "object": {"S": f"s3://{bucket}/animate-anyone/{'long-' * 12}{number}.jpg"},
                "screening": {"S": "animate-anyone-detect-gen2#-#-"},
                "bucket": {"S": bucket},
                "key": {"S": f"animate-anyone/{'long-' * 12}{number}.jpg"},
                "verdict": {"S": "reject"},
                "code": {"S": "InvalidFile.BodyProportion"},
                "model": {"S": "animate-anyone-detect-gen2"},
                "ratio": {"S": "-"},
                "screened_at": {"S": f"2026-01-03T00:00:0{number}.000Z"},
            },
        )
    shown = on_terminal(
        [SCREENTEST, "verdicts", f"s3://{bucket}/"],
        columns=columns,
        environment=local(stack),
        folder=tmp_path,
    )
    assert shown.status == 0
    rows = [line for line in shown.lines if line.startswith("reject")]
    assert len(rows) == 5
    assert all(cell_len(line) <= columns for line in shown.lines)
    assert all("BodyProportion" in line and re.search(r"\d\.jpg$", line) for line in rows)
    # The heading, its rule, and what it costs to read by address: nothing else.
    assert len(shown.lines) - len(rows) <= 4 + 120 // columns


@pytest.mark.stack
@WIDTHS
def test_backfill_fits(stack: LocalStack, tmp_path: Path, columns: int) -> None:
    bucket, prefix = stack.outputs["UploadBucketName"], f"emo/1x1/{uuid.uuid4().hex}/"
    stack.client("s3").put_object(Bucket=bucket, Key=f"{prefix}a.jpg", Body=pictures.data("cat"))
    shown = on_terminal(
        [SCREENTEST, "backfill", f"s3://{bucket}/{prefix}", "--dry-run"],
        columns=columns,
        environment=local(stack),
        folder=tmp_path,
    )
    assert shown.status == 0
    assert "1 object" in " ".join(shown.lines)
    assert "1 objects" not in " ".join(shown.lines)
    assert all(cell_len(line) <= columns for frame in shown.frames for line in frame)


def local(stack: LocalStack) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
    }
