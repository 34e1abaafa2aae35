"""A contact sheet: one HTML file with everything in it, written as the entries come.

The file grows by blocks of entries, so memory does not depend on their number. Each block is two inert data
elements: what to show as JSON, and the thumbnails, which the script decodes for the cards that come into view.
Nothing of an entry is ever markup: the JSON cannot end its element, and the script sets text. A content security
policy allows the sheet's own script and style, by their hash, and nothing from anywhere.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from screentest.reports.drawing import thumbnail
from screentest.reports.entry import ReportEntry
from screentest.reports.marks import marks
from screentest.screening.reasons import LANGUAGES, deciding, explain

BLOCK = 50
"""Entries a block: small enough to hold in memory, large enough that ten thousand entries are 200 blocks."""

LARGE_SIDE, SMALL_SIDE = 480, 224
"""Longer sides of thumbnails: the first ones can be looked at closely, later ones keep the file small."""
MANY = 400
"""Entries with large thumbnails."""

_ASSETS = Path(__file__).parent / "assets"


def embed(value: Any) -> str:
    """JSON that is safe inside an HTML script element of any type: no `<`, no `&`, no line separators."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


def csp_hash(source: str) -> str:
    """The source expression that allows exactly this inline script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(source.encode()).digest()).decode()}'"


class ContactSheet:
    """Writes a contact sheet to a path; use as a context manager.

    The file appears under its name when the sheet is complete; an exception inside the block leaves nothing.

        with ContactSheet(Path("sheet.html"), title="Friday's uploads", lang="ja") as sheet:
            sheet.add(entry)
    """

    def __init__(self, path: Path, *, title: str, lang: str | None = None, subtitle: str = "") -> None:
        """
        Args:
            path: the HTML file to write; its folder is created.
            title: heading, plain text.
            lang: `en`, `zh` or `ja`; None leaves the choice to the reader's browser.
            subtitle: one line below the heading, plain text.

        Raises:
            ValueError: `lang` is none of the three.
        """
        if lang is not None and lang not in LANGUAGES:
            raise ValueError(f"no reasons in {lang!r}: choose one of {', '.join(LANGUAGES)}")
        self._path = path
        self._part = path.with_name(path.name + ".part")
        self._title, self._lang, self._subtitle = title, lang, subtitle
        self._file: TextIO | None = None
        self._meta: list[dict[str, Any]] = []
        self._thumbs: list[str] = []
        self._reasons: set[tuple[str, str, str]] = set()
        self.count = 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        # Lone surrogates, which a file name can hold, have no UTF-8 form.
        self._file = self._part.open("w", encoding="utf-8", errors="replace", newline="\n")
        self._file.write(self._head())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._file is not None
        try:
            if kind is None:
                self._flush()
                self._file.write(self._tail())
        finally:
            self._file.close()
        if kind is None:
            self._part.replace(self._path)
        else:
            self._part.unlink(missing_ok=True)

    def add(self, entry: ReportEntry) -> None:
        """Append one entry; its picture may be dropped afterwards."""
        side = LARGE_SIDE if self.count < MANY else SMALL_SIDE
        small = thumbnail(entry.picture, side) if entry.picture is not None else None
        evidence = entry.explanation or {}
        reason = (entry.code or "", entry.model, entry.ratio or "")
        self._reasons.add(reason)
        fields = {
            "name": entry.name,
            "source": entry.source,
            "model": entry.model,
            "ratio": entry.ratio,
            "verdict": entry.verdict,
            "code": entry.code,
            "message": entry.message,
            "reason": "|".join(reason),
            "face": _box(entry.face_bbox),
            "ext": _box(entry.ext_bbox),
            "body": entry.body_style,
            "ms": None if entry.latency_ms is None else round(entry.latency_ms),
            "at": entry.screened_at,
            "size": [small.width, small.height] if small else None,
            "absent": None
            if small
            else entry.absent or ("unreadable" if entry.picture is not None else "not-kept"),
            "expected": entry.expected,
            "asExpected": None if entry.expected is None else entry.expected == entry.outcome,
            "note": entry.note,
            "checks": evidence.get("checks"),
            "marks": marks(evidence, (small.width, small.height), with_face=entry.face_bbox is None) or None
            if small
            else None,
            "points": [p for set_ in evidence.get("landmarks", {}).values() for p in set_] or None,
        }
        self._meta.append({name: value for name, value in fields.items() if value is not None})
        self._thumbs.append(base64.b64encode(small.data).decode() if small else "")
        self.count += 1
        if len(self._meta) == BLOCK:
            self._flush()

    def _flush(self) -> None:
        assert self._file is not None
        if self._meta:
            self._file.write(
                f'<script type="application/json" class="entries">{embed(self._meta)}</script>\n'
            )
            self._file.write(
                '<script type="text/plain" class="thumbnails">' + "\n".join(self._thumbs) + "</script>\n"
            )
        self._meta, self._thumbs = [], []

    def _head(self) -> str:
        style, script = _asset("base.css") + _asset("sheet.css"), _script()
        policy = (
            f"default-src 'none'; img-src data:; style-src {csp_hash(style)}; script-src {csp_hash(script)}; "
            "base-uri 'none'; form-action 'none'"
        )
        return (
            f'<!doctype html>\n<html lang="{self._lang or "en"}">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
            f"<title>{html.escape(self._title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
            + _asset("sheet.html")
            .replace("{{title}}", html.escape(self._title))
            .replace("{{subtitle}}", html.escape(self._subtitle))
        )

    def _tail(self) -> str:
        reasons = {
            lang: {
                "|".join(key): [words.title, words.advice]
                for key in sorted(self._reasons)
                for words in [explain(key[0], key[1], lang, ratio=key[2] or None)]
            }
            for lang in LANGUAGES
        }
        words = {lang: own | deciding.words()[lang] for lang, own in json.loads(_asset("words.json")).items()}
        page = {"lang": self._lang, "reasons": reasons, "words": words}
        return (
            f'<script type="application/json" id="page">{embed(page)}</script>\n'
            f"<script>{_script()}</script>\n</body>\n</html>\n"
        )


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text(encoding="utf-8")


def _script() -> str:
    return _asset("base.js") + _asset("sheet.js")


def _box(box: Any) -> list[int] | None:
    return None if box is None else [round(float(value)) for value in box]
