"""`--report DIR`: annotated pictures and a contact sheet of what was checked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePath
from types import TracebackType
from typing import Self, cast

from screentest.checking.judge import Judgement
from screentest.checking.settings import CheckError, CheckSettings
from screentest.checking.sources import without_query
from screentest.reports import ContactSheet, ReportEntry, annotate
from screentest.reports.entry import Absence

_DRAWN = re.compile(r"\d{4,}-[A-Za-z0-9._-]+\.jpg")
"""Names of drawn pictures. Those of an earlier report in the same folder would be taken for this one's."""


class Report:
    """Writes `index.html` and `pictures/` as the judgements come. Use as a context manager."""

    def __init__(self, settings: CheckSettings) -> None:
        assert settings.report is not None
        self._settings = settings
        self._pictures = settings.report / "pictures"
        self._sheet = ContactSheet(
            settings.report / "index.html",
            title=f"{settings.model} {settings.shown_ratio or ''}".strip(),
            subtitle="screentest check",
            lang=settings.lang,
        )
        self._count = 0

    def __enter__(self) -> Self:
        with self._writing():
            self._pictures.mkdir(parents=True, exist_ok=True)
            for earlier in self._pictures.iterdir():
                if _DRAWN.fullmatch(earlier.name):
                    earlier.unlink()
            self._sheet.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._writing():
            self._sheet.__exit__(kind, error, trace)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise CheckError(
                f"the report cannot be written to {self._settings.report}: {reason}; name another folder"
            ) from error

    def add(self, judgement: Judgement) -> None:
        """Draw one picture and append it to the sheet.

        Raises:
            CheckError: the folder cannot be written.
        """
        self._count += 1
        entry = self._entry(judgement)
        drawn = annotate(entry) if entry.picture is not None else None
        if drawn is not None:
            stem = re.sub(r"[^A-Za-z0-9._-]+", "-", PurePath(entry.name).stem)[:80] or "picture"
            with self._writing():
                (self._pictures / f"{self._count:04d}-{stem}.jpg").write_bytes(drawn)
        with self._writing():
            self._sheet.add(entry)

    def _short(self, file: str) -> str:
        """A path of this machine as the sheet shows it: the folders above it stay private."""
        path = PurePath(file)
        if not path.is_absolute():
            return file
        given = [PurePath(each) for each in self._settings.paths]
        folder = next((each.parent for each in given if each == path or each in path.parents), path.parent)
        return str(path.relative_to(folder))

    def _entry(self, judgement: Judgement) -> ReportEntry:
        decision = judgement.decision
        absent = None if judgement.picture is not None else ("not-kept" if judgement.status else "unreadable")
        return ReportEntry(
            name=self._short(without_query(judgement.file)),
            model=self._settings.model,
            verdict=judgement.verdict,
            ratio=self._settings.shown_ratio,
            code=judgement.code,
            message=judgement.problem or (decision.message if decision else None),
            face_bbox=decision.face_bbox if decision else None,
            ext_bbox=decision.ext_bbox if decision else None,
            body_style=decision.body_style if decision else None,
            latency_ms=judgement.milliseconds,
            picture=judgement.picture,
            absent=cast(Absence | None, absent),
            explanation=judgement.explanation,
        )
