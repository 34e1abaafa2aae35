"""An AWS in memory, with the semantics that matter to the pipeline, and a hand that can stop or break every effect.

What is kept faithful: SQS delivers at least once, in any order, hides a message for its visibility time-out, counts
receives and moves a message to the dead-letter queue on the receive after the last; the event source mapping deletes
what a batch did not report as failed, and nothing when the function dies. DynamoDB's conditional writes are atomic and
return what is there. S3's tags are replaced whole and without a condition; without versions, a key shows whatever was
uploaded last. SNS takes a message and that is that. A function lives for 60 seconds at most.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, TypeVar
from urllib.parse import quote_plus

from support.context import Context

from screentest.screening import records
from screentest.screening.batch import Pipeline
from screentest.screening.breaker import Breaker, BreakerPolicy
from screentest.screening.contract import Decision
from screentest.screening.errors import (
    ObjectGone,
    PictureUnreadable,
    ScreeningError,
    StoreUnavailable,
    Throttled,
    Unavailable,
)
from screentest.screening.models import ObjectRef, Screening, Trigger, Verdict
from screentest.screening.notices import Notice
from screentest.screening.objects import ObjectMetadata, TagsConflict
from screentest.screening.records import VERSION, Item, Record
from screentest.screening.retry import Backoff
from screentest.screening.routes import Route, Routes
from screentest.screening.screen import Screener

T = TypeVar("T")

MAX_RECEIVES = 20
VISIBILITY = 360.0
FUNCTION_TIMEOUT = 60.0

ROUTES = Routes(
    (
        Route("one/", (Screening.of("emo-detect-v1"),)),
        Route("two/", (Screening.of("emo-detect-v1", "3:4"), Screening.of("emoji-detect-v1"))),
    )
)


class Killed(BaseException):
    """The function is gone: nothing after this line runs."""


class Fate(Enum):
    """What happens to one effect."""

    DONE = auto()
    KILLED_BEFORE = auto()
    KILLED_AFTER = auto()
    FAILED_BEFORE = auto()
    FAILED_AFTER = auto()
    """It happened, and the answer was lost."""


@dataclass
class Version:
    version_id: str | None
    content: str
    sequencer: str
    etag: str
    modified: float
    tags: dict[str, str]
    deleted: bool = False


@dataclass
class SqsMessage:
    id: str
    body: str
    sent: float
    visible_at: float
    receives: int = 0
    receipt: str = ""
    attributes: dict[str, str] = field(default_factory=dict)


Hand = Callable[[str, str], Fate]
"""Asked before each effect with its name and the object; says what becomes of it."""


class World:
    def __init__(self, *, versioned: bool = True, routes: Routes = ROUTES) -> None:
        self.now = 1_795_250_000.0
        self.versioned = versioned
        self.routes = routes
        self.bucket: dict[str, list[Version]] = {}
        self.queue: dict[str, SqsMessage] = {}
        self.dead: list[SqsMessage] = []
        self.table: dict[tuple[str, str], Item] = {}
        self.topic: list[dict[str, Any]] = []
        self.calls: Counter[tuple[str, str, str]] = Counter()
        self.down_until = 0.0
        self.throttled_until = 0.0
        self.index_down_until = 0.0
        """Until when writes of a verdict fail, and no others: the index of the table throttles."""
        self.call_times: list[float] = []
        self._numbers = itertools.count(1)
        self.lock = threading.Lock()

    # What users do -------------------------------------------------------------------------------------------------

    def upload(self, key: str, content: str, tags: Mapping[str, str] | None = None) -> Version:
        number = next(self._numbers)
        version = Version(
            version_id=f"v{number}" if self.versioned else None,
            content=content,
            sequencer=f"{number:016X}",
            etag=f"etag-{content}",
            modified=self.now,
            tags=dict(tags or {}),
        )
        if self.versioned:
            self.bucket.setdefault(key, []).append(version)
        else:
            self.bucket[key] = [version]
        self.send(self.event(key, version))
        return version

    def event(self, key: str, version: Version) -> str:
        described = {"key": quote_plus(key, safe="/"), "size": len(version.content), "eTag": version.etag}
        if version.version_id:
            described["versionId"] = version.version_id
        described["sequencer"] = version.sequencer
        return json.dumps(
            {
                "Records": [
                    {
                        "eventName": "ObjectCreated:Put",
                        "eventTime": records.timestamp(version.modified),
                        "s3": {"bucket": {"name": "uploads"}, "object": described},
                    }
                ]
            }
        )

    def delete(self, key: str) -> None:
        """The newest version, for good."""
        there = [version for version in self.bucket.get(key, []) if not version.deleted]
        if there:
            there[-1].deleted = True

    # Queue ---------------------------------------------------------------------------------------------------------

    def send(self, body: str, **attributes: str) -> None:
        id_ = f"m{next(self._numbers)}"
        self.queue[id_] = SqsMessage(id_, body, self.now, self.now, attributes=attributes)

    def expire(self) -> None:
        """What a queue does with messages that it has kept long enough."""
        self.queue = {
            id_: message
            for id_, message in self.queue.items()
            if self.now - message.sent
            < (records.BACKFILL_LIFE if "screentest.backfill" in message.body else records.UPLOAD_LIFE)
        }

    def visible(self) -> list[SqsMessage]:
        return [message for message in self.queue.values() if message.visible_at <= self.now]

    def receive(self, messages: Iterable[SqsMessage]) -> list[dict[str, Any]]:
        batch = []
        for message in messages:
            message.receives += 1
            if message.receives > MAX_RECEIVES:
                del self.queue[message.id]
                self.dead.append(message)
                continue
            message.visible_at = self.now + VISIBILITY
            message.receipt = f"{message.id}/{message.receives}"
            batch.append(
                {
                    "messageId": message.id,
                    "receiptHandle": message.receipt,
                    "body": message.body,
                    "attributes": {
                        "ApproximateReceiveCount": str(message.receives),
                        "SentTimestamp": str(round(message.sent * 1000)),
                    },
                    "messageAttributes": {
                        name: {"stringValue": value, "dataType": "String"}
                        for name, value in message.attributes.items()
                    },
                    "eventSource": "aws:sqs",
                }
            )
        return batch

    def forget(self, receipt: str) -> None:
        message = self.queue.get(receipt.partition("/")[0])
        if message is not None and message.receipt == receipt:
            del self.queue[message.id]

    # What can be read back -----------------------------------------------------------------------------------------

    def version(self, key: str, version_id: str | None) -> Version:
        for version in self.bucket.get(key, []):
            if (version_id is None or version.version_id == version_id) and not version.deleted:
                return version
        raise ObjectGone("gone")

    def item(self, key: str, screening: Screening, version: Version) -> Item | None:
        return self.table.get((f"s3://uploads/{key}", screening.sort_key(version.version_id)))


class Ports:
    """The pipeline's ports over a world, each effect in the hand's power."""

    def __init__(self, world: World, hand: Hand) -> None:
        self.world = world
        self.hand = hand

    def effect(self, name: str, place: str, act: Callable[[], T], lost: ScreeningError) -> T:
        fate = self.hand(name, place)
        if fate is Fate.KILLED_BEFORE:
            raise Killed(name)
        if fate is Fate.FAILED_BEFORE:
            raise lost
        result = act()
        if fate is Fate.KILLED_AFTER:
            raise Killed(name)
        if fate is Fate.FAILED_AFTER:
            raise lost
        return result

    # Signer, detector ----------------------------------------------------------------------------------------------

    def sign(self, ref: ObjectRef) -> str:
        return f"{ref.key}?{ref.version_id or ''}"

    def is_refused(self, ref: ObjectRef) -> bool:
        return False

    def detect(self, image_url: str, model: str, ratio: str | None = None) -> Decision:
        key, _, version_id = image_url.rpartition("?")
        return self.effect(
            "call",
            key,
            lambda: self._judge(key, version_id or None, model, ratio),
            Unavailable("lost", code="Timeout"),
        )

    def _judge(self, key: str, version_id: str | None, model: str, ratio: str | None) -> Decision:
        world = self.world
        world.call_times.append(world.now)
        if world.now < world.down_until:
            raise Unavailable("down", code="Timeout")
        if world.now < world.throttled_until:
            raise Throttled("slow down", retry_after=1.0)
        try:
            version = world.version(key, version_id)
        except ObjectGone:
            raise PictureUnreadable("cannot be fetched") from None
        world.calls[key, version.sequencer, f"{model}#{ratio}"] += 1
        if version.content == "crash":
            raise Killed("the picture")
        return decision(version.content)

    # Table ---------------------------------------------------------------------------------------------------------

    def create(self, record: Record) -> Record | None:
        item = record.to_item()

        def act() -> Record | None:
            place = (item["object"], item["screening"])
            seen = self.world.table.get(place)
            if seen is None:
                self.world.table[place] = dict(item)
                return None
            # The adapter finds its own write when a first answer was lost inside the SDK.
            return Record.from_item(seen)

        return self.effect("claim", item["key"], act, StoreUnavailable("table"))

    def replace(self, record: Record, seen: Record) -> bool:
        item, before = record.to_item(), seen.to_item()

        def act() -> bool:
            place = (item["object"], item["screening"])
            there = self.world.table.get(place, {})
            if self.world.now < self.world.index_down_until and item.get("verdict") != there.get("verdict"):
                raise StoreUnavailable("ThrottlingException of the index")
            if any(there.get(name) != before.get(name) for name in VERSION):
                return False
            self.world.table[place] = dict(item)
            return True

        return self.effect("table", item["key"], act, StoreUnavailable("table"))

    def note(self, record: Record, **attributes: str) -> bool:
        item = record.to_item()

        def act() -> bool:
            there = self.world.table.get((item["object"], item["screening"]), {})
            if there.get("screened_at") != item["screened_at"] or "lease_until" in there:
                return False
            there.update(attributes)
            return True

        return self.effect("note", item["key"], act, StoreUnavailable("table"))

    def get(self, key: Mapping[str, str]) -> Record | None:
        found = self.world.table.get((key["object"], key["screening"]))
        return Record.from_item(found) if found is not None else None

    def overdue(self, now: float) -> Iterator[Record]:
        records_ = map(Record.from_item, list(self.world.table.values()))
        return (record for record in records_ if record.is_overdue(now))

    # Objects -------------------------------------------------------------------------------------------------------

    def head(self, ref: ObjectRef) -> ObjectMetadata:
        def act() -> ObjectMetadata:
            version = self.world.version(ref.key, ref.version_id)
            return ObjectMetadata(
                version.etag,
                records.timestamp(version.modified),
                len(version.content),
                {},
                version.version_id,
            )

        return self.effect("head", ref.key, act, StoreUnavailable("s3"))

    def read(self, ref: ObjectRef) -> ObjectMetadata:
        return self.head(ref)

    def tags(self, ref: ObjectRef) -> dict[str, str]:
        return self.effect(
            "tags",
            ref.key,
            lambda: dict(self.world.version(ref.key, ref.version_id).tags),
            StoreUnavailable("s3"),
        )

    def write_tags(self, ref: ObjectRef, tags: Mapping[str, str]) -> None:
        def act() -> None:
            assert len(tags) <= 10
            self.world.version(ref.key, ref.version_id).tags = dict(tags)

        self.effect("write_tags", ref.key, act, TagsConflict("OperationAborted"))

    # Topic, queue --------------------------------------------------------------------------------------------------

    def publish(self, notice: Notice) -> None:
        document = json.loads(notice.default)
        self.effect(
            "publish", document["key"], lambda: self.world.topic.append(document), StoreUnavailable("sns")
        )

    has_dead_letters = True

    def delay(self, receipt: str, wait: int) -> None:
        def act() -> None:
            message = self.world.queue.get(receipt.partition("/")[0])
            if message is not None and message.receipt == receipt:
                message.visible_at = self.world.now + wait

        self.effect("delay", "", act, StoreUnavailable("sqs"))

    def finish(self, receipts: Iterable[str]) -> None:
        def act() -> None:
            for receipt in receipts:
                self.world.forget(receipt)

        self.effect("finish", "", act, StoreUnavailable("sqs"))

    def dead_letter(self, body: str, attributes: Mapping[str, str]) -> None:
        def act() -> None:
            self.world.dead.append(
                SqsMessage("dead_lettered", body, self.world.now, 0.0, attributes=dict(attributes))
            )

        self.effect("dead-letter", "", act, StoreUnavailable("sqs"))


def decision(content: str) -> Decision:
    """What the detector says of a picture."""
    if content == "garbage":
        raise PictureUnreadable("not a picture")
    if content.startswith("pass"):
        return Decision(Verdict.PASS, face_bbox=(1, 2, 3, 4), ext_bbox=(0, 0, 5, 5), image_count=1)
    return Decision(Verdict.REJECT, code="InvalidFile.NoHuman", message="nobody", image_count=1)


def expected(content: str) -> tuple[str, str | None]:
    """The verdict and code that a picture deserves."""
    if content == "garbage":
        return "reject", "InvalidURL"
    if content == "crash":
        return "error", "Crashed"
    return ("pass", None) if content.startswith("pass") else ("reject", "InvalidFile.NoHuman")


class Silent:
    """Telemetry that counts and says nothing."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.defects: list[Exception] = []

    def begin(self, request_id: str | None) -> None: ...

    def screened(self, record: Record, *, fresh: bool) -> None:
        self.counts["screened" if fresh else "duplicate"] += 1

    def failed(self, ref: ObjectRef, screening: Screening | None, error: ScreeningError) -> None:
        self.counts[error.code] += 1

    def ignored(self, ref: ObjectRef, why: str) -> None:
        self.counts["ignored"] += 1

    def unreadable(self, message_id: str, error: ScreeningError) -> None:
        self.counts["unreadable"] += 1

    def defect(self, message_id: str | None, error: Exception, triggers: Iterable[Trigger] = ()) -> None:
        self.defects.append(error)

    def overdue(self, records: Sequence[Record], number: int) -> None:
        self.counts["overdue"] = number

    def note(self, text: str, **fields: Any) -> None: ...

    def flush(self) -> None: ...


