"""Asks whether advisories are known about anything that is locked: `make audit`.

Every pin of every lock file, whatever machine it is for, goes through pip-audit, which looks it up and changes nothing.
pip-audit leaves out what its service does not know and then ends as if all were well. Here an answer counts only for a
pin that was looked up, by a service that has just shown on a release of known faults that it has advisories at all.

Exit status: 0 no advisory is known about any pin, 1 advisories, 2 some pins or all of them were not audited.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import textwrap
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

REPOSITORY: Final = Path(__file__).parents[1]
PIP_AUDIT: Final = REPOSITORY / ".audit" / "bin" / "pip-audit"
IGNORED: Final = REPOSITORY / "requirements" / "ignored-advisories.toml"

CLEAN, ADVISORIES, NOT_AUDITED = 0, 1, 2

SERVICES: Final = ("pypi", "osv")
"""Asked in this order; the second for what the first does not know. A mirror of the index seldom has advisories."""

SECONDS: Final = 900
"""For one call of pip-audit, which asks about one package after the other: three hundred at three seconds each."""

NAMED: Final = 10
"""Pins that are named where many were not audited; their number says the rest."""

TOLD: Final = 160
"""Characters of what pip-audit says last when it fails: the end of a trace, which may go on for a screen."""

_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==([^\s;\\]+)")
_HASH: Final = re.compile(r"--hash=(\S+)")


@dataclass(frozen=True, slots=True)
class Pin:
    """One release that a lock file names.

    Attributes:
        name: normalised, as services know it.
    """

    name: str
    version: str
    hashes: tuple[str, ...] = field(default=(), compare=False)

    def __str__(self) -> str:
        return f"{self.name} {self.version}"


CONTROL: Final = Pin(
    "urllib3", "1.24.1", ("sha256:61bf29cada3fc2fbefad4fdf059ea4bd1b4a86d2b6d15e1c7c0b582b9752fe39",)
)
"""Advisories about this release are known since 2019: a service that names none has none of any package."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """What a service says about a pin."""

    id: str
    aliases: tuple[str, ...] = ()
    fixed_in: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Ignored:
    """An advisory that does not concern us.

    Attributes:
        until: the last day on which it is ignored.
    """

    id: str
    package: str
    reason: str
    until: date

    def covers(self, pin: Pin, advisory: Advisory) -> bool:
        """Whether it is about this advisory, by whichever of its names."""
        return self.package == pin.name and self.id in (advisory.id, *advisory.aliases)


@dataclass(frozen=True, slots=True)
class Finished:
    """How a call of pip-audit ended."""

    stdout: str
    stderr: str


Runner = Callable[[Sequence[str]], Finished]
"""Calls pip-audit with these arguments."""


class Unanswered(Exception):
    """A service could not be asked, or knows nothing; the message says why."""


class MalformedList(Exception):
    """A lock file or the list of ignored advisories is not as it should be."""


@dataclass(slots=True)
class Outcome:
    """What is known after an audit.

    Attributes:
        locks: the lock files of each pin.
        advisories: of each pin that was audited, none included.
        unaudited: what each service answered instead, for each pin that was not.
        ignored: advisories left out, with the entry that says so.
        expired: entries whose day has passed while their advisory is still there.
        needless: entries that nothing matches any more.
    """

    locks: Mapping[Pin, Sequence[str]]
    advisories: dict[Pin, list[Advisory]] = field(default_factory=dict)
    unaudited: dict[Pin, list[str]] = field(default_factory=dict)
    ignored: list[tuple[Pin, Ignored]] = field(default_factory=list)
    expired: dict[tuple[Pin, Advisory], Ignored] = field(default_factory=dict)
    needless: list[Ignored] = field(default_factory=list)

    @property
    def found(self) -> list[tuple[Pin, Advisory]]:
        """Every advisory that stands."""
        return [
            (pin, advisory) for pin, advisories in sorted_by_name(self.advisories) for advisory in advisories
        ]

    @property
    def status(self) -> int:
        """The exit status. Advisories are told first: they stand whatever else was not looked up."""
        if self.found:
            return ADVISORIES
        return NOT_AUDITED if self.unaudited else CLEAN


# What is locked -----------------------------------------------------------------------------------------------------


def lock_files(repository: Path = REPOSITORY) -> list[Path]:
    """Every lock file of the repository."""
    return sorted([*repository.glob("requirements/*.txt"), *repository.glob("layers/*/requirements.txt")])


def pins(lock: Path) -> Iterator[Pin]:
    """What a lock file names, for whatever Python and system.

    Raises:
        MalformedList: a line that is not a pin with its hashes.
    """
    for entry in re.split(r"\n(?=\S)", lock.read_text().strip()):
        if entry.startswith("#"):
            continue
        pin, hashes = _PIN.match(entry), tuple(_HASH.findall(entry))
        if not pin or not hashes:
            raise MalformedList(f"{lock}: not a pin with hashes: {entry.splitlines()[0]}")
        yield Pin(normalised(pin[1]), pin[2], hashes)


def locked(files: Iterable[Path]) -> dict[Pin, list[str]]:
    """Each pin once, with the lock files that have it, named shortly.

    Raises:
        MalformedList: a line that is not a pin with its hashes.
    """
    found: dict[Pin, list[str]] = {}
    for file in files:
        for pin in pins(file):
            found.setdefault(pin, []).append(_short(file))
    return found


def _short(lock: Path) -> str:
    """`detection`, `dev`: what a narrow table has room for."""
    return lock.parent.name if lock.name == "requirements.txt" else lock.stem


def normalised(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def sorted_by_name(mapping: Mapping[Pin, Any]) -> list[tuple[Pin, Any]]:
    """Its items in the order of their packages."""
    return sorted(mapping.items(), key=lambda item: (item[0].name, item[0].version))


def rounds(wanted: Iterable[Pin]) -> list[list[Pin]]:
    """Lists in which no package occurs twice, which pip-audit would refuse."""
    lists: list[dict[str, Pin]] = []
    for pin in wanted:
        free = next((one for one in lists if pin.name not in one), None)
        if free is None:
            lists.append(free := {})
        free[pin.name] = pin
    return [list(one.values()) for one in lists]


def read_ignored(file: Path = IGNORED) -> list[Ignored]:
    """The advisories that do not concern us.

    Raises:
        MalformedList: an entry lacks its package, its reason or its day.
    """
    try:
        entries = tomllib.loads(file.read_text())
    except tomllib.TOMLDecodeError as error:
        raise MalformedList(f"{file.name}: {error}") from error
    ignored = []
    for id_, entry in entries.items():
        if not (
            isinstance(entry, dict)
            and set(entry) == {"package", "reason", "until"}
            and all(isinstance(entry[name], str) and entry[name].strip() for name in ("package", "reason"))
            and type(entry["until"]) is date
        ):
            raise MalformedList(f"{file.name}: {id_} needs a package, a reason and a day: until = 2027-01-31")
        ignored.append(Ignored(id_, normalised(entry["package"]), entry["reason"], entry["until"]))
    return ignored


# What is known about it ----------------------------------------------------------------------------------------------


def run_pip_audit(arguments: Sequence[str]) -> Finished:
    """Call the real one."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_AUDIT_")}
    try:
        done = subprocess.run(  # noqa: S603 - our own program with our own arguments
            [str(PIP_AUDIT), *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return Finished("", "pip-audit is not installed here: run make audit")
    except subprocess.TimeoutExpired:
        return Finished("", f"no answer within {SECONDS} seconds")
    return Finished(done.stdout, done.stderr)


def ask(
    wanted: Sequence[Pin], run: Runner, service: str, options: Sequence[str] = ()
) -> dict[Pin, list[Advisory] | str]:
    """What a service knows about pins of different packages: advisories, or why it was not looked up.

    Raises:
        Unanswered: pip-audit did not come to an end.
    """
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        for pin in wanted:
            hashes = "".join(f" --hash={digest}" for digest in pin.hashes)
            file.write(f"{pin.name}=={pin.version}{hashes}\n")
        file.flush()
        done = run(
            [
                *("--requirement", file.name, "--require-hashes", "--no-deps", "--disable-pip"),
                *("--vulnerability-service", service, *options),
                *("--format", "json", "--aliases", "on", "--desc", "off", "--progress-spinner", "off"),
            ]
        )
    try:
        # Its exit status is 1 for advisories and for every failure alike.
        answers = {normalised(one["name"]): one for one in json.loads(done.stdout)["dependencies"]}
        return {pin: _answer(answers.get(pin.name)) for pin in wanted}
    except (ValueError, KeyError, TypeError, AttributeError):
        said = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        raise Unanswered(textwrap.shorten(said[-1], TOLD, placeholder=" …")) from None


def _answer(one: Mapping[str, Any] | None) -> list[Advisory] | str:
    if one is None:
        return "pip-audit left it out"
    if "skip_reason" in one:
        return str(one["skip_reason"])
    return [
        Advisory(found["id"], tuple(found.get("aliases", ())), tuple(found.get("fix_versions", ())))
        for found in one["vulns"]
    ]


def audit(
    locks: Mapping[Pin, Sequence[str]],
    ignored: Sequence[Ignored],
    *,
    run: Runner = run_pip_audit,
    services: Sequence[str] = SERVICES,
    options: Sequence[str] = (),
    today: date,
) -> Outcome:
    """Look every pin up, at the next service where one knows nothing of it."""
    outcome = Outcome(locks)
    troubles: dict[Pin, list[str]] = {pin: [] for pin in locks}
    for service in services:
        if not (left := [pin for pin in locks if pin not in outcome.advisories]):
            break
        try:
            _prove(run, service, options)
        except Unanswered as error:
            for trouble in troubles.values():
                trouble.append(f"{service}: {error}")
            continue
        for wanted in rounds(left):
            try:
                answers = ask(wanted, run, service, options)
            except Unanswered as error:
                answers = dict.fromkeys(wanted, str(error))
            for pin, answer in answers.items():
                if isinstance(answer, str):
                    troubles[pin].append(f"{service}: {answer}")
                else:
                    outcome.advisories[pin] = answer
    outcome.unaudited = {pin: trouble for pin, trouble in troubles.items() if pin not in outcome.advisories}
    _leave_out(outcome, ignored, today)
    return outcome


def _prove(run: Runner, service: str, options: Sequence[str]) -> None:
    """See that a service has advisories at all.

    Raises:
        Unanswered: it has none, or did not answer.
    """
    known = ask([CONTROL], run, service, options)[CONTROL]
    if isinstance(known, str):
        raise Unanswered(known)
    if not known:
        raise Unanswered(f"it names no advisory about {CONTROL}, of which several are known")


def _leave_out(outcome: Outcome, ignored: Sequence[Ignored], today: date) -> None:
    matched: set[Ignored] = set()
    for pin, advisories in outcome.advisories.items():
        for advisory in list(advisories):
            for entry in ignored:
                if not entry.covers(pin, advisory):
                    continue
                matched.add(entry)
                if entry.until < today:
                    outcome.expired[pin, advisory] = entry
                elif advisory in advisories:
                    advisories.remove(advisory)
                    outcome.ignored.append((pin, entry))
    if not outcome.unaudited:
        outcome.needless = [entry for entry in ignored if entry not in matched]


# What is said about it -----------------------------------------------------------------------------------------------


def table(outcome: Outcome) -> Table:
    """Every advisory that stands, one a row."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    made.add_column("package and version", overflow="fold")
    made.add_column("advisory", no_wrap=True)  # to be searched for
    made.add_column("fixed in", overflow="fold")
    made.add_column("lock", overflow="fold")
    for pin, advisory in outcome.found:
        names = [advisory.id, *advisory.aliases]
        if entry := outcome.expired.get((pin, advisory)):
            names.append(f"(ignored until {entry.until})")
        made.add_row(
            str(pin),
            "\n".join(names),
            ", ".join(advisory.fixed_in) or "no release",
            "\n".join(outcome.locks[pin]),
        )
    return made


def report(outcome: Outcome, results: Console, remarks: Console) -> None:
    """Say it: advisories on one console, all else on the other."""
    for pin, entry in sorted(outcome.ignored, key=lambda pair: (pair[0].name, pair[1].id)):
        _say(remarks, f"ignored until {entry.until}: {entry.id} about {pin}: {entry.reason}")
    for entry in outcome.needless:
        _say(remarks, f"{IGNORED.name}: nothing locked has {entry.id} in {entry.package} any more: remove it")
    files = {file for files in outcome.locks.values() for file in files}
    known = f"{len(outcome.advisories)} of {len(outcome.locks)} pins in {len(files)} lock files were audited"
    if outcome.found:
        results.print(table(outcome))
        _say(
            remarks,
            f"error: {_count(outcome.found)}; {known}. Raise the pin (make lock), or say in "
            f"requirements/{IGNORED.name} why it does not concern us and until when",
        )
    if outcome.unaudited:
        _say_unaudited(outcome, known, remarks)
    if outcome.status == CLEAN:
        _say(results, f"{known}: no advisory is known about any{' other' if outcome.ignored else ''}")


def _say_unaudited(outcome: Outcome, known: str, remarks: Console) -> None:
    if not outcome.advisories:
        (why, *_) = outcome.unaudited.values()
        _say(
            remarks,
            f"error: nothing was audited, so nothing is known about the {len(outcome.locks)} pins. No advisory service "
            "answered:",
        )
        for line in why:
            _say(remarks, f"  {line}")
        _say(
            remarks,
            "Run it where pypi.org itself (a mirror seldom has advisories) or api.osv.dev can be reached, or name "
            "another server of the OSV protocol: --osv-url URL",
        )
        return
    _say(remarks, f"error: {known}; nothing is known about the others:")
    for pin, why in sorted_by_name(outcome.unaudited)[:NAMED]:
        _say(remarks, f"  {pin}: {'; '.join(why)}")
    if (more := len(outcome.unaudited) - NAMED) > 0:
        _say(remarks, f"  and {more} more")


def _count(advisories: Sequence[Any]) -> str:
    return f"{len(advisories)} {'advisory' if len(advisories) == 1 else 'advisories'}"


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False)


def main(arguments: Sequence[str] | None = None, run: Runner = run_pip_audit) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="make audit", description="Known advisories about what is locked.")
    parser.add_argument("--service", choices=SERVICES, help="ask this one alone (default: pypi, then osv)")
    parser.add_argument("--osv-url", metavar="URL", help="of another server of the OSV protocol, alone")
    given = parser.parse_args(arguments)
    services = ("osv",) if given.osv_url else (given.service,) if given.service else SERVICES
    remarks = Console(stderr=True)
    try:
        outcome = audit(
            locked(lock_files()),
            read_ignored(),
            run=run,
            services=services,
            options=("--osv-url", given.osv_url) if given.osv_url else (),
            today=datetime.now(UTC).date(),
        )
    except MalformedList as error:
        _say(remarks, f"error: {error}")
        return NOT_AUDITED
    report(outcome, Console(), remarks)
    return outcome.status


if __name__ == "__main__":
    sys.exit(main())
