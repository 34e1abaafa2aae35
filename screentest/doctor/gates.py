"""Do the gates in the bucket say what the table says? Tags can be written by others, once the verdict is written.

Each object costs one read of its tags, and with `AllowObjectRoutes` one of its metadata; the table is read 100 records
at a time, the bucket listed 1,000 objects at a time.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any, Final

from screentest.aws import Access, AwsError, as_aws_errors, error_code
from screentest.backfill.selection import Listed, parse_source
from screentest.backfill.sources import BATCH_GET, Bucket, Verdicts
from screentest.doctor.checks import Finding, State
from screentest.screening import routes, tags
from screentest.screening.models import ObjectRef, Screening, Verdict
from screentest.screening.records import Attribute, Record, Result, seconds
from screentest.screening.routes import Routes
from screentest.verdicts.screening import event, invoke

READERS: Final = 16
"""Objects whose tags are read at a time."""

GRACE: Final = 900.0
"""Seconds after an upload or a verdict in which its tags may still be on their way."""

ATTRIBUTES: Final = (
    Attribute.OBJECT,
    Attribute.SCREENING,
    Attribute.VERDICT,
    Attribute.SCREENED_AT,
    Attribute.CODE,
    Attribute.FACE_BBOX,
    Attribute.EXT_BBOX,
    Attribute.BODY_STYLE,
    Attribute.ETAG,
)
"""What tags are made of, and which upload it is about."""

_GONE: Final = frozenset({"NoSuchKey", "NoSuchVersion", "404", "405", "MethodNotAllowed"})

Tags = Mapping[str, str]


class Fault(StrEnum):
    """What is wrong with the tags of one object."""

    FORGED = "forged"
    """They let it pass, and no record does."""
    MISSING = "missing"
    """All is decided, and there is no gate."""
    DIFFERING = "differing"
    """The gate is there, and is not what the records say."""
    DETAILS = "details differ"
    """The gate is right, other tags of ours are not."""


@dataclass(frozen=True, slots=True)
class Looked:
    """One object whose tags are not as they should be."""

    listed: Listed
    fault: Fault
    detail: str


def fault_of(
    ref: ObjectRef,
    found: Tags,
    screenings: Sequence[Screening],
    stored: Mapping[Screening, Record],
    now: float,
    grace: float = GRACE,
    plan: tags.Planner = tags.plan,
) -> tuple[Fault, str] | None:
    """What is wrong with an object's tags, if anything is for certain.

    Args:
        found: all its tags.
        screenings: that it is routed to.
        stored: its records.
        now: seconds since 1970.
        grace: seconds after an upload or a verdict in which nothing is certain.
        plan: which tags the stack writes.
    """
    results = [(screening, _result(ref, stored.get(screening))) for screening in screenings]
    wanted = plan(found, results)
    newest = max([seconds(ref.last_modified or ""), *(seconds(r.screened_at) for _, r in results if r)])
    if not wanted.changed or newest > now - grace:
        return None
    gate, due = found.get(tags.GATE), wanted.tags.get(tags.GATE)
    said = f"its gate says {gate or 'nothing'}, its records {due or _undecided(results)}"
    if gate == due:
        return Fault.DETAILS, "tags beside the gate are not what its records say"
    if gate == Verdict.PASS:
        return Fault.FORGED, said
    return (Fault.MISSING if gate is None else Fault.DIFFERING), said


def _result(ref: ObjectRef, record: Record | None) -> Result | None:
    """The result on this upload; while it is screened again, the former one."""
    is_of = record is not None and (ref.version_id is not None or record.ref.etag == ref.etag)
    return record.result if record is not None and is_of else None


def _undecided(results: Iterable[tuple[Screening, Result | None]]) -> str:
    return "nothing that fits" if all(result for _, result in results) else "that not all is decided"


class Gates:
    """Compares the gates of a deployed stack with its records.

    Args:
        clock: seconds since 1970.
    """

    def __init__(self, access: Access, source: str | None, *, clock: Callable[[], float] = time.time) -> None:
        """
        Raises:
            AwsError: no such stack, or not its bucket.
        """
        stack = access.stack
        self._bucket, prefix = stack.output("UploadBucketName"), ""
        if source:
            bucket, prefix = parse_source(source)
            if bucket != self._bucket:
                raise AwsError(f"the stack {stack.name} screens the bucket {self._bucket}, not {bucket}")
        self._access = access
        self._clock = clock
        self._s3 = access.client("s3")
        self._pages = Bucket(self._s3, self._bucket, prefix)
        self._verdicts = Verdicts(access.client("dynamodb"), stack.output("VerdictTableName"), ATTRIBUTES)
        self._routes = Routes.parse(stack.parameters.get("Routes", ""))
        self._plan = tags.PLANNERS[stack.parameters.get("ObjectTags", "all")]
        self._by_objects = stack.parameters.get("AllowObjectRoutes") == "true"

    def listed(self) -> Iterator[Listed]:
        """Every current object that is to be screened."""
        for page in self._pages.pages():
            for each in page.objects:
                ref = each.ref(self._bucket)
                if routes.is_folder(ref) or routes.is_report(ref):
                    continue
                if self._by_objects or self._routes.screenings(each.key):
                    yield each

    def look(self, objects: Iterable[Listed], grace: float = GRACE) -> Iterator[Looked | None]:
        """What is wrong with each; None where nothing is, or nothing for certain.

        Raises:
            AwsError: table or tags may not be read.
        """
        with ThreadPoolExecutor(READERS, thread_name_prefix="gates") as pool:
            left = iter(objects)
            while some := tuple(islice(left, BATCH_GET)):
                screenings = dict(zip(some, pool.map(self._screenings, some), strict=True))
                stored = self._verdicts.of(self._bucket, list(screenings.items()))
                found = pool.map(self._tags, some)
                for each, there in zip(some, found, strict=True):
                    yield self._judged(each, there, screenings[each], stored, grace)

    def repair(self, looked: Looked) -> bool:
        """Have the screen function write the tags that are due, and look again; True when they are right.

        Where there is no record, the object is screened.

        Raises:
            AwsError: the function may not be called, or did not answer.
        """
        each = looked.listed
        described = {
            "VersionId": each.version_id,
            "ContentLength": each.size,
            "ETag": each.etag,
            "LastModified": each.last_modified,
        }
        invoke(self._access, event(self._bucket, each.key, described))
        (again,) = self.look([each], grace=0.0)
        return again is None

    def _judged(
        self,
        each: Listed,
        found: Tags | None,
        screenings: tuple[Screening, ...],
        stored: Mapping[tuple[str, str | None], Mapping[Screening, Record]],
        grace: float,
    ) -> Looked | None:
        ref = each.ref(self._bucket)
        if found is None:
            return None
        of_object = stored.get((ref.uri, ref.version_id), {})
        fault = fault_of(ref, found, screenings, of_object, self._clock(), grace, self._plan)
        return Looked(each, *fault) if fault else None

    def _screenings(self, each: Listed) -> tuple[Screening, ...]:
        routed = self._routes.screenings(each.key)
        if not self._by_objects:
            return routed
        answer = self._read("head_object", "s3:GetObject", each)
        asked = (answer or {}).get("Metadata", {}).get(routes.METADATA_KEY, "")
        return routes.merged(routed, routes.from_metadata(asked))

    def _tags(self, each: Listed) -> Tags | None:
        answer = self._read("get_object_tagging", "s3:GetObjectTagging and s3:GetObjectVersionTagging", each)
        return None if answer is None else {tag["Key"]: tag["Value"] for tag in answer["TagSet"]}

    def _read(self, call: str, needs: str, each: Listed) -> Any:
        """The answer; None where the object is gone meanwhile."""
        at = {"VersionId": each.version_id} if each.version_id else {}
        with as_aws_errors(f"read s3://{self._bucket}/{each.key}", needs=f"{needs} on the bucket's objects"):
            try:
                return getattr(self._s3, call)(Bucket=self._bucket, Key=each.key, **at)
            except self._s3.exceptions.ClientError as error:
                if error_code(error) in _GONE:
                    return None
                raise


def sampled(objects: Iterable[Listed], size: int, rng: random.Random) -> list[Listed]:
    """So many of them, each with the same chance, in the memory of these alone."""
    kept: list[Listed] = []
    for number, each in enumerate(objects):
        if number < size:
            kept.append(each)
        elif (place := rng.randrange(number + 1)) < size:
            kept[place] = each
    return kept


def run_gates(
    access: Access,
    source: str | None,
    *,
    sample: int | None = None,
    repair: bool = False,
    clock: Callable[[], float] = time.time,
) -> Iterator[Finding]:
    """A finding for each object whose tags are wrong, and one for all.

    Args:
        source: `s3://BUCKET/PREFIX`; None for the whole bucket.
        sample: look at so many of them only.
        repair: have wrong tags written anew.

    Raises:
        AwsError: it cannot be looked at.
    """
    gates = Gates(access, source, clock=clock)
    objects = gates.listed()
    chosen = objects if sample is None else sampled(objects, sample, random.Random())  # noqa: S311 - no secret
    looked_at, wrong, repaired = 0, dict.fromkeys(Fault, 0), 0
    for looked in gates.look(chosen):
        looked_at += 1
        if looked is None:
            continue
        wrong[looked.fault] += 1
        right = repair and gates.repair(looked)
        repaired += right
        yield _finding(access, looked, right=right)
    counts = ", ".join(f"{count:,} {fault}" for fault, count in wrong.items() if count)
    detail = f"{looked_at:,} objects looked at: {counts or 'all as their records say'}"
    if repair and counts:
        detail += f"; {repaired:,} written anew"
    left = sum(wrong.values()) - repaired
    grave = left and any(count for fault, count in wrong.items() if fault is not Fault.DETAILS)
    yield Finding(
        "gates",
        State.FAILED if grave else State.WARNING if left else State.OK,
        detail,
        "screentest doctor --gates --repair has the function write them anew" if left and not repair else "",
    )


def _finding(access: Access, looked: Looked, *, right: bool) -> Finding:
    each = looked.listed
    version = f" version {each.version_id}" if each.version_id else ""
    where = f"s3://{access.stack.output('UploadBucketName')}/{each.key}{version}"
    state = State.WARNING if right or looked.fault is Fault.DETAILS else State.FAILED
    detail = f"{where}: {looked.fault}: {looked.detail}"
    return Finding("gate", state, f"{detail}; written anew" if right else detail)
