"""Measurements in words: `turned 46°, at most 40°`, in every language.

The words of rules, units and limits are data (`rules.json`), which the browser's script reads as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

ASSET = Path(__file__).parent / "rules.json"

SHARES = frozenset({"", "of the shorter side", "of the torso"})
"""Units of figures that are said in per cent where their limit lies below 1."""

_SIGNS = {"degrees": "°", "% of face width": " %"}

_LIMIT = re.compile(r"(at most|at least) (-?[\d.]+)|(-?[\d.]+) to (-?[\d.]+)")
_BOUND = re.compile(r"-?[\d.]+")


@cache
def words() -> dict[str, dict[str, Any]]:
    """Names and phrases of rules, units and limits by language."""
    found: dict[str, dict[str, Any]] = json.loads(ASSET.read_text(encoding="utf-8"))
    return found


def _is_share(check: Mapping[str, Any]) -> bool:
    bounds = map(float, _BOUND.findall(str(check["limit"])))
    return str(check.get("unit") or "") in SHARES and all(-1 < bound < 1 for bound in bounds)


def _in_per_cent(limit: str) -> str:
    return _BOUND.sub(lambda bound: f"{100 * float(bound[0]):.6g}", limit)


def figure(value: float, limit: str = "", *, digits: int | None = None) -> str:
    """A figure with as few digits as tell it from its limit: `41`, but `38.2` where the limit is 38.

    Args:
        digits: to begin with behind the point; by default as many as its size suggests.
    """
    bounds = set(map(float, _BOUND.findall(limit)))
    if digits is None:
        digits = 0 if abs(value) >= 10 or value == int(value) else 1 if abs(value) >= 1 else 2
    while digits < 4 and any(_side(round(value, digits), b) != _side(value, b) for b in bounds):
        digits += 1
    return f"{value:,.{digits}f}".rstrip("0").rstrip(".") if digits else f"{value:,.0f}"


def _side(value: float, bound: float) -> int:
    """On which side of the bound the value lies: -1, 0 or 1."""
    return (value > bound) - (value < bound)


def with_unit(text: str, unit: str, lang: str = "en") -> str:
    """A figure with its unit, in the singular for 1."""
    of = words()[lang]
    form = (of["one"].get(unit) if text == "1" else None) or of["units"].get(unit)
    if form is None:
        return f"{text} {unit}".strip()
    return str(form).replace("{}", text)


def measured(check: Mapping[str, Any], lang: str = "en") -> str:
    """The value of a check with its unit; `-` where it could not be measured."""
    if check.get("value") is None:
        return "-"
    unit = str(check.get("unit") or "")
    if _is_share(check):
        value = 100 * float(check["value"])
        # The nearest whole one, unless that hides on which side of the limit it lies.
        figures = figure(value, _in_per_cent(str(check["limit"])), digits=0)
        return with_unit(f"{figures} %", unit, lang)
    return with_unit(figure(float(check["value"]), str(check["limit"])), unit, lang)


def limit(check: Mapping[str, Any], lang: str = "en") -> str:
    """The limit of a check in words. Degrees have their sign; other units stand at the value already."""
    found = _LIMIT.fullmatch(str(check["limit"]))
    if found is None:
        return str(check["limit"])
    side, bound, low, high = found.groups()
    forms = words()[lang]["limits"]
    if side:
        sign = _SIGNS.get(str(check.get("unit")), "")
        said = f"{100 * float(bound):.3g} %" if _is_share(check) else f"{bound}{sign}"
        return str(forms[side]).replace("{limit}", said)
    return str(forms["to"]).replace("{low}", low).replace("{high}", high)


def failed_check(explanation: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The check that rejected the picture; None on a pass or where nothing was measured."""
    checks = (explanation or {}).get("checks", ())
    return next((check for check in checks if check.get("failed")), None)


def deciding(explanation: Mapping[str, Any] | None, lang: str = "en") -> str | None:
    """What decided, in words: `turned 46°, at most 40°`; None on a pass or where nothing was measured."""
    check = failed_check(explanation)
    return None if check is None else said(check, lang)


def said(check: Mapping[str, Any], lang: str = "en") -> str:
    """A failed check in words: `turned 46°, at most 40°`."""
    found = words()[lang]["rules"].get(check["rule"])
    form = str(found[1]) if found else f"{check['rule']}: {{value}}, {{limit}}"
    return form.replace("{value}", measured(check, lang)).replace("{limit}", limit(check, lang))
