"""`make docs`: the documents as a site, with what is generated from the code.

Puts into `build/site/source` the guide, the README as its first page, the reference of the command line made from the
commands, the OpenAPI document and `llms.txt`; then MkDocs builds `build/site/html` from it, strictly.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
CODE = "https://github.com/screentest/screentest/blob/main/"
OUT = REPOSITORY / "build" / "site"
OPENAPI = REPOSITORY / "docs" / "openapi.json"
PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "events/README.md": "events.md",
    "docs/README.md": "guide.md",
}
"""Pages of the site that have another name in the repository."""

_LINK = re.compile(r"(?<!`)\]\(([^)\s]+)\)")


def openapi() -> str:
    """The OpenAPI document, as `docs/openapi.json` has it."""
    from screentest.detection.api.openapi import document

    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


def commands() -> str:
    """The reference of the command line, from the commands themselves."""
    import typer
    from typer.cli import get_docs_for_click
    from typer.main import get_command

    from screentest.cli import app

    command = get_command(app)
    text = get_docs_for_click(obj=command, ctx=typer.Context(command), name="screentest", title="Commands")
    lines, example = [], False
    for line in text.splitlines():
        # What stands indented in an epilog are commands to copy, one a paragraph.
        if re.match(r"  (screentest|curl) ", line):
            lines += [] if example else ["```text"]
            lines.append(line.strip())
            example = True
        elif not (example and not line):
            lines += ["```", ""] if example else []
            lines.append(line)
            example = False
    return "\n".join(lines) + "\n"


def sources() -> dict[str, Path]:
    """Every page by its name in the site."""
    guide = {
        path.name: path for path in sorted((REPOSITORY / "docs").glob("*.md")) if path.name != "README.md"
    }
    return guide | {name: REPOSITORY / path for path, name in PAGES.items()}


def relinked(page: Path, text: str) -> str:
    """The text of a page with its links as the site has them: to pages of the site, else to the code."""
    names = {path.resolve(): name for name, path in sources().items()}

    def link(match: re.Match[str]) -> str:
        target, mark, anchor = match[1].partition("#")
        if re.match(r"[a-z]+:", match[1]) or not target:
            return match[0]
        file = (page.parent / target).resolve()
        if file in names:
            return f"]({names[file]}{mark}{anchor})"
        inside = file.relative_to(REPOSITORY).as_posix()
        if inside.startswith("docs/images/"):
            return f"]({inside.removeprefix('docs/')})"
        return f"]({CODE}{inside}{mark}{anchor})"

    return _LINK.sub(link, text)


def llms(pages: dict[str, Path]) -> str:
    """An index for language models: what the project is, and each page with its heading."""
    what = "> Judges whether a portrait can drive a talking-head or dancing-figure video, and says why not."
    lines = ["# Screentest", "", what, "", "## Pages", ""]
    for name, path in sorted(pages.items()):
        heading = re.search(r"^# (.+)$", path.read_text(encoding="utf-8"), re.MULTILINE)
        lines.append(f"- [{heading[1] if heading else name}]({Path(name).with_suffix('.html')})")
    lines += ["- [Commands](commands.html)", "- [OpenAPI document](openapi.json)", ""]
    return "\n".join(lines)


def assemble() -> Path:
    """Write the sources of the site; returns their folder."""
    source = OUT / "source"
    shutil.rmtree(source, ignore_errors=True)
    source.mkdir(parents=True)
    pages = sources()
    for name, path in pages.items():
        (source / name).write_text(relinked(path, path.read_text(encoding="utf-8")), encoding="utf-8")
    shutil.copytree(REPOSITORY / "docs" / "images", source / "images")
    shutil.copy(REPOSITORY / "screentest" / "page" / "assets" / "icon.svg", source / "images" / "icon.svg")
    (source / "commands.md").write_text(commands(), encoding="utf-8")
    shutil.copy(OPENAPI, source / "openapi.json")
    (source / "openapi.md").write_text(
        '# OpenAPI document\n\n<swagger-ui src="openapi.json"/>\n', encoding="utf-8"
    )
    (source / "llms.txt").write_text(llms(pages), encoding="utf-8")
    return source


def main() -> None:
    """Write `docs/openapi.json` with `--openapi`, else build the site."""
    if sys.argv[1:] == ["--openapi"]:
        OPENAPI.write_text(openapi(), encoding="utf-8")
        return
    assemble()
    command = [REPOSITORY / ".docs" / "bin" / "python", "-m", "mkdocs", "build", "--quiet", "--strict"]
    # The theme's news for those who write documents is none for those who build these.
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(  # noqa: S603 - a fixed command
        [*command, "-f", REPOSITORY / "docs" / "site" / "mkdocs.yml"], check=False, env=environment
    )
    if done.returncode == 0:
        print(OUT / "html" / "index.html")
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()
