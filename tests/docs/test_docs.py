"""The guide does not rot: links resolve, names exist, and every command is run or says why it cannot be."""

from __future__ import annotations

import http.server
import json
import os
import re
import shlex
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from screentest.cli import COMMANDS, LazyGroup
from screentest.demo import pictures
from screentest.screening.reasons import explain
from screentest.screening.routes import Routes
from screentest.stack import ACCESS_KEY, REGION, REPOSITORY, SECRET_KEY, LocalStack
from screentest.stack.deployment import read_template

DOCUMENTS = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "events/*.md", "benchmarks/*.md", "training/**/*.md")
    for path in REPOSITORY.glob(pattern)
)
NAMES = [str(path.relative_to(REPOSITORY)) for path in DOCUMENTS]

# Documents whose commands a test of their own runs, with what they need around them.
RUN_BY = {
    "docs/notifications.md": "tests/notifications/test_notification_commands.py",
    "docs/detection-api.md": "tests/api/test_api_transcripts.py",
    "docs/profiles.md": "tests/detection/test_profiles.py",
}
# What the commands of a block need that a test has not got. The rest of the marker says what. Those that other tests
# try have `<!-- tried by PATH -->` before them, which readers do not see.
UNTRIED = re.compile(r"^# (needs AWS|needs Docker|takes long)")
# Long-running targets, and what tries them instead.
TARGETS = {
    "demo": ".ci/run",
    "setup": ".ci/run",
    "wheel": ".ci/run",
    "check": ".ci/run",
    "docs": ".ci/run",
    "test": ".ci/run",
    "build": "Makefile",
    "up": "tests/stack",
    "invoke": "tests/artefact",
    "bench": "benchmarks",
    "soak": "tests/faults",
    "fuzz": "tests/fuzz",
    "lock": "requirements",
    "audit": ".ci/run",
    "deploy": "samconfig.toml",
}
LANGUAGES = {"sh", "console", "python", "json", "text", "toml", "yaml", "sql"}


@dataclass(frozen=True)
class Block:
    document: str
    language: str
    text: str
    tried_by: str = ""


@cache
def blocks(document: str) -> list[Block]:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    return [
        Block(document, kind, body, tried_by)
        for tried_by, kind, body in re.findall(
            r"^(?:<!-- tried by (\S+) -->\n)?```(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL
        )
    ]


def prose(document: str) -> str:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def anchors(document: Path) -> set[str]:
    """The anchors that headings get, as code hosts make them."""
    found = re.findall(r"^#+ +(.*)$", prose(str(document.relative_to(REPOSITORY))), re.MULTILINE)
    plain = (re.sub(r"[`*_]|\[([^]]*)\]\([^)]*\)", r"\1", heading) for heading in found)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", NAMES)
def test_links_resolve(document: str) -> None:
    here = REPOSITORY / document
    for target in re.findall(r"\]\(([^)\s]+)\)", prose(document)):
        if re.match(r"https?:|mailto:", target):
            assert re.fullmatch(r"https://[\w.-]+(/\S*)?|mailto:\S+", target), target
            continue
        path, _, anchor = target.partition("#")
        file = (here.parent / path).resolve() if path else here
        assert file.exists(), f"{document} links to {target}"
        assert REPOSITORY in file.parents, f"{document} links out of the repository: {target}"
        if anchor:
            assert anchor in anchors(file), f"{document} links to {target}"


def test_the_template_points_at_runbooks_that_exist() -> None:
    template = (REPOSITORY / "template.yaml").read_text()
    found = re.findall(r"(docs/[\w-]+\.md)(?:#([\w-]+))?", template)
    assert len({anchor for _, anchor in found if anchor}) >= 6
    for document, anchor in found:
        assert (REPOSITORY / document).exists()
        assert not anchor or anchor in anchors(REPOSITORY / document), f"{document}#{anchor}"


def test_every_page_of_the_guide_is_in_its_index() -> None:
    index = (REPOSITORY / "docs" / "README.md").read_text()
    for page in (REPOSITORY / "docs").glob("*.md"):
        assert page.name == "README.md" or f"]({page.name})" in index, page.name


# Commands -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("document", NAMES)
def test_blocks_name_their_language(document: str) -> None:
    for block in blocks(document):
        assert block.language in LANGUAGES, f"{document}: {block.text[:60]!r}"


def parts(block: Block) -> tuple[list[str], str]:
    """The `make` targets of a block, and the rest of it."""
    targets = re.findall(r"^make ([a-z]+)[^\n]*$", block.text, re.MULTILINE)
    return targets, re.sub(r"^make [a-z]+[^\n]*\n", "", block.text, flags=re.MULTILINE)


