"""Dead letters: looked at, chosen, put back; never lost."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from support.aws import client, create_verdict_table

from screentest.aws import AwsError
from screentest.redrive.dead_letters import NO_CODE, Codes, DeadLetter, DeadLetterQueue, Filters, parse_age
from screentest.screening.models import ObjectRef
from screentest.screening.queue import CODE_ATTRIBUTE, REDRIVEN_ATTRIBUTE
from screentest.screening.table import encode

NOW = 1_790_000_000.0


def event(key: str, bucket: str = "portraits") -> str:
    return json.dumps(
        {
            "Records": [
                {
                    "eventName": "ObjectCreated:Put",
                    "eventTime": "2026-11-21T00:00:00.000Z",
                    "s3": {"bucket": {"name": bucket}, "object": {"key": key, "size": 1, "sequencer": "1"}},
                }
            ]
        }
    )


class Queues:
    """A dead-letter queue, the queue it belongs to, and a table, on moto."""

    def __init__(self, moto: str) -> None:
        self.sqs, self.dynamodb = client("sqs", moto), client("dynamodb", moto)
        name = f"redrive-{uuid.uuid4().hex[:10]}"
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        self.origin = self.sqs.create_queue(QueueName=name)["QueueUrl"]
        self.table = name
        create_verdict_table(self.dynamodb, name)

    def dead_letters(self, client: Any = None) -> DeadLetterQueue:
        return DeadLetterQueue(
            client or self.sqs,
            url=self.dead,
            origin=self.origin,
            codes=Codes(self.dynamodb, self.table),
            clock=lambda: NOW,
            wait=0,
        )

    def dead_letter(self, body: str, code: str | None = None) -> None:
        attributes = {CODE_ATTRIBUTE: {"DataType": "String", "StringValue": code}} if code else {}
        self.sqs.send_message(QueueUrl=self.dead, MessageBody=body, MessageAttributes=attributes)

    def bodies(self, url: str) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        while new := self.sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        ).get("Messages"):
            found += new
        return found


@pytest.fixture
def queues(moto: str) -> Queues:
    return Queues(moto)


def test_looking_changes_nothing(queues: Queues) -> None:
    for n in range(25):
        queues.dead_letter(event(f"emo/1x1/{n}.jpg"), "InvalidApiKey")
    dead_letters = queues.dead_letters()
    seen = list(dead_letters.read())
    dead_letters.release([dead_letter.receipt for dead_letter in seen])
    assert {dead_letter.refs[0].key for dead_letter in seen} == {f"emo/1x1/{n}.jpg" for n in range(25)}
    assert {dead_letter.code for dead_letter in seen} == {"InvalidApiKey"}
    assert len(list(dead_letters.read())) == 25, "released, so that the next look sees them at once"
    assert queues.bodies(queues.origin) == []


def test_put_back_means_sent_with_the_mark_and_deleted(queues: Queues) -> None:
    bodies = {event(f"emo/1x1/{n}.jpg") for n in range(10)}
    for body in bodies:
        queues.dead_letter(body, "InvalidApiKey")
    dead_letters = queues.dead_letters()
    assert dead_letters.put_back(list(dead_letters.read())) == []
    back = queues.bodies(queues.origin)
    assert {message["Body"] for message in back} == bodies
    assert {message["MessageAttributes"][REDRIVEN_ATTRIBUTE]["StringValue"] for message in back} == {
        "2026-09-21T14:13:20.000Z"
    }
    assert all(CODE_ATTRIBUTE not in message["MessageAttributes"] for message in back)
    assert dead_letters.count() == 0


class Broken:
    """An SQS client whose given operation fails."""

    def __init__(self, client: Any, operation: str, error: BaseException | dict[str, Any]) -> None:
        self._client, self._operation, self._error = client, operation, error

    def __getattr__(self, name: str) -> Any:
        if name != self._operation:
            return getattr(self._client, name)

        def fail(**_arguments: Any) -> Any:
            if isinstance(self._error, BaseException):
                raise self._error
            return self._error

        return fail


@pytest.mark.parametrize("operation", ["send_message_batch", "delete_message_batch"])
def test_a_kill_in_between_leaves_a_letter_in_at_least_one_queue(queues: Queues, operation: str) -> None:
    queues.dead_letter(event("emo/1x1/a.jpg"), "InvalidApiKey")
    dead_letters = queues.dead_letters(Broken(queues.sqs, operation, KeyboardInterrupt()))
    found = list(dead_letters.read())
    with pytest.raises(KeyboardInterrupt):
        dead_letters.put_back(found)
    dead_letters.release([dead_letter.receipt for dead_letter in found])
    assert len(queues.bodies(queues.dead)) == 1
    assert len(queues.bodies(queues.origin)) == (1 if operation == "delete_message_batch" else 0)


def test_what_the_queue_refuses_stays_a_dead_letter(queues: Queues) -> None:
    for n in range(3):
        queues.dead_letter(event(f"emo/1x1/{n}.jpg"), "InvalidApiKey")
    answer = {"Successful": [{"Id": "1"}], "Failed": [{"Id": "0"}, {"Id": "2"}]}
    dead_letters = queues.dead_letters(Broken(queues.sqs, "send_message_batch", answer))
    found = list(dead_letters.read())
    assert dead_letters.put_back(found) == [found[0], found[2]]
    assert dead_letters.count() == 0
    dead_letters.release([found[0].receipt, found[2].receipt])
    assert len(queues.bodies(queues.dead)) == 2


@pytest.mark.parametrize(
    ("item", "code"),
    [
        ({"verdict": "error", "code": "Throttling", "screened_at": "2026-01-01T00:00:00.000Z"}, "Throttling"),
        ({"lease_until": 1.0, "cause_code": "ServiceUnavailable"}, "ServiceUnavailable"),
        ({"verdict": "pass", "screened_at": "2026-01-01T00:00:00.000Z"}, NO_CODE),
        (
            {"screening": "emo-detect-v1#1x1#another-version", "verdict": "error", "code": "Throttling"},
            NO_CODE,
        ),
        (None, NO_CODE),
    ],
)
def test_a_letter_without_a_code_is_looked_up(queues: Queues, item: dict[str, Any] | None, code: str) -> None:
    if item is not None:
        stored = {"object": "s3://portraits/emo/1x1/a.jpg", "screening": "emo-detect-v1#1x1#-"} | item
        queues.dynamodb.put_item(TableName=queues.table, Item=encode(stored))
    queues.dead_letter(event("emo/1x1/a.jpg"))
    (dead_letter,) = queues.dead_letters().read()
    assert dead_letter.code == code


def test_a_letter_that_names_no_object_can_be_seen_too(queues: Queues) -> None:
    queues.dead_letter("not JSON")
    (dead_letter,) = queues.dead_letters().read()
    assert (dead_letter.refs, dead_letter.code) == ((), "UnreadableEvent")


LETTER = DeadLetter(
    "1", "r", "{}", (ObjectRef(bucket="portraits", key="emo/1x1/a.jpg"),), "Throttling", NOW - 7200
)


def test_what_a_killed_look_hides_is_counted(queues: Queues) -> None:
    for n in range(3):
        queues.dead_letter(event(f"emo/1x1/{n}.jpg"), "InvalidApiKey")
    killed = queues.dead_letters()
    assert killed.hidden() == 0
    next(killed.read())
    assert queues.dead_letters().hidden() == 3


@pytest.mark.parametrize(
    ("filters", "chosen"),
    [
        ({}, True),
        ({"codes": frozenset({"Throttling", "x"})}, True),
        ({"codes": frozenset({"Throttl"})}, False),
        ({"bucket": "portraits"}, True),
        ({"bucket": "others"}, False),
        ({"prefix": "emo/"}, True),
        ({"prefix": "emoji/"}, False),
        ({"sent_before": NOW - 3600}, True),
        ({"sent_before": NOW - 10_000}, False),
        ({"sent_after": NOW - 10_000}, True),
        ({"sent_after": NOW - 3600}, False),
        ({"bucket": "portraits", "codes": frozenset({"x"})}, False),
    ],
)
def test_filters_narrow(filters: dict[str, Any], chosen: bool) -> None:
    assert Filters(**filters).matches(LETTER) is chosen


@pytest.mark.parametrize(
    ("text", "seconds"), [(None, None), ("90s", 90), ("30m", 1800), ("1.5h", 5400), ("3d", 259_200)]
)
def test_ages(text: str | None, seconds: float | None) -> None:
    assert parse_age(text, "--older-than") == seconds


@pytest.mark.parametrize("text", ["", "h", "3 weeks", "-1h"])
def test_a_malformed_age_is_named_with_its_option(text: str) -> None:
    with pytest.raises(AwsError, match="--older-than"):
        parse_age(text, "--older-than")
