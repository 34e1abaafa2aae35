"""Contact sheets as files: self-contained, hostile names inert, memory flat."""

from __future__ import annotations

import io
import json
import re
import tracemalloc
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from screentest.reports import ContactSheet, ReportEntry
from screentest.reports.entry import Absence
from screentest.reports.sheet import BLOCK, csp_hash, embed
from screentest.screening.models import Verdict
from screentest.stack import REPOSITORY


def picture(side: int = 300) -> bytes:
    out = io.BytesIO()
    Image.effect_noise((side, side), 60).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def entry(name: str = "a.jpg", **more: object) -> ReportEntry:
    values = {
        "name": name,
        "model": "emo-detect-v1",
        "verdict": "reject",
        "ratio": "1:1",
        "code": "InvalidFile.Value",
    }
    return ReportEntry(**(values | more))  # type: ignore[arg-type]


class Parsed(HTMLParser):
    """Elements of a sheet, and the text of its data blocks."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.policy = ""
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.links: list[str] = []
        self._within: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = dict(attrs)
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action")]
        if attributes.get("http-equiv") == "Content-Security-Policy":
            self.policy = attributes["content"] or ""
        if tag == "script":
            self._within = attributes
            self.scripts.append((attributes, ""))

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._within = None

    def handle_data(self, data: str) -> None:
        if self._within is not None:
            attributes, text = self.scripts[-1]
            self.scripts[-1] = (attributes, text + data)

    def entries(self) -> list[dict[str, object]]:
        blocks = [text for attributes, text in self.scripts if attributes.get("class") == "entries"]
        return [one for block in blocks for one in json.loads(block)]


def written(path: Path, entries: list[ReportEntry], **options: str) -> Parsed:
    with ContactSheet(path, title=options.pop("title", "Sheet"), **options) as sheet:
        for one in entries:
            sheet.add(one)
    return Parsed(path.read_text(encoding="utf-8"))


HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<!--<script>",
    "]]>&lt;\u2028\u2029\x00\x1b[31m",
    "emo/1x1/../../é 人.jpg",
    "\udcff",
]


def test_hostile_names_stay_text(tmp_path: Path) -> None:
    plain = written(tmp_path / "plain.html", [entry(note="n", message="m", picture=picture())])
    hostile = written(
        tmp_path / "hostile.html",
        [entry(name, note=name, message=name, source=name, expected=name) for name in HOSTILE],
        title=HOSTILE[0],
        subtitle=HOSTILE[1],
    )
    assert hostile.tags == plain.tags
    assert [one["name"] for one in hostile.entries()][:5] == HOSTILE[:5]


@settings(deadline=None, max_examples=50)
@given(st.text())
def test_embedded_json_is_itself_and_never_markup(text: str) -> None:
    inside = embed({"text": text})
    assert not re.search(r"[<>&\u2028\u2029]", inside)
    assert json.loads(inside) == {"text": text}


def test_nothing_is_loaded_from_anywhere(tmp_path: Path) -> None:
    parsed = written(tmp_path / "sheet.html", [entry(picture=picture())])
    assert parsed.links == []
    assert "default-src 'none'" in parsed.policy
    assert "unsafe" not in parsed.policy
    code = [text for attributes, text in parsed.scripts if not attributes]
    assert len(code) == 1
    assert csp_hash(code[0]) in parsed.policy
    assert not re.search(r"https?://(?!www\.w3\.org/)", code[0])


def test_entries_carry_verdict_and_reasons_in_every_language(tmp_path: Path) -> None:
    checks = [
        {"rule": "too dark", "value": 9.0, "limit": "at least 32", "unit": "", "code": "c", "failed": True}
    ]
    parsed = written(
        tmp_path / "sheet.html",
        [
            entry(
                picture=picture(),
                expected="reject InvalidFile.Value",
                note="night",
                explanation={"checks": checks},
            ),
            entry("b.jpg", verdict="pass", code=None, expected="reject InvalidFile.Value"),
            entry("c.jpg", absent="deleted"),
            entry("d.jpg", picture=b"not a picture"),
        ],
        lang="ja",
    )
    first, second, third, fourth = parsed.entries()
    assert first["size"] == [300, 300]
    assert first["asExpected"] is True
    assert first["checks"] == checks
    assert second["asExpected"] is False
    assert (third["absent"], fourth["absent"]) == ("deleted", "unreadable")
    page = json.loads(next(text for attributes, text in parsed.scripts if attributes.get("id") == "page"))
    assert page["lang"] == "ja"
    for lang in ("en", "zh", "ja"):
        assert {str(one["reason"]) for one in parsed.entries()} <= set(page["reasons"][lang])
        assert set(page["words"][lang]) == set(page["words"]["en"])


def test_thumbnails_match_their_entries(tmp_path: Path) -> None:
    count = BLOCK + 3
    entries = [entry(f"{number}.jpg", picture=picture(20 + number)) for number in range(count)]
    parsed = written(tmp_path / "sheet.html", entries)
    blocks = [
        text.split("\n") for attributes, text in parsed.scripts if attributes.get("class") == "thumbnails"
    ]
    assert [len(block) for block in blocks] == [BLOCK, 3]
    assert [one["size"] for one in parsed.entries()] == [[20 + number] * 2 for number in range(count)]


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupted() -> None:
        with ContactSheet(tmp_path / "sheet.html", title="t") as sheet:
            sheet.add(entry())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_unknown_languages_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="en, zh, ja"):
        ContactSheet(tmp_path / "sheet.html", title="t", lang="fr")


def test_memory_does_not_grow_with_the_entries(tmp_path: Path) -> None:
    image = picture(30)

    def peak(count: int) -> int:
        tracemalloc.start()
        with ContactSheet(tmp_path / "sheet.html", title="t") as sheet:
            for number in range(count):
                sheet.add(entry(f"{number}.jpg", picture=image))
        _, highest = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return highest

    peak(10)
    small, large = peak(2 * BLOCK), peak(8 * BLOCK)
    assert large < 1.5 * small


def test_no_word_is_left_that_nobody_reads() -> None:
    folders = [REPOSITORY / "screentest" / part / "assets" for part in ("page", "reports")]
    read = "".join(
        file.read_text() for folder in folders for file in folder.glob("*.*") if file.name != "words.json"
    )
    by_value = {*get_args(Absence), *map(str, Verdict), "half", "full"}
    for folder in folders:
        for word in json.loads((folder / "words.json").read_text())["en"]:
            assert f'"{word}"' in read or word in by_value or "-detect" in word, word
