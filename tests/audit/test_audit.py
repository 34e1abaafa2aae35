"""`make audit`: what it says, and its exit status, for each way in which pip-audit ends."""

from __future__ import annotations

import http.server
import importlib.util
import io
import json
import re
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("audit", ROOT / "requirements" / "audit.py")
assert spec
assert spec.loader
audit = importlib.util.module_from_spec(spec)
sys.modules["audit"] = audit
spec.loader.exec_module(audit)

TODAY = date(2026, 12, 1)
FAULT = {
    "id": "PYSEC-2026-1",
    "aliases": ["CVE-2026-1", "GHSA-aaaa-bbbb-cccc"],
    "fix_versions": ["2.1", "3.0"],
}

Answer = Callable[[str, str], dict[str, Any]]


def pin(name: str, version: str) -> Any:
    return audit.Pin(name, version, ("sha256:00",))


LOCKS = {
    pin("alpha", "2.0"): ["screening", "dev"],
    pin("beta", "1.0"): ["dev"],
    pin("beta", "0.9"): ["dev"],
}


class PipAudit:
    """Stands in for the program: its JSON, made of what services answer about a package and a version.

    Args:
        answers: by service; None where it cannot be reached.
    """

    def __init__(self, **answers: Answer | None) -> None:
        self.answers = answers
        self.calls: list[tuple[str, list[tuple[str, str]]]] = []

    def __call__(self, arguments: Sequence[str]) -> Any:
        given = dict(pairwise(arguments))
        assert {"--require-hashes", "--no-deps", "--disable-pip"} <= set(arguments)
        lines = Path(given["--requirement"]).read_text().splitlines()
        asked = [re.fullmatch(r"([\w-]+)==(\S+)(?: --hash=\S+)+", line).groups() for line in lines]  # type: ignore[union-attr]
        assert len({name for name, _ in asked}) == len(asked), "pip-audit refuses a package named twice"
        service = given["--vulnerability-service"]
        self.calls.append((service, asked))  # type: ignore[arg-type]
        answer = self.answers[service]
        if answer is None:
            return audit.Finished("", "WARNING: nothing\nTraceback …\nConnectionError: no route to service\n")
        found = [{"name": name} | answer(name, version) for name, version in asked]
        return audit.Finished(json.dumps({"dependencies": found, "fixes": []}), "")


def knows(*faulty: str, skips: Sequence[str] = ()) -> Answer:
    """A service that has advisories about some packages and has never heard of others."""

    def answer(name: str, version: str) -> dict[str, Any]:
        if name in skips:
            return {"skip_reason": f"not found: {name} ({version})"}
        at_fault = name in faulty or (name, version) == (audit.CONTROL.name, audit.CONTROL.version)
        return {"version": version, "vulns": [FAULT] if at_fault else []}

    return answer


def known_to(run: PipAudit, ignored: Sequence[Any] = (), **more: Any) -> tuple[Any, str, str]:
    """The outcome, what is printed, and what is printed to standard error, on a terminal 60 wide."""
    outcome = audit.audit(LOCKS, ignored, run=run, today=TODAY, **more)
    out, remarks = io.StringIO(), io.StringIO()
    audit.report(outcome, Console(file=out, width=60), Console(file=remarks, width=60))
    for line in (out.getvalue() + remarks.getvalue()).splitlines():
        assert len(line) <= 60, line
    return outcome, flat(out.getvalue()), flat(remarks.getvalue())


def flat(text: str) -> str:
    return " ".join(text.split())


def test_clean_is_said_with_what_was_asked() -> None:
    run = PipAudit(pypi=knows())
    outcome, out, remarks = known_to(run)
    assert outcome.status == 0
    assert "3 of 3 pins in 2 lock files were audited: no advisory" in out
    assert remarks == ""
    assert run.calls == [
        ("pypi", [(audit.CONTROL.name, audit.CONTROL.version)]),
        ("pypi", [("alpha", "2.0"), ("beta", "1.0")]),
        ("pypi", [("beta", "0.9")]),
    ], "what one answered, the other is not asked"


def test_an_advisory_is_shown_with_its_fix_and_its_locks() -> None:
    outcome, out, remarks = known_to(PipAudit(pypi=knows("alpha")))
    assert outcome.status == 1
    for word in ("alpha", "2.0", "PYSEC-2026-1", "CVE-2026-1", "2.1, 3.0", "dev"):
        assert word in out
    assert "beta" not in out
    assert "1 advisory" in remarks
    assert "ignored-advisories.toml" in remarks


