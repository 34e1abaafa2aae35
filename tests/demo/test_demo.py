"""The demo's promises about its own uploads, and that it notices when one of them is broken."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat
from rich.console import Console
from support.screening import record

from screentest.demo import pictures
from screentest.demo.cases import CASES, PREFIXES, Case, cases_of
from screentest.demo.run import STRIP, Board, Outcome, problems
from screentest.detection import detect
from screentest.detection.errors import UnreadablePicture
from screentest.detection.models import EMO
from screentest.reports import ReportEntry
from screentest.reports.strip import draw_strip
from screentest.screening.models import Verdict
from screentest.stack import REPOSITORY

PICTURES = [case for case in CASES if case.picture != "not_a_picture"]


def outcome(case: Case = CASES[0], **item: object) -> Outcome:
    found = record(**{"key": case.key, "verdict": "pass", "latency_ms": 12} | item) if item else None
    return Outcome(case, "v1", found, notified=True, logged=True)


def board(*outcomes: Outcome) -> Board:
    return Board({each.case.key: each for each in outcomes})


def test_the_uploads_cover_what_a_newcomer_wants_to_see() -> None:
    assert len({case.picture for case in CASES}) >= 10
    assert {(case.model, case.ratio) for case in CASES} == PREFIXES.keys()
    assert sum(case.expected == "pass" for case in CASES) >= 3
    assert len({case.expected for case in CASES} - {"pass"}) >= 5
    assert "not_a_picture" in {case.picture for case in CASES}
    assert all(case.because.endswith(".") for case in CASES)
    assert len({case.key for case in CASES}) == len(CASES)


@pytest.mark.parametrize("case", PICTURES, ids=lambda case: case.key)
def test_the_detectors_say_what_a_person_wrote_down(case: Case) -> None:
    answer = detect(pictures.data(case.picture), case.model, case.ratio or "1:1")
    assert (answer.code or "pass") == case.expected, case.because


def test_a_text_file_is_no_picture() -> None:
    with pytest.raises(UnreadablePicture):
        detect(pictures.data("not_a_picture"), "emo-detect-v1")


@pytest.mark.parametrize("name", pictures.MAKERS)
def test_pictures_are_upright_jpegs(name: str) -> None:
    with Image.open(io.BytesIO(pictures.data(name))) as picture:
        assert (picture.format, picture.mode) == ("JPEG", "RGB")
        assert picture.getexif().get(0x0112, 1) == 1


def test_a_package_that_is_not_the_pinned_one_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "somebody_elses-1.0-py3-none-any.whl"
    archive.write_bytes(b"not what was pinned")
    other = pictures.Package(
        "somebody-elses==1.0", "0" * 64, ("--no-index", f"--find-links={tmp_path}"), {"a.jpg": "a.jpg"}
    )
    with pytest.raises(pictures.PicturesUnavailable, match="somebody-elses"):
        pictures.fetch(tmp_path / "cache", (other,))
    assert not (tmp_path / "cache").exists()


def test_every_upload_as_expected_is_no_problem() -> None:
    assert [*problems(board(outcome(verdict="pass")))] == []


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        ({"record": None}, "no verdict"),
        (
            {"record": record(verdict="reject", code="InvalidFile.NoHuman")},
            "InvalidFile.NoHuman, not pass: One man",
        ),
        ({"logged": False}, "log does not name it"),
    ],
)
def test_what_is_wrong_is_named(broken: dict[str, object], said: str) -> None:
    wrong = outcome(verdict="pass")
    for name, value in broken.items():
        setattr(wrong, name, value)
    assert any(said in line for line in problems(board(wrong)))


def test_a_rejection_without_a_notification_is_a_problem() -> None:
    cat = next(case for case in CASES if case.picture == "cat")
    silent = outcome(cat, verdict="reject", code=cat.expected)
    silent.notified = False
    assert [*problems(board(silent))] == [f"{cat.key}: the failure topic sent no message"]


def test_your_own_pictures_have_no_expectation_but_need_a_verdict(tmp_path: Path) -> None:
    for name in ("b.JPG", "a [red].png", "notes.txt", "c.webp"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "folder.jpg").mkdir()
    cases = [*cases_of(tmp_path)]
    assert [case.name for case in cases[:: len(PREFIXES)]] == ["a [red].png", "b.JPG", "c.webp"]
    assert len(cases) == 3 * len(PREFIXES)
    assert outcome(cases[0], verdict="reject", code="InvalidFile.NoHuman").right
    assert not outcome(cases[0], verdict="error", code="ObjectGone").right


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_a_terminal_and_survives_any_name(width: int) -> None:
    odd = Case(f"{os.sep}x{os.sep}[bold]{'very ' * 20}long é.jpg", "animate-anyone-detect-gen2", None)
    boxes = {"face_bbox": [1000, 1000, 2000, 2000], "ext_bbox": [900, 900, 2100, 2100]}
    out = io.StringIO()
    console = Console(width=width, file=out, force_terminal=False)
    console.print(
        board(outcome(odd, **boxes), outcome(verdict="reject", code="InvalidFile.FacePose")).table()
    )
    printed = out.getvalue()
    assert max(map(len, printed.splitlines())) <= width
    assert "[bold]" in printed
    assert "not" in printed


def test_the_picture_of_the_readme_is_drawn_by_the_demo() -> None:
    entries = []
    for name, model, ratio in STRIP:
        answer = detect(pictures.data(name), model, ratio or "1:1")
        entries.append(
            ReportEntry(
                name=name,
                model=model,
                verdict=Verdict.PASS if answer.passed else Verdict.REJECT,
                face_bbox=answer.face_bbox,
                ext_bbox=answer.ext_bbox,
                picture=pictures.data(name),
                explanation=answer.explanation.as_dict(),
            )
        )
    drawn = draw_strip(entries)
    assert drawn
    with (
        Image.open(REPOSITORY / "docs" / "images" / "strip.jpg") as shown,
        Image.open(io.BytesIO(drawn)) as now,
    ):
        difference = ImageChops.difference(
            shown.convert("RGB"), now.resize(shown.size, Image.Resampling.LANCZOS)
        )
        assert sum(ImageStat.Stat(difference).mean) / 3 < 6, "draw it again: make demo, build/demo/strip.jpg"
    tilt = next(rule for rule in EMO.framing("1:1").rules if rule.name == "head tilted")
    assert f"where {tilt.at_most:g}° are allowed" in (REPOSITORY / "README.md").read_text()
    assert (REPOSITORY / "docs" / "images" / "strip.jpg").stat().st_size < 150_000
