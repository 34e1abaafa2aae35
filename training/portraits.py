"""The labelled portraits that training may see: all but the reserved repositories (`benchmarks/reserved.json`)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RESERVED = frozenset(
    json.loads((Path(__file__).resolve().parents[1] / "benchmarks" / "reserved.json").read_text())[
        "repositories"
    ]
)


def working(folder: Path) -> Iterator[tuple[dict[str, Any], Path]]:
    """Each record of `NAME.jsonl` in `folder` with the path of its picture; reserved ones are left out."""
    for index in sorted(folder.glob("*.jsonl")):
        for line in index.read_text().splitlines():
            record = json.loads(line)
            if record["repo"] not in RESERVED:
                yield record, folder / index.stem / record["file"]
