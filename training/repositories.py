"""Pictures of public repositories, read from local clones at pinned commits; nothing is checked out."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

SOURCES = json.loads((Path(__file__).parent / "sources.json").read_text())["repositories"]
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def clone_of(mirror: Path, name: str) -> Path:
    """The git directory of `owner/name` in the folder `mirror`, where it lies as `owner+name`.

    Raises:
        SystemExit: it is not there; the message says how to get it.
    """
    folder = mirror / name.replace("/", "+")
    for candidate in (folder / ".git", folder / "repo" / ".git", folder / "repo", folder):
        if (candidate / "objects").is_dir():
            return candidate
    raise SystemExit(f"no clone of {name} in {mirror}: git clone https://github.com/{name} {folder}")


def _git(clone: Path, *arguments: str) -> bytes:
    return subprocess.run(
        ["git", "--git-dir", str(clone), *arguments], capture_output=True, check=True
    ).stdout


def contents_of(mirror: Path, name: str, commit: str, path: str) -> bytes:
    """One file of `owner/name` at a commit."""
    return _git(clone_of(mirror, name), "cat-file", "blob", f"{commit}:{path}")


def files(
    mirror: Path, name: str, prefix: str = "", suffixes: tuple[str, ...] = PICTURES
) -> list[tuple[str, str]]:
    """Paths and blob names at the pinned commit."""
    listing = _git(clone_of(mirror, name), "ls-tree", "-r", "-z", SOURCES[name]["commit"]).decode()
    rows = [entry.split("\t", 1) for entry in listing.split("\0") if entry]
    return [
        (path, meta.split()[2])
        for meta, path in rows
        if path.startswith(prefix) and path.lower().endswith(suffixes)
    ]


def contents(mirror: Path, name: str, blobs: list[str]) -> Iterator[bytes | None]:
    """The blobs' bytes in order; None where the clone lacks one."""
    command = ["git", "--git-dir", str(clone_of(mirror, name)), "cat-file", "--batch"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as git:
        assert git.stdin
        assert git.stdout
        for blob in blobs:
            git.stdin.write(blob.encode() + b"\n")
            git.stdin.flush()
            header = git.stdout.readline().split()
            if header[-1] == b"missing":
                yield None
                continue
            data = git.stdout.read(int(header[2]))
            git.stdout.read(1)
            yield data
        git.stdin.close()
