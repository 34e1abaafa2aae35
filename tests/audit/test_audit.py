"""`make audit`: the real pip-audit against an advisory service that is ours; silence is never taken for an answer."""

from __future__ import annotations

import http.server
import importlib.util
import json
import re
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
spec = importlib.util.spec_from_file_location("audit", ROOT / "requirements" / "audit.py")
assert spec
assert spec.loader
audit = importlib.util.module_from_spec(spec)
spec.loader.exec_module(audit)

real = pytest.mark.skipif(
    not audit.PIP_AUDIT.exists(), reason="pip-audit is not installed: make audit sets it up"
)
CONTROL = ("urllib3", "1.24.1")
LOCK = (
    "# made by a tool\nalpha[extra]==2.0 ; python_version < '4' \\\n    --hash=sha256:" + "0" * 64 + "\n"
    "beta==1.0 \\\n    --hash=sha256:" + "1" * 64 + " \\\n    --hash=sha256:" + "2" * 64 + "\n"
    "beta==0.9 ; sys_platform == 'win32' \\\n    --hash=sha256:" + "3" * 64 + "\n"
)


class Osv:
    """A server of the OSV protocol.

    Attributes:
        faulty: packages, with a version or without one, that it has an advisory about.
        asked: packages and versions in the order of the questions.
    """

    def __init__(self) -> None:
        self.faulty: set[Any] = {CONTROL}
        self.asked: list[tuple[str, str]] = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                pin = (query["package"]["name"], query["version"])
                outer.asked.append(pin)
                ranges = [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.1"}]}]
                affected = {"package": query["package"], "ranges": ranges, "versions": [pin[1]]}
                entry = {
                    "id": "PYSEC-2026-1",
                    "aliases": ["CVE-2026-1"],
                    "details": "-",
                    "affected": [affected],
                }
                body = json.dumps({"vulns": [entry]} if outer.faulty & {pin, pin[0]} else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/query"


@pytest.fixture
def osv() -> Iterator[Osv]:
    service = Osv()
    yield service
    service.server.shutdown()
    service.server.server_close()


@pytest.fixture
def lock(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One small lock file and no ignored advisory in place of the repository's."""
    (tmp_path / "lock.txt").write_text(LOCK)
    (tmp_path / "ignored.toml").write_text("")
    monkeypatch.setattr(audit, "lock_files", lambda: [tmp_path / "lock.txt"])
    monkeypatch.setattr(audit, "IGNORED", tmp_path / "ignored.toml")


def ignore(id_: str = "PYSEC-2026-1", **entry: object) -> None:
    fields = "\n".join(f"{name} = {value}" for name, value in entry.items())
    audit.IGNORED.write_text(f"[{id_}]\n{fields}\n")


@real
@pytest.mark.usefixtures("lock")
class TestWithTheRealPipAudit:
    def test_clean_after_the_control_was_recognised(
        self, osv: Osv, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert audit.main(["--osv-url", osv.url]) == 0
        assert "no advisory is known" in capsys.readouterr().out
        assert osv.asked[0] == CONTROL
        assert set(osv.asked[1:]) == {("alpha", "2.0"), ("beta", "1.0"), ("beta", "0.9")}

    def test_an_advisory_is_named_with_its_fix(self, osv: Osv, capsys: pytest.CaptureFixture[str]) -> None:
        osv.faulty |= {("beta", "0.9")}
        assert audit.main(["--osv-url", osv.url]) == 1
        assert capsys.readouterr().out == "beta 0.9: PYSEC-2026-1, fixed in 99.1\n"

    def test_a_service_that_names_no_advisory_about_the_control_is_not_believed(
        self, osv: Osv, capsys: pytest.CaptureFixture[str]
    ) -> None:
        osv.faulty = {"beta"}
        assert audit.main(["--osv-url", osv.url]) == 2
        assert "names no advisory about urllib3 1.24.1" in capsys.readouterr().err

    def test_a_service_out_of_reach_is_not_audited(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert audit.main(["--osv-url", "http://127.0.0.1:9/v1/query"]) == 2
        assert "error: not audited" in capsys.readouterr().err

    def test_the_next_service_is_asked_where_the_first_is_not_believed(self, osv: Osv) -> None:
        first = ["--vulnerability-service", "osv", "--osv-url", "http://127.0.0.1:9/v1/query"]
        osv.faulty |= {"alpha"}
        assert len(audit.audit((first, [*first[:3], osv.url]), set())) == 1

    @pytest.mark.parametrize("name", ["PYSEC-2026-1", "CVE-2026-1"])
    def test_an_ignored_advisory_is_left_out_until_its_day(self, osv: Osv, name: str) -> None:
        osv.faulty |= {"alpha"}
        ignore(name, package='"alpha"', reason='"not reached"', until="9999-01-01")
        assert audit.main(["--osv-url", osv.url]) == 0
        ignore(name, package='"alpha"', reason='"not reached"', until="2026-01-01")
        assert audit.main(["--osv-url", osv.url]) == 1

    def test_an_entry_is_for_its_package_alone(self, osv: Osv, capsys: pytest.CaptureFixture[str]) -> None:
        osv.faulty |= {"alpha", ("beta", "0.9")}
        ignore(package='"alpha"', reason='"not reached"', until="9999-01-01")
        assert audit.main(["--osv-url", osv.url]) == 1
        assert capsys.readouterr().out == "beta 0.9: PYSEC-2026-1, fixed in 99.1\n"


@pytest.mark.usefixtures("lock")
@pytest.mark.parametrize("left_out", ["package", "reason", "until"])
def test_an_entry_without_package_reason_or_day_is_refused(left_out: str) -> None:
    entry = {"package": '"alpha"', "reason": '"not reached"', "until": "2027-01-01"}
    ignore(**{name: value for name, value in entry.items() if name != left_out})
    with pytest.raises(ValueError, match="needs a package, a reason and a day"):
        audit.ignored(date(2026, 1, 1))


def test_what_is_ignored_is_well_formed_and_still_locked() -> None:
    audit.ignored(date(2026, 1, 1))
    text = "\n".join(file.read_text() for file in audit.lock_files())
    for package in re.findall(r'^package = "(.+)"$', audit.IGNORED.read_text(), re.MULTILINE):
        assert re.search(rf"^{package}==", text, re.MULTILINE), f"nothing locks {package} any more"


def test_every_pin_of_every_lock_is_asked_about() -> None:
    """Also those for other systems and Pythons."""
    text = "\n".join(file.read_text() for file in audit.lock_files())
    locked = set(re.findall(r"^([\w.-]+)(?:\[.*\])?==([^\s;\\]+)", text, re.MULTILINE))
    asked = [line.split()[0] for pins in audit.rounds([text]) for line in pins]
    assert sorted(asked) == sorted(f"{name}=={version}" for name, version in locked)
    assert {"colorama", "pywin32"} <= {name for name, _ in locked}, "for Windows alone"


def test_no_round_names_a_package_twice() -> None:
    first, second = audit.rounds([LOCK])
    assert [line.split()[0] for line in first] == ["alpha==2.0", "beta==1.0"]
    assert [line.split()[0] for line in second] == ["beta==0.9"]
    assert first[1].count("--hash=") == 2