def shell(document: str) -> list[Block]:
    return [
        b
        for b in blocks(document)
        if b.language in ("sh", "console") and not b.tried_by and not UNTRIED.match(b.text)
    ]


@pytest.mark.parametrize("document", NAMES)
def test_what_other_tests_try_names_them(document: str) -> None:
    text = (REPOSITORY / document).read_text(encoding="utf-8")
    tried = [block.tried_by for block in blocks(document) if block.tried_by]
    assert len(tried) == text.count("<!-- tried by"), "each stands before a block"
    assert all((REPOSITORY / path).exists() for path in tried)


@pytest.mark.parametrize("document", NAMES)
def test_make_targets_exist_and_are_tried_somewhere(document: str) -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    for target in re.findall(r"\bmake ([a-z]+)(?=[\s`.,;:)]|$)", "\n".join(b.text for b in shell(document))):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"
        assert (REPOSITORY / TARGETS[target]).exists(), target
    for target in re.findall(r"`make ([a-z]+)", prose(document)):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"make {target}"


def test_ci_runs_what_is_said_to_be_run_by_it() -> None:
    script = (REPOSITORY / ".ci" / "run").read_text()
    for target, where in TARGETS.items():
        if where == ".ci/run":
            assert re.search(rf"^make {target}\b", script, re.MULTILINE), target


@pytest.mark.parametrize("document", sorted(RUN_BY))
def test_other_tests_run_the_other_documents(document: str) -> None:
    assert Path(document).name in (REPOSITORY / RUN_BY[document]).read_text()


TO_RUN = [
    name for name in NAMES if name not in RUN_BY and any(parts(block)[1].strip() for block in shell(name))
]


