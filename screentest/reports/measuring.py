"""Measuring a picture once more, for a drawing of what was found on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from screentest.reports.entry import ReportEntry
from screentest.screening.reasons.deciding import failed_check


def measure(picture: bytes, model: str, ratio: str | None) -> Mapping[str, Any]:
    """Measurements of the self-hosted detectors over a picture, in the form of the API's `output.explain`.

    Empty for models that are not ours and for files that cannot be read.
    """
    from screentest import detection, networks

    try:
        networks.prepare()
        answer = detection.detect(picture, model, ratio or "1:1")
    except detection.DetectionError:
        return {}
    return answer.explanation.as_dict()


def explained(entry: ReportEntry) -> ReportEntry:
    """The entry with what was measured, where that comes to the code which it has.

    The verdict was given by another version of the rules perhaps, or by another detector: what would contradict it is
    left out.
    """
    if entry.picture is None or entry.verdict == "error":
        return entry
    found = measure(entry.picture, entry.model, entry.ratio)
    failed = failed_check(found)
    agrees = (str(failed["code"]) if failed else None) == entry.code
    return replace(entry, explanation=found) if found and agrees else entry