def test_what_pip_audit_skips_was_not_audited() -> None:
    run = PipAudit(pypi=knows(skips=["beta"]), osv=None)
    outcome, out, remarks = known_to(run)
    assert outcome.status == 2
    assert out == "", "nothing that looks like a pass"
    assert "1 of 3 pins" in remarks
    assert "nothing is known about the others" in remarks
    assert "beta 1.0: pypi: not found: beta (1.0); osv: ConnectionError: no route to service" in remarks


def test_the_next_service_is_asked_for_what_the_first_does_not_know() -> None:
    run = PipAudit(pypi=knows(skips=["beta"]), osv=knows("beta"))
    outcome, out, _ = known_to(run)
    assert outcome.status == 1
    assert [str(found) for found, _ in outcome.found] == ["beta 0.9", "beta 1.0"]
    assert "alpha" not in out
    assert run.calls[-2:] == [("osv", [("beta", "1.0")]), ("osv", [("beta", "0.9")])]


def test_advisories_are_told_although_not_all_was_audited() -> None:
    outcome, out, remarks = known_to(PipAudit(pypi=knows("alpha", skips=["beta"]), osv=None))
    assert outcome.status == 1
    assert "PYSEC-2026-1" in out
    assert "nothing is known about the others" in remarks


@pytest.mark.parametrize(
    ("pypi", "says"),
    [
        (None, "ConnectionError: no route to service"),
        (knows(skips=["alpha", "beta", audit.CONTROL.name]), "not found: urllib3 (1.24.1)"),
        (lambda _name, version: {"version": version, "vulns": []}, "names no advisory about urllib3 1.24.1"),
    ],
    ids=["unreachable", "a mirror without advisories", "a service that finds all well"],
)
def test_a_service_that_knows_nothing_is_no_audit(pypi: Answer | None, says: str) -> None:
    run = PipAudit(pypi=pypi, osv=None)
    outcome, out, remarks = known_to(run)
    assert outcome.status == 2
    assert out == ""
    assert "error: nothing was audited" in remarks
    assert f"pypi: {says}" in remarks or f"pypi: it {says}" in remarks
    assert "--osv-url" in remarks, "what to do"
    assert len(run.calls) == 2, "nothing more is asked of a service that knows nothing"


@pytest.mark.parametrize(
    "stdout", ["", "not JSON", "[]", "{}", '{"dependencies": [{"name": "urllib3"}]}', '{"dependencies": [1]}']
)
def test_an_answer_that_is_none_is_no_audit(stdout: str) -> None:
    outcome = audit.audit(LOCKS, [], run=lambda _: audit.Finished(stdout, "broken"), today=TODAY)
    assert outcome.status == 2
    assert set(outcome.unaudited) == set(LOCKS)


def test_a_package_that_pip_audit_does_not_mention_was_not_audited() -> None:
    def run(arguments: Sequence[str]) -> Any:
        done = PipAudit(pypi=knows(), osv=knows())(arguments)
        kept = [one for one in json.loads(done.stdout)["dependencies"] if one["name"] != "alpha"]
        return audit.Finished(json.dumps({"dependencies": kept}), "")

    outcome = audit.audit(LOCKS, [], run=run, today=TODAY)
    assert outcome.status == 2
    assert [str(missed) for missed in outcome.unaudited] == ["alpha 2.0"]


@pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
def test_an_ignored_advisory_is_named_with_its_reason(name: str) -> None:
    entry = audit.Ignored(name, "alpha", "not reached", TODAY)
    outcome, out, remarks = known_to(PipAudit(pypi=knows("alpha")), [entry])
    assert outcome.status == 0, "its last day counts"
    assert "no advisory is known about any other" in out
    assert f"ignored until 2026-12-01: {name} about alpha 2.0: not reached" in remarks


def test_an_entry_whose_day_has_passed_ignores_nothing() -> None:
    entry = audit.Ignored("CVE-2026-1", "alpha", "not reached", date(2026, 11, 30))
    outcome, out, _ = known_to(PipAudit(pypi=knows("alpha")), [entry])
    assert outcome.status == 1
    assert "(ignored until 2026-11-30)" in out


def test_an_entry_is_for_its_package_alone() -> None:
    entry = audit.Ignored("PYSEC-2026-1", "beta", "not reached", TODAY)
    outcome, _, remarks = known_to(PipAudit(pypi=knows("alpha")), [entry])
    assert outcome.status == 1
    assert "nothing locked has PYSEC-2026-1 in beta any more: remove it" in remarks


