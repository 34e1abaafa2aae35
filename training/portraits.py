"""The labelled portraits that training may see: every folder that it is given.

What a version of the rules is scored on at first sight is in none of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any


def working(folders: Sequence[Path]) -> Iterator[tuple[dict[str, Any], Path]]:
    """Each record of `NAME.jsonl` in the folders with the path of its picture."""
    for folder in folders:
        for index in sorted(folder.glob("*.jsonl")):
            for line in index.read_text().splitlines():
                record = json.loads(line)
                yield record, folder / index.stem / record["file"]