class Serial(Executor):
    """Runs in the caller's thread, so that a test decides what runs when."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future

    def map(self, fn: Callable[..., T], *iterables: Iterable[Any], **_: Any) -> Any:
        return [fn(*arguments) for arguments in zip(*iterables, strict=False)]


class Function:
    """One execution environment: what it holds in memory lives as long as it does."""

    def __init__(
        self,
        world: World,
        hand: Hand,
        *,
        policy: BreakerPolicy | None = None,
        detector: Any = None,
        signer: Any = None,
    ) -> None:
        self.world = world
        self.telemetry = Silent()
        self.ports = Ports(world, hand)
        ports: Any = self.ports
        telemetry: Any = self.telemetry
        self.pipeline = Pipeline(
            Screener(
                detector=detector or ports,
                signer=signer or ports,
                table=ports,
                objects=ports,
                topic=ports,
                telemetry=telemetry,
                routes=world.routes,
                detector_name="fake",
                breaker=Breaker(policy, clock=lambda: world.now),
                clock=lambda: world.now,
                stopwatch=lambda: world.now,
            ),
            ports,
            telemetry,
            max_receives=MAX_RECEIVES,
            backoff=Backoff(),
            pool=Serial(),
        )


def context(world: World) -> Context:
    """Of an invocation that begins now."""
    ends = world.now + FUNCTION_TIMEOUT
    return Context(lambda: ends - world.now)


def invoke(world: World, function: Function, messages: Iterable[SqsMessage]) -> bool:
    """One batch from receive to delete. False when the function died."""
    batch = world.receive(list(messages)[:10])
    if not batch:
        return True
    try:
        answer = function.pipeline({"Records": batch}, context(world))
    except Killed:
        return False
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    for record in batch:
        if record["messageId"] not in failed:
            world.forget(record["receiptHandle"])
    return True


def settle(world: World, function: Function | None = None, *, rounds: int = 2000) -> None:
    """Let everything come to rest, without any further fault."""
    function = function or Function(world, lambda _name, _place: Fate.DONE)
    for _ in range(rounds):
        if not world.queue:
            break
        due = world.visible()
        if not due:
            world.now = min(message.visible_at for message in world.queue.values())
            continue
        invoke(world, function, due)
        world.now += 0.05
    assert not world.queue, "messages that never come to rest"
    assert not function.telemetry.defects