def test_an_entry_is_not_called_needless_where_nobody_looked() -> None:
    entry = audit.Ignored("PYSEC-2026-1", "beta", "not reached", TODAY)
    _, _, remarks = known_to(PipAudit(pypi=knows(skips=["beta"]), osv=None), [entry])
    assert "remove it" not in remarks


@pytest.mark.parametrize(
    "text",
    [
        "[PYSEC-1",
        'PYSEC-1 = "all well"',
        '[PYSEC-1]\npackage = "a"\nreason = "b"',
        '[PYSEC-1]\npackage = "a"\nreason = " "\nuntil = 2027-01-01',
        '[PYSEC-1]\npackage = "a"\nreason = "b"\nuntil = "2027-01-01"',
        '[PYSEC-1]\npackage = "a"\nreason = "b"\nuntil = 2027-01-01T00:00:00',
    ],
)
def test_an_entry_without_package_reason_or_day_is_refused(text: str, tmp_path: Path) -> None:
    file = tmp_path / "ignored.toml"
    file.write_text(text)
    with pytest.raises(audit.MalformedList, match=r"ignored\.toml"):
        audit.read_ignored(file)


def test_the_list_of_ignored_advisories_is_well_formed() -> None:
    names = {pin.name for pin in audit.locked(audit.lock_files())}
    for entry in audit.read_ignored():
        assert entry.package in names, f"{entry.id}: nothing locks {entry.package} any more"


def test_every_pin_of_every_lock_is_asked_about() -> None:
    """Also those for other systems and Pythons, which pip-audit itself leaves out."""
    found = audit.locked(audit.lock_files())
    assert {file for files in found.values() for file in files} >= {
        "detection",
        "screening",
        "dev",
        "checkov",
        "audit",
    }
    text = "\n".join(file.read_text() for file in audit.lock_files())
    named = {audit.normalised(name) for name in re.findall(r"^([\w.-]+)(?:\[|==)", text, re.MULTILINE)}
    assert {one.name for one in found} == named
    assert {"colorama", "pywin32"} <= named, "for Windows alone"
    assert all(one.hashes for one in found)


@pytest.mark.parametrize("line", ["requests>=2 --hash=sha256:00", "requests==2.0", "-r other.txt"])
def test_a_lock_with_anything_but_pins_is_refused(line: str, tmp_path: Path) -> None:
    lock = tmp_path / "lock.txt"
    lock.write_text(
        f"# made by a tool\nalpha[extra]==1.0 ; python_version < '4' \\\n    --hash=sha256:00\n{line}\n"
    )
    with pytest.raises(audit.MalformedList, match="not a pin with hashes"):
        list(audit.pins(lock))


def test_the_command_tells_its_outcomes_apart(capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main([], PipAudit(pypi=knows(), osv=None)) == 0
    assert audit.main([], PipAudit(pypi=knows("pillow"), osv=None)) == 1
    assert audit.main(["--service", "osv"], PipAudit(osv=None)) == 2
    assert "error: nothing was audited" in flat(capsys.readouterr().err)


# The real pip-audit --------------------------------------------------------------------------------------------------


@pytest.fixture
def osv() -> Iterator[str]:
    """A server of the OSV protocol that has an advisory about the control and about Pillow."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:
            pass

        def do_POST(self) -> None:
            query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = query["package"]["name"]
            ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
            entry = {
                "id": "PYSEC-2026-1",
                "aliases": ["CVE-2026-1"],
                "details": "words",
                "affected": [{"package": query["package"], "ranges": ranges, "versions": [query["version"]]}],
            }
            faulty = name == "pillow" or (name, query["version"]) == ("urllib3", "1.24.1")
            body = json.dumps({"vulns": [entry]} if faulty else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


@pytest.mark.skipif(not audit.PIP_AUDIT.exists(), reason="pip-audit is not installed: make audit sets it up")
def test_the_real_pip_audit_answers_as_these_tests_say(osv: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert audit.main(["--osv-url", osv]) == 1
    said = capsys.readouterr()
    assert "pillow" in said.out
    assert "99.1" in said.out
    assert "detection" in said.out
    number = len(audit.locked(audit.lock_files()))
    assert f"error: 1 advisory; {number} of {number} pins" in flat(said.err)

    assert audit.main(["--osv-url", "http://127.0.0.1:9/v1/query"]) == 2
    assert "error: nothing was audited" in flat(capsys.readouterr().err)
