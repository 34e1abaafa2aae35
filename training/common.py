"""What the scripts that train share: their arguments, the networks, and what reads the pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path
from typing import Any

import repositories

from screentest.detection.vision.networks import Networks

Source = tuple[dict[str, Any], Callable[[], bytes]]
"""A picture's record, and what reads its file."""


def parser(description: str | None, *, clones: bool = False) -> argparse.ArgumentParser:
    """Of a script that reads labelled portraits, and with `clones` further pictures of repositories too, of which it
    keeps what it found."""
    made = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.add_argument("--portraits", type=Path, nargs="+", required=True)
    if clones:
        made.add_argument("--mirror", type=Path, required=True, help="clones, `owner+name` each")
        made.add_argument("--partial", action="store_true", help="do without pictures that no clone has")
        made.add_argument("--work", type=Path, required=True)
    return made


@cache
def networks() -> Networks:
    """One set for each process."""
    return Networks()


def further(
    entries: Iterable[tuple[dict[str, Any], repositories.Place]], mirror: Path, *, partly: bool
) -> list[Source]:
    """Those of the entries whose pictures the clones in `mirror` hold.

    Raises:
        SystemExit: some lack, and `partly` is false.
    """
    entries = list(entries)
    present = repositories.present(mirror, [place for _, place in entries], partial=partly)
    return [
        (record, partial(repositories.contents_of, mirror, *place))
        for record, place in entries
        if place in present
    ]
