"""Gives LiteRT on Lambda's arm64 its fast kernels: `python processors.py LAYER` on the layer's folder.

LiteRT asks two files how many processors there can be, and without them looks no further and computes with plain
kernels, two to six times slower. They are reported to be absent from Lambda's arm64. In the layer's copy of the library
their paths are those of two files in the layer; all else about the processors comes from /proc/cpuinfo, as before.
"""

from __future__ import annotations

import sys
from pathlib import Path

LIBRARY = "python/ai_edge_litert/libpywrap_litert_common.so"
FOLDER = "/sys/devices/system/cpu"
MOUNTED = "/opt/cpu"
FILES = ("possible", "present")
PROCESSORS = "0-5\n"
"""The most that a function has, with 10,240 MB; those that are not there are missing from /proc/cpuinfo."""


def give(layer: Path) -> None:
    """Rewrite the library in `layer`, and put the files there.

    Raises:
        SystemExit: the library does not name each path once: it is another version than this was made for.
    """
    library = layer / LIBRARY
    code = library.read_bytes()
    (layer / "cpu").mkdir()
    for name in FILES:
        path = f"{FOLDER}/{name}\0".encode()
        if code.count(path) != 1:
            sys.exit(f"{library} names {FOLDER}/{name} {code.count(path)} times, not once: see {__file__}")
        code = code.replace(path, f"{MOUNTED}/{name}".encode().ljust(len(path), b"\0"))
        (layer / "cpu" / name).write_text(PROCESSORS)
    library.write_bytes(code)


if __name__ == "__main__":
    give(Path(sys.argv[1]))
