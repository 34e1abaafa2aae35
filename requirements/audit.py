"""Asks whether advisories are known about anything that is locked: `make audit`.

Every pin of every lock file goes through `pip-audit --strict`, which fails where its service does not know a pin. A
mirror of the index knows every package and no advisory, so a service is believed only after it has named one about a
release that is known to have faults.

Exit status: 0 no advisory is known about any pin, 1 advisories, 2 not audited: no service answered for every pin.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[1]
PIP_AUDIT = REPOSITORY / ".audit" / "bin" / "pip-audit"
IGNORED = REPOSITORY / "requirements" / "ignored-advisories.toml"

CLEAN, ADVISORIES, NOT_AUDITED = 0, 1, 2

SERVICES = (["--vulnerability-service", "pypi"], ["--vulnerability-service", "osv"])
"""Asked in this order: the second where the first cannot be believed, or does not know a pin."""

CONTROL = "urllib3==1.24.1 --hash=sha256:61bf29cada3fc2fbefad4fdf059ea4bd1b4a86d2b6d15e1c7c0b582b9752fe39"
"""Advisories about this release are known since 2019: a service that names none has none of any package."""

OPTIONS = (
    "--strict --require-hashes --no-deps --disable-pip --format json --aliases on --progress-spinner off"
)

SECONDS = 900
"""For one call of pip-audit, which asks about one package after the other: three hundred at three seconds each."""


class NotAudited(Exception):
    """A service could not be asked, or does not know every pin; the message says why."""


def lock_files() -> list[Path]:
    """Every lock file of the repository."""
    return sorted([*REPOSITORY.glob("requirements/*.txt"), *REPOSITORY.glob("layers/*/requirements.txt")])


def rounds(texts: list[str]) -> list[list[str]]:
    """Every pin once, `name==version --hash=… …`, in lists that name no package twice, which pip-audit would refuse.

    Extras and markers are left off: what is locked for other systems counts as well.
    """
    pins: dict[tuple[str, str], set[str]] = {}
    for name, version, hashes in re.findall(
        r"^([\w.-]+)(?:\[[^\]]*\])?==([^\s;\\]+)[^\n]*((?:\n[ ]+--hash=\S+[ \\]*)+)",
        "\n".join(texts),
        re.MULTILINE,
    ):
        pins.setdefault((name, version), set()).update(re.findall(r"--hash=\S+", hashes))
    lists: list[dict[str, str]] = []
    for (name, version), digests in pins.items():
        free = next((one for one in lists if name not in one), None)
        if free is None:
            lists.append(free := {})
        free[name] = " ".join([f"{name}=={version}", *sorted(digests)])
    return [list(one.values()) for one in lists]


def ignored(today: date) -> set[tuple[str, str]]:
    """Package and advisory of each that does not concern us today. The file has a reason and a last day as well.

    Raises:
        ValueError: an entry lacks one of them.
    """
    entries = tomllib.loads(IGNORED.read_text())
    for id_, entry in entries.items():
        if not entry.get("package") or not entry.get("reason") or type(entry.get("until")) is not date:
            raise ValueError(f"{IGNORED.name}: {id_} needs a package, a reason and a day: until = 2027-01-31")
    return {(entry["package"], id_) for id_, entry in entries.items() if entry["until"] >= today}


def ask(service: list[str], pins: list[str], leave_out: set[tuple[str, str]]) -> list[str]:
    """What `service` knows about `pins`, one line an advisory. What is left out, is for its package alone: a fault of a
    library that several packages carry has one name in all of them.

    Raises:
        NotAudited: it does not know all of them, or could not be asked.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write("\n".join(pins))
        file.flush()
        command = [str(PIP_AUDIT), *OPTIONS.split(), "--requirement", file.name, *service]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)  # noqa: S603
            found: list[dict[str, Any]] = json.loads(done.stdout)["dependencies"]
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NotAudited(str(error)) from error
        except (ValueError, KeyError, TypeError):
            # Its exit status is 1 for advisories and for every failure alike.
            raise NotAudited(" ".join(done.stderr.split())[-200:] or "pip-audit said nothing") from None
    if len(found) != len(pins) or any("skip_reason" in one for one in found):
        raise NotAudited("pip-audit left pins out")
    lines = []
    for one in found:
        for advisory in one["vulns"]:
            if leave_out & {(one["name"], id_) for id_ in (advisory["id"], *advisory["aliases"])}:
                continue
            fixed = ", ".join(advisory["fix_versions"]) or "no release"
            lines.append(f"{one['name']} {one['version']}: {advisory['id']}, fixed in {fixed}")
    return lines


def audit(services: tuple[list[str], ...], leave_out: set[tuple[str, str]]) -> list[str]:
    """Every advisory, by the first service that can be believed and knows every pin.

    Raises:
        NotAudited: there is none.
    """
    wanted = rounds([file.read_text() for file in lock_files()])
    why = []
    for service in services:
        try:
            recognised = ask(service, [CONTROL], set())
            if recognised:
                return [line for pins in wanted for line in ask(service, pins, leave_out)]
            why.append(
                f"{' '.join(service)}: it names no advisory about urllib3 1.24.1, of which several are known"
            )
        except NotAudited as error:
            why.append(f"{' '.join(service)}: {error}")
    raise NotAudited("\n".join(why))


def main(arguments: list[str]) -> int:
    """The exit status. Arguments are options of pip-audit that choose a service, such as `--osv-url URL`."""
    services = (["--vulnerability-service", "osv", *arguments],) if arguments else SERVICES
    try:
        found = audit(services, ignored(datetime.now(UTC).date()))
    except NotAudited as error:
        print(f"error: not audited, so nothing is known about what is locked:\n{error}", file=sys.stderr)
        return NOT_AUDITED
    print(
        "\n".join(found)
        or "no advisory is known about anything that is locked, but for those ignored with a reason"
    )
    return ADVISORIES if found else CLEAN


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