@pytest.mark.stack
@pytest.mark.parametrize("document", TO_RUN)
def test_commands_run(document: str, stack: LocalStack, tmp_path: Path) -> None:
    (tmp_path / "portrait.jpg").write_bytes(pictures.data("waist_up"))
    (tmp_path / "cat.jpg").write_bytes(pictures.data("cat"))
    folder = tmp_path / "portraits"
    folder.mkdir()
    (folder / "a.jpg").write_bytes(pictures.data("calm_face"))
    (folder / "not-a-picture.jpg").write_bytes(pictures.not_a_picture())
    script = ["set -euo pipefail", f"bucket={stack.outputs['UploadBucketName']}"]
    # Version 1 of the AWS command line overlooks AWS_ENDPOINT_URL for some services.
    script += ['aws() { command aws --endpoint-url "$AWS_ENDPOINT_URL" "$@"; }']
    script += [parts(block)[1] for block in shell(document) if block.language == "sh"]
    path = f"{Path(sys.executable).parent}:{REPOSITORY}/.localaws/bin:{os.environ['PATH']}"
    environment = {
        "PATH": path,
        "HOME": str(tmp_path),
        "LANG": "C.UTF-8",
        "AWS_ENDPOINT_URL": stack.endpoint_url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_PAGER": "",
    }
    done = subprocess.run(
        ["bash", "-c", "\n".join(script)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def pictures_served(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "portrait.jpg").write_bytes(pictures.data("waist_up"))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/portrait.jpg"
    server.shutdown()
    server.server_close()


def test_the_library_examples_run(
    pictures_served: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, "-c", "from screentest.cli import main; main()"]
    with subprocess.Popen(
        [*command, "serve", "--port", "0", "--allow-private-urls"], stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout
        names = {"SERVER": server.stdout.readline().split()[0], "PICTURE_URL": pictures_served}
        try:
            for block in blocks("docs/library.md"):
                assert block.language == "python"
                exec(compile(block.text, block.document, "exec"), dict(names))
        finally:
            server.terminate()
    printed = capsys.readouterr().out
    assert printed.startswith("True None (")
    assert "\npass None " in printed
    assert explain("InvalidFile.FullBody", "emo-detect-v1", "en", ratio="3:4").advice in printed


# Names ----------------------------------------------------------------------------------------------------------


@cache
def options(command: str) -> set[str]:
    found = LazyGroup(name="screentest").get_command(None, command)
    return {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)} | {
        "--help"
    }


SPEAKING = [
    *NAMES,
    "template.yaml",
    "Makefile",
    *(
        str(path.relative_to(REPOSITORY))
        for folder in ("screentest", "layers", "functions")
        for path in (REPOSITORY / folder).rglob("*.py")
        if "build" not in path.parts
    ),
]


def said(document: str) -> Iterator[tuple[str, list[str]]]:
    """Each `screentest COMMAND ARGUMENTS` that a file mentions, as command and arguments."""
    text = re.sub(r"\\\n\s*", " ", (REPOSITORY / document).read_text(encoding="utf-8"))
    for line in re.findall(r"(?<=[\s`'\"/“「])screentest ([a-z]+(?: [^`\n|&;()'\"”」]*)?)", text):
        command, *arguments = line.split()
        yield command, [word.rstrip(".,:") for word in arguments]


def test_commands_and_their_options_exist() -> None:
    count = 0
    for document in SPEAKING:
        for command, arguments in said(document):
            named = {word for word in arguments if re.fullmatch(r"--[a-z-]+", word)}
            # Prose such as "the screentest package" names no command, and then has no options.
            known = options(command) if command in COMMANDS else set()
            assert named <= known, f"{document}: screentest {command} {' '.join(arguments)}"
            count += command in COMMANDS
    assert count > 100


def template() -> dict[str, Any]:
    return read_template()


def test_parameters_in_the_documents_are_the_template_s() -> None:
    known = set(template()["Parameters"])
    for document in NAMES:
        for name in re.findall(r"`([A-Z][A-Za-z]+)=[^`]*`", prose(document)):
            assert name in known, f"{document}: {name}"


def test_every_parameter_and_output_is_documented() -> None:
    guide = "\n".join(prose(name) for name in NAMES)
    for name in (*template()["Parameters"], *template()["Outputs"]):
        assert f"`{name}" in guide, name


def test_codes_in_the_operator_s_table_have_words() -> None:
    (table,) = re.findall(
        r"^### Dead letters\n(.*?)^###", prose("docs/operations.md"), re.MULTILINE | re.DOTALL
    )
    rows = re.findall(r"^\| (`[A-Z][^|]*) \|", table, re.MULTILINE)
    codes = [code for row in rows for code in re.findall(r"`([^`]+)`", row)]
    assert len(codes) > 10
    for code in codes:
        assert explain(code, "emo-detect-v1") != explain("Unknown", "emo-detect-v1"), code


def test_routes_in_the_documents_are_taken_by_parser_and_template() -> None:
    pattern = template()["Parameters"]["Routes"]["AllowedPattern"]
    (routes,) = [block.text for block in blocks("docs/routes.md") if block.language == "json"]
    assert len(Routes.parse(routes).rules) == 2
    assert re.fullmatch(pattern, routes)


@pytest.mark.parametrize("document", NAMES)
def test_json_and_yaml_parse(document: str) -> None:
    for block in blocks(document):
        if block.language == "json":
            json.loads(block.text)
        if block.language == "yaml":
            yaml.safe_load(re.sub(r"!\w+", "", block.text))


def test_completion_knows_every_command() -> None:
    environment = {
        "PATH": os.environ["PATH"],
        "COMP_WORDS": "screentest ",
        "COMP_CWORD": "1",
        "_SCREENTEST_COMPLETE": "complete_bash",
    }
    script = Path(sys.executable).parent / "screentest"
    offered = subprocess.run(
        [script], env=environment, capture_output=True, text=True, check=True
    ).stdout.split()
    assert offered == list(COMMANDS)


def test_every_command_has_help_with_its_exit_status() -> None:
    group = LazyGroup(name="screentest")
    for name in COMMANDS:
        command = group.get_command(None, name)
        assert command is not None
        assert command.help, name
        assert "Exit status: 0" in str(command.epilog), name


EXAMPLES = [
    (name, line)
    for name in COMMANDS
    for line in str(LazyGroup(name="screentest").get_command(None, name).epilog).splitlines()
    if "screentest " in line and line.startswith("  ")
]


@pytest.mark.parametrize(("name", "line"), EXAMPLES, ids=[line.strip() for _, line in EXAMPLES])
def test_examples_of_the_help_fit_and_are_understood(name: str, line: str) -> None:
    assert len(line) <= 78, "80 columns, and the frame of the help"
    command, *arguments = shlex.split(re.split(r"\s{2,}| > ", line.rpartition("screentest ")[2])[0])
    called = LazyGroup(name="screentest").get_command(None, command)
    called.make_context(command, arguments)


@pytest.mark.parametrize("package", ["layers/screening/screentest/screening", "screentest"])
def test_every_module_is_in_the_architecture(package: str) -> None:
    text = (REPOSITORY / "docs" / "architecture.md").read_text()
    modules = {path.stem for path in (REPOSITORY / package).glob("*.py")} - {"__init__", "__main__"}
    packages = {path.parent.name for path in (REPOSITORY / package).glob("*/__init__.py")}
    for name in modules | packages:
        assert re.search(rf"`{name}/?`", text), name
