"""`screentest compare`: what changed between two files of verdicts, and what is refused."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from api.api_doubles import jpeg, passed, rejected
from typer.testing import CliRunner

from screentest.cli import app
from screentest.comparing import CompareError, compare, read, run
from screentest.detection import Answer, Code, models


def line(file: str, answer: Answer | None, **more: Any) -> str:
    verdict = "error" if answer is None else "pass" if answer.passed else "reject"
    response = None
    if answer is not None:
        response = {"output": answer.output(), "usage": {"image_count": 1}, "request_id": "1"}
    model = "emo-detect-v1" if answer is None else answer.model.name
    return json.dumps(
        {"file": file, "model": model, "ratio": "1:1", "verdict": verdict, "status": 200 if answer else 0}
        | {"response": response}
        | more
    )


@pytest.fixture
def files(tmp_path: Path) -> Callable[[list[str], list[str]], tuple[Path, Path]]:
    def write(old: list[str], new: list[str]) -> tuple[Path, Path]:
        paths = tmp_path / "old.jsonl", tmp_path / "new.jsonl"
        for path, lines in zip(paths, (old, new), strict=True):
            path.write_text("".join(text + "\n" for text in lines))
        return paths

    return write


def shown(old: Path, new: Path, **options: Any) -> tuple[int, str]:
    out = io.StringIO()
    status = run(old, new, **({"json_output": False, "report": None} | options), out=out)
    return status, out.getvalue()


def test_changes_are_counted_by_verdict_and_code(files: Any) -> None:
    dark, turned = rejected(code=Code.VALUE), rejected(code=Code.FACE_POSE)
    old, new = files(
        [line("a", passed()), line("b", passed()), line("c", dark), line("d", dark), line("gone", dark)],
        [line("a", passed()), line("b", turned), line("c", turned), line("d", None), line("more", dark)],
    )
    status, text = shown(old, new, json_output=True)
    assert status == 1
    assert json.loads(text) == {
        "pictures": 4,
        "same_verdict": 2,
        "same_outcome": 1,
        "only_old": 1,
        "only_new": 1,
        "changes": [
            {"old": "pass", "new": "reject InvalidFile.FacePose", "count": 1},
            {"old": "reject InvalidFile.Value", "new": "reject InvalidFile.FacePose", "count": 1},
            {"old": "reject InvalidFile.Value", "new": "error", "count": 1},
        ],
        "changed": [
            {"file": "b", "old": "pass", "new": "reject InvalidFile.FacePose"},
            {"file": "c", "old": "reject InvalidFile.Value", "new": "reject InvalidFile.FacePose"},
            {"file": "d", "old": "reject InvalidFile.Value", "new": "error"},
        ],
    }
    status, text = shown(old, new)
    assert "4 pictures in both: 2 with the same verdict (50.0%), 1 with the same code too" in text
    assert "1 in the first file alone" in text
    assert "b: pass → reject InvalidFile.FacePose" in text


def test_other_wire_forms_of_the_same_verdict_agree(files: Any) -> None:
    old, new = files(
        [line("a", passed()), line("b", rejected())],
        [line("a", passed(models.WAN_S2V)), line("b", rejected(models.WAN_S2V))],
    )
    assert shown(old, new)[0] == 0
    comparison = compare(read(old), read(new))
    assert comparison.pictures == 2
    assert not comparison.changes


def test_the_sheet_shows_what_changed_and_no_signature(files: Any, tmp_path: Path) -> None:
    picture = tmp_path / "there.jpg"
    picture.write_bytes(jpeg())
    signed = "https://pictures.example/a.jpg?X-Amz-Signature=5ec2e7"
    names = [str(picture), signed, "gone.jpg", "nul\0.jpg"]
    old, new = files([line(name, passed()) for name in names], [line(name, rejected()) for name in names])
    shown(old, new, report=tmp_path / "changes")
    sheet = (tmp_path / "changes" / "index.html").read_text()
    assert "emo-detect-v1: pass" in sheet
    assert "there.jpg" in sheet
    assert "5ec2e7" not in sheet


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        "{}",
        "[" * 100_000,
        line("a", passed(), verdict="maybe"),
        line("a", passed(), status="200"),
    ],
)
def test_what_is_no_verdict_is_named_by_its_line(files: Any, text: str) -> None:
    old, new = files([line("a", passed()), text], [line("a", passed())])
    with pytest.raises(CompareError, match="line 2: is no line of"):
        shown(old, new)


def test_what_cannot_be_compared(files: Any, tmp_path: Path) -> None:
    old, new = files([line("a", passed())], [line("b", passed())])
    with pytest.raises(CompareError, match="no picture is in both"):
        shown(old, new)
    twice, _ = files([line("a", passed())] * 2, [])
    with pytest.raises(CompareError, match="a is in it twice"):
        read(twice)
    with pytest.raises(CompareError, match="cannot be read"):
        read(tmp_path / "none")


def test_the_commands(tmp_path: Path) -> None:
    picture = tmp_path / "grey.jpg"
    picture.write_bytes(jpeg())
    runner = CliRunner()

    def verdicts(name: str, *options: str) -> Path:
        result = runner.invoke(app, ["check", str(picture), "--json", *options])
        assert result.exit_code == 1, result.output
        path = tmp_path / name
        path.write_text(result.stdout)
        return path

    old, new = verdicts("old", "--model", "emo"), verdicts("new", "--profile", "hallo")
    changed = runner.invoke(app, ["compare", str(old), str(new)])
    assert changed.exit_code == 1
    assert "reject InvalidFile.AspectRatio" in changed.output
    assert runner.invoke(app, ["compare", str(old), str(old)]).exit_code == 0
    assert runner.invoke(app, ["compare", str(old), str(tmp_path / "none")]).exit_code == 2


def test_rules_are_listed() -> None:
    runner = CliRunner()
    every = json.loads(runner.invoke(app, ["rules", "--json"]).stdout)
    assert {"rule": "mask", "unit": "", "at_most": 0.5}.items() <= next(
        rule for rule in every if rule["rule"] == "mask"
    ).items()
    assert all(rule["reason"] and rule["measures"] and rule["frame"] for rule in every)
    emoji = json.loads(runner.invoke(app, ["rules", "--model", "emoji", "--json"]).stdout)
    assert [rule["rule"] for rule in emoji][-1] == "hand near face"
    tavus = runner.invoke(app, ["rules", "--profile", "tavus-image"])
    assert "not measured: clear glasses" in tavus.output
    assert json.loads(runner.invoke(app, ["rules", "--schema"]).stdout)["title"] == "Screentest profile"
    for unclear in (["--ratio", "3:4"], ["--model", "emo", "--profile", "tavus-image"]):
        assert runner.invoke(app, ["rules", *unclear]).exit_code == 2
    wrong = runner.invoke(app, ["rules", "--model", "emo-detect-v9"])
    assert (wrong.exit_code, "unknown model" in wrong.output) == (2, True)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ([], "which detector?"),
        (["--profile", "hallo", "--profile", "tavus-image"], "which detector?"),
        (["--profile", "none.toml"], "none.toml: cannot be read"),
        (["--profile", "hallo", "--detector", "http://127.0.0.1:1"], "a profile judges on this machine"),
    ],
)
def test_check_refuses_profiles_that_it_cannot_use(options: list[str], says: str) -> None:
    result = CliRunner().invoke(app, ["check", "https://pictures.example/a.jpg", *options])
    assert result.exit_code == 2
    assert says in result.output
