"""What `make build` made, as files that any way of deployment takes: zips named by their content, a template in plain
CloudFormation, and one for the Serverless Application Repository.

    python -m screentest.stack.package --bucket BUCKET [--prefix PREFIX] [--upload]

The plain template needs no SAM transform, so that launch-stack links, Terraform and CDK take it as it is.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import json
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from screentest.stack.deployment import CODE_PROPERTIES, Template, read_template
from screentest.stack.errors import NotBuilt, StackError
from screentest.stack.server import REPOSITORY

BUILT = REPOSITORY / ".aws-sam" / "build"
TARGET = REPOSITORY / "build" / "package"
EPOCH = (1980, 1, 1, 0, 0, 0)
"""Of every file in a zip: the same content gives the same bytes, and the same name."""
PLAIN, SERVERLESS = "screentest.json", "screentest-serverless.json"
APPLICATION = "AWS::ServerlessRepo::Application"
DOCUMENTS = {"LicenseUrl": REPOSITORY / "LICENSE", "ReadmeUrl": REPOSITORY / "README.md"}


@dataclass(frozen=True)
class Package:
    """The files of one package.

    Attributes:
        folder: holds them all, by their keys in the bucket without the prefix.
        files: their names.
    """

    folder: Path
    files: tuple[str, ...]


def package(
    bucket: str,
    prefix: str = "",
    *,
    artefacts: Path = BUILT,
    target: Path = TARGET,
    region: str = "us-east-1",
) -> Package:
    """Make the package; nothing is uploaded.

    Args:
        bucket: where the files will lie; Lambda wants it in the region of the stack.
        prefix: of their keys.
        artefacts: what `make build` made.
        target: a folder that will hold the package and nothing else.
        region: any; the translator asks for one, and nothing that it writes depends on it here.

    Raises:
        NotBuilt: `artefacts` holds no build.
    """
    template = read_template(artefacts)
    target.mkdir(parents=True, exist_ok=True)
    for old in target.iterdir():
        old.unlink()
    base = f"s3://{bucket}/{prefix.strip('/') + '/' if prefix.strip('/') else ''}"
    for resource in template["Resources"].values():
        name = CODE_PROPERTIES.get(resource["Type"])
        if name and isinstance(resource["Properties"].get(name), str):
            archive = _zip((artefacts / resource["Properties"][name]).resolve(), target)
            resource["Properties"][name] = base + archive.name
    application = template["Metadata"].get(APPLICATION, {})
    for name, file in DOCUMENTS.items():
        if name in application:
            (target / file.name).write_bytes(file.read_bytes())
            application[name] = base + file.name
    (target / SERVERLESS).write_text(json.dumps(template, indent=1) + "\n")
    (target / PLAIN).write_text(json.dumps(plain(template, region), indent=1) + "\n")
    return Package(target, tuple(sorted(path.name for path in target.iterdir())))


def plain(template: Template, region: str) -> Template:
    """The template without the SAM transform, as AWS would make it."""
    import boto3
    from samtranslator.parser.parser import Parser
    from samtranslator.translator.translator import Translator
    from samtranslator.utils.py27hash_fix import (
        to_py27_compatible_template,
        undo_mark_unicode_str_in_template,
    )

    source = copy.deepcopy(template)
    source["Metadata"].pop(APPLICATION, None)
    to_py27_compatible_template(source, {})  # AWS's own translator names layers and versions by such hashes
    translator = Translator({}, Parser(), boto_session=boto3.Session(region_name=region))
    made: Template = undo_mark_unicode_str_in_template(translator.translate(source, parameter_values={}))
    return made


def _zip(folder: Path, target: Path) -> Path:
    if not folder.is_dir():
        raise NotBuilt(f"{folder} is missing: run `make build` first")
    part = target / "part.zip"
    with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(path for path in folder.rglob("*") if path.is_file()):
            info = zipfile.ZipInfo(str(file.relative_to(folder)), EPOCH)
            info.external_attr = (0o755 if file.stat().st_mode & 0o111 else 0o644) << 16
            archive.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    return part.rename(target / f"{folder.name}-{hashlib.sha256(part.read_bytes()).hexdigest()[:16]}.zip")


def upload(made: Package, s3: Any, bucket: str, prefix: str = "") -> None:
    """Put every file into the bucket, the templates last: what they name is there."""
    base = prefix.strip("/") + "/" if prefix.strip("/") else ""
    for name in sorted(made.files, key=lambda name: name in (PLAIN, SERVERLESS)):
        with (made.folder / name).open("rb") as body:
            s3.put_object(Bucket=bucket, Key=base + name, Body=body)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the package, and say where it is."""
    parser = argparse.ArgumentParser(prog="make package", description=__doc__)
    parser.add_argument("--bucket", required=True)
    parser.add_argument("--prefix", default="")
    parser.add_argument(
        "--upload", action="store_true", help="put it into the bucket, with your AWS credentials"
    )
    asked = parser.parse_args(arguments)
    try:
        made = package(asked.bucket, asked.prefix)
    except StackError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    if asked.upload:
        from screentest.aws import Access, AwsError, as_aws_errors

        try:
            with as_aws_errors(f"upload to {asked.bucket}", needs="s3:PutObject on the bucket"):
                upload(made, Access().client("s3"), asked.bucket, asked.prefix)
        except AwsError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
    for name in made.files:
        print(made.folder / name)
    return 0


if __name__ == "__main__":
    sys.exit(main())
