"""Pictures of public repositories, read from local clones at pinned commits; nothing is checked out.

    python training/repositories.py --mirror CLONES > clone.sh && sh clone.sh

prints a `git clone` for each repository that training reads and `CLONES` lacks.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

TRAINING = Path(__file__).parent
SOURCES = json.loads((TRAINING / "sources.json").read_text())["repositories"]
PICTURES = (".jpg", ".jpeg", ".png", ".webp")

Place = tuple[str, str, str]
"""`owner/name`, commit, path."""


def clone_of(mirror: Path, name: str) -> Path:
    """The git directory of `owner/name` in the folder `mirror`, where it lies as `owner+name`.

    Raises:
        SystemExit: it is not there; the message says how to get it.
    """
    folder = mirror / name.replace("/", "+")
    for candidate in (folder / ".git", folder / "repo" / ".git", folder / "repo", folder):
        if (candidate / "objects").is_dir():
            return candidate
    raise SystemExit(f"no clone of {name} in {mirror}: {cloning(mirror, name)}")


def cloning(mirror: Path, name: str) -> str:
    """The command that gets it."""
    folder = shlex.quote(str(mirror / name.replace("/", "+")))
    return f"git clone --no-checkout https://github.com/{name} {folder}"


def present(mirror: Path, places: Iterable[Place], *, partial: bool) -> set[Place]:
    """Those of the places that the clones hold. Asked before the work begins, not where it comes upon one.

    Raises:
        SystemExit: some lack, and `partial` is false; the message names their repositories.
    """
    by_name: defaultdict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_name[place[0]].append(place)
    found: set[Place] = set()
    for name, each in by_name.items():
        try:
            clone = clone_of(mirror, name)
        except SystemExit:
            continue
        asked = "".join(f"{commit}:{path}\n" for _, commit, path in each)
        command = ["git", "--git-dir", str(clone), "cat-file", "--batch-check=%(objecttype)"]
        answers = subprocess.run(command, input=asked.encode(), capture_output=True, check=True).stdout
        found.update(
            place for place, answer in zip(each, answers.splitlines(), strict=True) if answer == b"blob"
        )
    lacking = Counter(place[0] for each in by_name.values() for place in each if place not in found)
    if lacking:
        names = ", ".join(f"{name} ({count})" for name, count in sorted(lacking.items()))
        total = f"{lacking.total()} pictures of {len(lacking)} repositories are not in {mirror}"
        if not partial:
            raise SystemExit(
                f"{total}: {names}\n"
                f"python training/repositories.py --mirror {mirror} prints how to get them; --partial does without"
            )
        print(f"{total} and are left out: {names}", file=sys.stderr, flush=True)
    return found


def named() -> list[str]:
    """Every repository that training reads."""
    scene, held, face = (
        json.loads((TRAINING / part / "pictures.json").read_text()) for part in ("scene", "held", "face")
    )
    entries = [*held["held"], *held["free"], *held["things"], *face["pictures"]]
    return sorted({*SOURCES, *scene["commits"], *(entry["repo"] for entry in entries)})


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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mirror", type=Path, required=True, help="clones, `owner+name` each")
    mirror = parser.parse_args().mirror
    for name in named():
        try:
            clone_of(mirror, name)
        except SystemExit:
            print(cloning(mirror, name))


if __name__ == "__main__":
    main()
